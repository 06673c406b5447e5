"""The images and their tags.

A tag is a hash of what goes in: an image that exists under its tag is never built nor loaded again.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hatch_build import FRONT_PROGRAM
from soma_dev.paths import ROOT

REGISTRY = "localhost"
RECIPE = ("Dockerfile", ".dockerignore", "pyproject.toml", "requirements/uv.txt")
IGNORED_ENDINGS = (".c", ".pyc", ".pyi", ".so", "_test.go", FRONT_PROGRAM.name)


@dataclass(frozen=True, slots=True)
class Image:
    """One target of the Dockerfile."""

    target: str
    repository: str
    sources: tuple[str, ...]
    """Files and folders that the target copies, relative to the checkout."""


OPERATOR = Image(
    "operator",
    "soma-operator",
    ("requirements/operator.txt", "common/soma_common", "operator/soma_operator"),
)
MEMORY_SERVER = Image(
    "memory-server",
    "soma-memory-server",
    (
        "requirements/build.txt",
        "requirements/server.txt",
        "hatch_build.py",
        "front",
        "proto/gen/python",
        "common/soma_common",
        "memory_server",
        "client/somamemory",
    ),
)
IMAGES = (OPERATOR, MEMORY_SERVER)


def reference(image: Image, *, root: Path = ROOT) -> str:
    """Return the full name of the image of the present sources."""
    return f"{REGISTRY}/{image.repository}:{tag(image, root=root)}"


def tag(image: Image, *, root: Path = ROOT) -> str:
    """Return the tag of the image of the present sources."""
    digest = hashlib.sha256()
    for path in _files(image, root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def _files(image: Image, root: Path) -> Iterator[Path]:
    """Give the files that go in, in an order that does not depend on the file system."""
    for name in (*RECIPE, *image.sources):
        found = [root / name] if (root / name).is_file() else (root / name).rglob("*")
        yield from sorted(path for path in found if path.is_file() and _counts(path))


def _counts(path: Path) -> bool:
    return not path.name.endswith(IGNORED_ENDINGS) and "__pycache__" not in path.parts
