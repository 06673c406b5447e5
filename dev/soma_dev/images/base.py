"""The two images that nothing is pulled for: a Debian with Python, and the one that holds a pod's namespaces."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from soma_dev.cluster.native.services import PAUSE_IMAGE
from soma_dev.images.storage import buildah, holds
from soma_dev.paths import cache
from soma_dev.shell import run

RELEASE = "bookworm"
NAME = f"localhost/soma-python-base:{RELEASE}"
SECONDS = 45
PACKAGES = ("python3", "python3-venv", "ca-certificates")
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


def exists() -> bool:
    """Tell whether the base image is made."""
    return holds(NAME)


def ensure(say: Callable[[str], None]) -> None:
    """Make the base image of the Dockerfile for buildah, once."""
    if exists():
        return
    say(f"making {NAME} from Debian's packages (about {SECONDS} s on two quiet cores)")
    # In the cache, not in /tmp: a file system that is mounted without `dev` cannot hold a root.
    (cache() / "images").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache() / "images") as folder:
        root = Path(folder) / "root"
        chosen = f"--include={','.join(PACKAGES)}"
        mend = "the machine's Debian mirror must be reachable"
        run("debootstrap", "--variant=minbase", chosen, RELEASE, root, timeout_s=1800, mend=mend)
        for path in UNNEEDED:
            shutil.rmtree(root / path, ignore_errors=True)
            (root / path).mkdir()
        container = run(*buildah(), "from", "scratch").strip()
        run(*buildah(), "add", "--quiet", container, root, "/")
        _commit(container, NAME)


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
