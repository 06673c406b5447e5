#!/usr/bin/env bash
# Makes .venv from the hash-pinned locks; works on a machine that has Python 3.11 and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
python=
for candidate in python3 python3.13 python3.12 python3.11; do
  if recent "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || { echo "setup: Python 3.11 or newer is missing; on Debian: apt-get install python3 python3-venv" >&2; exit 1; }

# Debian packs ensurepip apart from Python.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  [ "$(id -u)" = 0 ] || { echo "setup: Python's venv module is missing; as root: apt-get install python3-venv" >&2; exit 1; }
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt
.venv/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes requirements/dev.txt requirements/uv.txt
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
touch .venv/.ready
