#!/usr/bin/env bash
# Makes .venv from the hash-pinned locks, with our own modules in it, compiled; works on a Debian that has Python 3.11
# and nothing else, and elsewhere where a C compiler and the headers of Python are, too.
set -euo pipefail
cd "$(dirname "$0")/.."

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
python=
for candidate in python3 python3.13 python3.12 python3.11; do
  if recent "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || { echo "setup: Python 3.11 or newer is missing; on Debian: apt-get install python3 python3-venv" >&2; exit 1; }

install() { # install WHAT-IS-MISSING PACKAGE...
  local what=$1; shift
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "setup: $what missing; on Debian, as root: apt-get install --no-install-recommends $*" >&2; exit 1
  fi
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Debian packs ensurepip apart from Python.
"$python" -c 'import ensurepip, venv' 2>/dev/null || install "Python's venv module is" python3-venv

[ -x .venv/bin/python ] || "$python" -m venv .venv

# What compiles extension modules: the compiler that built this Python, or $CC, with the headers of C and of Python.
compiles() {
  echo '#include <Python.h>' | .venv/bin/python -c 'import os, shlex, subprocess, sys, sysconfig
compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC"))
folders = [f"-I{sysconfig.get_path(name)}" for name in ("include", "platinclude")]
sys.exit(subprocess.run([*compiler, *folders, "-fsyntax-only", "-x", "c", "-"]).returncode)' 2>/dev/null
}
if ! compiles; then
  version=$(.venv/bin/python -c 'import sys; print("{}.{}".format(*sys.version_info))')
  wanted="a C compiler (gcc), the headers of C (libc6-dev) or those of Python $version (libpython$version-dev) are"
  install "$wanted" gcc libc6-dev "libpython$version-dev"
  compiles || { echo "setup: $wanted still missing for $(readlink -f .venv/bin/python); CC may name a compiler" >&2; exit 1; }
fi

.venv/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt
.venv/bin/uv pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes requirements/dev.txt requirements/uv.txt
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
touch .venv/.ready
