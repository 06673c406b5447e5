"""The images that nothing is pulled for: Debians with Python, and the one that holds a pod's namespaces."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soma_dev.cluster.native.services import PAUSE_IMAGE
from soma_dev.images.storage import buildah, holds
from soma_dev.paths import cache
from soma_dev.shell import run

RELEASE = "bookworm"


@dataclass(frozen=True, slots=True)
class Base:
    """A Debian with Python."""

    name: str
    packages: tuple[str, ...]
    seconds: int
    """How long it takes to make on two quiet cores."""


RUNTIME = Base(
    f"localhost/soma-python-base:{RELEASE}", ("python3", "python3-venv", "ca-certificates"), 45
)
BUILD = Base(
    f"localhost/soma-python-build:{RELEASE}",
    (*RUNTIME.packages, "gcc", "libc6-dev", "libpython3-dev"),
    60,
)
BASES = (RUNTIME, BUILD)

UNNEEDED = (
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
)

PAUSE_SOURCE = """\
#include <signal.h>
#include <unistd.h>
static void stop(int number) { (void)number; _exit(0); }
int main(void) { signal(SIGTERM, stop); signal(SIGINT, stop); for (;;) pause(); }
"""


def exists(base: Base) -> bool:
    """Tell whether a base image is made."""
    return holds(base.name)


def ensure(base: Base, say: Callable[[str], None]) -> None:
    """Make a base image of the Dockerfile for buildah, once."""
    if exists(base):
        return
    say(f"making {base.name} from Debian's packages (about {base.seconds} s on two quiet cores)")
    # In the cache, not in /tmp: a file system that is mounted without `dev` cannot hold a root.
    (cache() / "images").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache() / "images") as folder:
        root = Path(folder) / "root"
        chosen = f"--include={','.join(base.packages)}"
        mend = "the machine's Debian mirror must be reachable"
        run("debootstrap", "--variant=minbase", chosen, RELEASE, root, timeout_s=1800, mend=mend)
        for path in UNNEEDED:
            shutil.rmtree(root / path, ignore_errors=True)
            (root / path).mkdir()
        container = run(*buildah(), "from", "scratch").strip()
        run(*buildah(), "add", "--quiet", container, root, "/")
        _commit(container, base.name)


def pause_archive() -> Path:
    """Return the archive of the image that holds a pod's namespaces; made once."""
    archive = cache() / "images" / "pause.tar"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "pause"
        run("gcc", "-static", "-O2", "-x", "c", "-o", program, "-", input_text=PAUSE_SOURCE)
        container = run(*buildah(), "from", "scratch").strip()
        run(*buildah(), "copy", "--quiet", container, program, "/pause")
        run(*buildah(), "config", "--entrypoint", '["/pause"]', container)
        _commit(container, PAUSE_IMAGE)
        part = archive.with_suffix(".part")
        part.unlink(missing_ok=True)
        run(*buildah(), "push", "--quiet", PAUSE_IMAGE, f"oci-archive:{part}:{PAUSE_IMAGE}")
        part.replace(archive)
    return archive


def _commit(container: str, name: str) -> None:
    run(*buildah(), "commit", "--quiet", container, name)
    run(*buildah(), "rm", container)
