"""buildah's storage: one of our own, in the cache."""

from functools import cache as once
from pathlib import Path

from soma_dev.paths import cache
from soma_dev.shell import succeeds

OVERLAY, COPIES = "overlay", "vfs"


@once
def buildah() -> tuple[str, ...]:
    """Return the beginning of every buildah command."""
    # Without overlayfs, as in a container that is itself on one, every layer is a whole copy.
    overlay = _with(OVERLAY)
    return overlay if succeeds(*overlay, "info") else _with(COPIES)


def holds(name: str) -> bool:
    """Tell whether an image is there; looking makes no storage."""
    return _home().exists() and succeeds(*buildah(), "inspect", "--type", "image", name)


def _home() -> Path:
    return cache() / "containers"


def _with(driver: str) -> tuple[str, ...]:
    root, run_root = _home() / driver, _home() / f"{driver}-run"
    return ("buildah", "--root", str(root), "--runroot", str(run_root), "--storage-driver", driver)
