"""Go: the one on the PATH when it is new enough, else that of the pinned wheel."""

import re
import shutil
import subprocess
from pathlib import Path

from hatch_build import go
from soma_dev.paths import ROOT
from soma_dev.problem import Problem


def find() -> Path:
    """Return a Go that can build every module of `dev/tools`.

    Raises:
        Problem: There is none.
    """
    for candidate in (shutil.which("go"), go()):
        if candidate and (version := version_of(Path(candidate))) and version >= needed():
            return Path(candidate)
    raise Problem(f"Go {shown(needed())} is not installed", mend="make setup")


def needed() -> tuple[int, ...]:
    """Return the newest Go that a module of ours asks for."""
    modules = (ROOT / "dev" / "tools").glob("*/go.mod")
    return max(asked_for(module.read_text()) for module in modules)


def asked_for(module: str) -> tuple[int, ...]:
    """Return the version in the `go` line of a go.mod."""
    found = re.search(r"^go ([\d.]+)$", module, re.MULTILINE)
    return parsed(found[1]) if found else (0,)


def version_of(binary: Path) -> tuple[int, ...] | None:
    """Return the version of a Go; None when it does not run."""
    try:
        said = subprocess.run([str(binary), "version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    found = re.search(r"go version go([\d.]+)", said.stdout)
    return parsed(found[1]) if found else None


def parsed(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, in an order that compares."""
    return tuple(int(part) for part in version.split("."))


def shown(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))
