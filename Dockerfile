# Both programs, from one file: `--target operator` and `--target memory-server`.
# Plain docker builds it as it stands. Two build secrets are optional and leave no trace in the image:
#   id=ca           a bundle of certificates that the build is to trust
#   id=environment  lines `export NAME=value`, such as the settings of pip and uv
ARG BASE=python:3.11-slim-bookworm
# The same Python with a C compiler and Python's headers. Nothing is run on it but compiling.
ARG BUILD_BASE=python:3.11-bookworm

FROM ${BASE} AS builder
WORKDIR /build
COPY requirements/uv.txt requirements/
RUN --mount=type=secret,id=ca --mount=type=secret,id=environment \
    if [ -f /run/secrets/environment ]; then . /run/secrets/environment; fi; \
    python3 -m venv /opt/uv && /opt/uv/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r requirements/uv.txt

# The dependencies: a layer that only a change of the lock file builds anew.
FROM builder AS operator-dependencies
COPY requirements/operator.txt requirements/
RUN --mount=type=secret,id=ca --mount=type=secret,id=environment \
    if [ -f /run/secrets/environment ]; then . /run/secrets/environment; fi; \
    python3 -m venv --without-pip /opt/soma && /opt/uv/bin/uv pip install --quiet --no-cache --compile-bytecode --link-mode copy \
    --python /opt/soma/bin/python --require-hashes -r requirements/operator.txt

FROM builder AS memory-server-dependencies
COPY requirements/server.txt requirements/
RUN --mount=type=secret,id=ca --mount=type=secret,id=environment \
    if [ -f /run/secrets/environment ]; then . /run/secrets/environment; fi; \
    python3 -m venv --without-pip /opt/soma && /opt/uv/bin/uv pip install --quiet --no-cache --compile-bytecode --link-mode copy \
    --python /opt/soma/bin/python --require-hashes -r requirements/server.txt

# What is not Python, compiled: a layer that only a change of it or of its compilers builds anew.
FROM ${BUILD_BASE} AS compiled
WORKDIR /build
COPY --from=builder /opt/uv/bin/uv /usr/local/bin/uv
COPY requirements/build.txt requirements/
RUN --mount=type=secret,id=ca --mount=type=secret,id=environment \
    if [ -f /run/secrets/environment ]; then . /run/secrets/environment; fi; \
    python3 -m venv --without-pip /opt/build && uv pip install --quiet --no-cache --link-mode copy \
    --python /opt/build/bin/python --require-hashes -r requirements/build.txt
COPY hatch_build.py ./
COPY front front
COPY memory_server/kernels memory_server/kernels
RUN --mount=type=secret,id=ca --mount=type=secret,id=environment \
    if [ -f /run/secrets/environment ]; then . /run/secrets/environment; fi; \
    mkdir -p memory_server/transport/front && /opt/build/bin/python hatch_build.py

# The programs ask for the version of their distribution, as if pip had installed it.
FROM ${BASE} AS metadata
COPY pyproject.toml ./
RUN python3 -c 'import pathlib, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
    folder = pathlib.Path("/app/{name}-{version}.dist-info".format(**project)); folder.mkdir(parents=True); \
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".format(**project))'

# Our own code, compiled: the root file system is read-only when it runs.
FROM ${BASE} AS operator-code
COPY --from=metadata /app /app
COPY common/soma_common /app/soma_common
COPY operator/soma_operator /app/soma_operator
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /app

FROM ${BASE} AS memory-server-code
COPY --from=metadata /app /app
COPY proto/gen/python /app
COPY common/soma_common /app/soma_common
COPY memory_server /app/memory_server
COPY --from=compiled /build/memory_server/kernels/*.so /app/memory_server/kernels/
COPY --from=compiled /build/memory_server/transport/front/soma-front /app/memory_server/transport/front/
# `python -m somamemory` makes and restores copies beside a server.
COPY client/somamemory /app/somamemory
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /app

FROM ${BASE} AS runtime
# PYTHONSAFEPATH: the working directory is never a place to import from.
ENV PATH=/opt/soma/bin:$PATH PYTHONPATH=/app PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
# A name for the number: libraries ask who runs them.
RUN echo 'soma:x:10001:' >> /etc/group && echo 'soma:x:10001:10001::/tmp:/usr/sbin/nologin' >> /etc/passwd
USER 10001:10001

FROM runtime AS operator
COPY --from=operator-dependencies /opt/soma /opt/soma
COPY --from=operator-code /app /app
EXPOSE 8080
ENTRYPOINT ["/opt/soma/bin/python", "-m", "soma_operator"]

FROM runtime AS memory-server
COPY --from=memory-server-dependencies /opt/soma /opt/soma
COPY --from=memory-server-code /app /app
# What was compiled for another Python is told here and not by the first pod.
RUN python -c 'import memory_server.bootstrap'
ENV SOMA_DATA_DIR=/data
EXPOSE 50053 8080
ENTRYPOINT ["/opt/soma/bin/python", "-m", "memory_server"]
