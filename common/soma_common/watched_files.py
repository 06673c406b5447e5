"""Files that are replaced while the program runs: mounted secrets, certificates, tokens."""

from collections.abc import Sequence
from pathlib import Path

Signature = tuple[tuple[int, int, int, int] | None, ...]


class WatchedFiles:
    """Tells when any of some files has been replaced.

    A file is known by device, inode, time of change and size of what its name leads to now. So a rename over it is
    seen, and the swap of the symbolic link by which Kubernetes replaces all files of a Secret at once.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def signature(self) -> Signature:
        """Return what changes whenever a file does; a file that cannot be looked at counts as missing."""
        return tuple(_signature(path) for path in self.paths)


def _signature(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
