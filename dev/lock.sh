#!/usr/bin/env bash
# Resolves pyproject.toml into the hash-pinned lock files: one per use, without any address in them.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { .venv/bin/uv pip compile --quiet --generate-hashes --no-header --universal --python-version 3.11 "$@"; }
compile pyproject.toml --extra s3 --output-file requirements/server.txt
compile pyproject.toml --extra operator --extra s3 --group dev --output-file requirements/dev.txt
compile --group pyproject.toml:build --constraint requirements/dev.txt --output-file requirements/build.txt
compile requirements/operator.in --constraint requirements/dev.txt --output-file requirements/operator.txt
echo 'uv==0.13.9' | compile - --output-file requirements/uv.txt
