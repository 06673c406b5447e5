"""Runs the Lua scripts of Argo CD's customizations, in the version of the language that Argo CD has."""

from pathlib import Path
from typing import Any

from lupa.lua51 import LuaRuntime, lua_type

from soma_operator.core.kinds import Manifest


def run_lua(script: Path, resource: Manifest) -> Any:
    """Run a script with the resource as `obj`, and return what it returns as Python values."""
    # No way from the script into Python: what Argo CD does not have is not there either.
    lua = LuaRuntime(register_eval=False, register_builtins=False, unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(resource, recursive=True)
    return _python(lua.execute(script.read_text()))


def _python(value: Any) -> Any:
    if lua_type(value) != "table":
        return value
    found = {key: _python(each) for key, each in value.items()}
    if found and set(found) == set(range(1, len(found) + 1)):
        return [found[number] for number in range(1, len(found) + 1)]
    return found
