"""Compiled modules: made of the present sources, declared by their stubs, free of everything that is ours."""

import ast
import importlib
import importlib.util
import inspect
import os
import re
from pathlib import Path
from types import ModuleType

import pytest
from Cython.Compiler.Errors import CompileError

from hatch_build import FOLDER, PACKAGE, SUFFIX, compile_in_place, stale
from soma_dev.paths import ROOT

SOURCE = '''
def at(list values, Py_ssize_t place):
    """Return one value."""
    return values[place]
'''
IMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+c?import\b|c?import\s+(\S+))", re.MULTILINE)
MAY_BE_IMPORTED = re.compile(
    rf"array|cython|cpython\.\w+|libc\.\w+|numpy|{re.escape(PACKAGE)}\.\w+"
)
STUBS = sorted(path.stem for path in (ROOT / FOLDER).glob("*.pyi"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a checkout with one source, `one`, and no module."""
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "one.pyx").write_text(SOURCE)
    (tmp_path / "hatch_build.py").touch()
    return tmp_path


def loaded(module: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{PACKAGE}.one", module)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def touch(path: Path, *, seconds: float) -> None:
    """Let a file look newer than it is."""
    changed = path.stat().st_mtime + seconds
    os.utime(path, (changed, changed))


def names_of(body: list[ast.stmt]) -> dict[str, list[str] | None]:
    """Return the public functions of a stub with their parameters, and its classes."""
    found: dict[str, list[str] | None] = {}
    for each in body:
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("__"):
            found[each.name] = [one.arg for one in (*each.args.args, *each.args.kwonlyargs)]
        elif isinstance(each, ast.ClassDef):
            found[each.name] = None
            methods = names_of(each.body)
            found |= {f"{each.name}.{name}": parameters for name, parameters in methods.items()}
    return {name: found[name] for name in found if not name.startswith("_")}


def names_in(owner: object) -> dict[str, list[str] | None]:
    """Return the same of what was compiled."""
    found: dict[str, list[str] | None] = {}
    for name, value in vars(owner).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        if inspect.isclass(value):
            found[name] = None
            found |= {f"{name}.{each}": parts for each, parts in names_in(value).items()}
        elif callable(value):
            found[name] = list(inspect.signature(value).parameters)
    return found


def test_a_source_becomes_a_module_that_checks_bounds(checkout: Path) -> None:
    """The module alone is left beside its source, and a wrong place is an IndexError."""
    (module,) = compile_in_place(checkout)

    assert {path.name for path in module.parent.iterdir()} == {"one.pyx", f"one{SUFFIX}"}
    at = loaded(module).at
    assert at([1, 2], 1) == 2
    with pytest.raises(IndexError):
        at([1, 2], 2)


def test_what_is_not_of_the_present_sources_is_stale(checkout: Path) -> None:
    """A module that is missing, older than its source, a declaration or the recipe, or without a source is named."""
    folder = checkout / FOLDER
    module, orphan = folder / f"one{SUFFIX}", folder / f"gone{SUFFIX}"
    assert stale(checkout) == [module]

    module.touch()
    touch(module, seconds=10)
    assert stale(checkout) == []

    orphan.touch()
    assert stale(checkout) == [orphan]
    orphan.unlink()

    (folder / "shared.pxd").touch()
    for source in (folder / "one.pyx", folder / "shared.pxd", checkout / "hatch_build.py"):
        touch(source, seconds=20)
        assert stale(checkout) == [module]
        touch(source, seconds=-20)


def test_a_module_without_a_source_goes(checkout: Path) -> None:
    """What nobody can compile again is not left to be imported; where a source is refused, nothing changes."""
    (checkout / FOLDER / "one.pyx").unlink()
    orphan = checkout / FOLDER / f"gone{SUFFIX}"
    orphan.touch()
    (checkout / FOLDER / "wrong.pyx").write_text("def wrong(:\n")

    with pytest.raises(CompileError):
        compile_in_place(checkout)
    assert orphan.exists()

    (checkout / FOLDER / "wrong.pyx").unlink()
    assert compile_in_place(checkout) == []
    assert not orphan.exists()


@pytest.mark.parametrize("name", STUBS)
def test_a_stub_declares_what_its_module_has(name: str) -> None:
    """Names of functions, classes, methods and their parameters are those that run."""
    stub = ast.parse((ROOT / FOLDER / f"{name}.pyi").read_text())

    assert names_of(stub.body) == names_in(importlib.import_module(f"{PACKAGE}.{name}"))


def test_kernels_import_nothing_of_ours() -> None:
    """A kernel knows numbers: it imports arrays, the C library and other kernels."""
    sources = [*(ROOT / FOLDER).glob("*.pyx"), *(ROOT / FOLDER).glob("*.pxd")]
    imported = {
        (source.name, first or second)
        for source in sources
        for first, second in IMPORT.findall(source.read_text())
    }

    assert imported
    assert {(name, what) for name, what in imported if not MAY_BE_IMPORTED.fullmatch(what)} == set()
