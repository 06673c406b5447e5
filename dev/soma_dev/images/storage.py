"""buildah's storage: one of our own, in the cache."""

from functools import cache as once

from soma_dev.paths import cache
from soma_dev.shell import succeeds

OVERLAY, COPIES = "overlay", "vfs"


@once
def buildah() -> tuple[str, ...]:
    """Return the beginning of every buildah command."""
    # Without overlayfs, as in a container that is itself on one, every layer is a whole copy.
    overlay = _with(OVERLAY)
    return overlay if succeeds(*overlay, "info") else _with(COPIES)


def _with(driver: str) -> tuple[str, ...]:
    home = cache() / "containers"
    root, run_root = home / driver, home / f"{driver}-run"
    return ("buildah", "--root", str(root), "--runroot", str(run_root), "--storage-driver", driver)
