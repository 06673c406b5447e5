"""The images of the present sources: built when missing, and archives of them."""

from collections.abc import Callable, Iterable
from functools import cache as once
from pathlib import Path

from soma_dev import debian
from soma_dev.images.builder import Buildah, Builder, choose
from soma_dev.images.catalog import IMAGES, Image, reference
from soma_dev.paths import cache
from soma_dev.problem import Problem

ATTEMPTS = 5
KEPT = 3
"""Archives of one image that stay in the cache: switching between branches loads, and does not build."""


@once
def builder() -> Builder:
    """Return what builds on this machine; asked once per run."""
    return choose()


def ensure(say: Callable[[str], None], images: Iterable[Image] = IMAGES) -> dict[Image, str]:
    """Build the images that are missing and return the reference of each."""
    chosen = builder()
    if isinstance(chosen, Buildah):
        debian.ensure(debian.BUILDAH, say)
    return {image: _ensure_one(chosen, image, say) for image in images}


def _ensure_one(chosen: Builder, image: Image, say: Callable[[str], None]) -> str:
    for _ in range(ATTEMPTS):
        name = reference(image)
        if is_built(name):
            return name
        chosen.build(image, name, say)
        if reference(image) == name:
            return name
        # Somebody saved a file meanwhile: what was built may be neither the old nor the new.
        chosen.remove(name)
    raise Problem("the sources change faster than they build", mend="let the editor rest")


def is_built(name: str) -> bool:
    """Tell whether an image need not be built."""
    return _archive_path(name).exists() or builder().has(name)


def archive(name: str) -> Path:
    """Return an archive of an image that containerd imports under its name."""
    path = _archive_path(name)
    if path.exists():
        path.touch()
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    builder().export(name, part)
    part.replace(path)
    _drop_old(path)
    return path


def _archive_path(name: str) -> Path:
    """Return where the archive of an image is, once made: `<repository>-<tag>.tar`."""
    return cache() / "images" / f"{name.rpartition('/')[2].replace(':', '-')}.tar"


def _drop_old(newest: Path) -> None:
    repository = newest.stem.rpartition("-")[0]
    archives = sorted(
        newest.parent.glob(f"{repository}-*.tar"), key=lambda path: path.stat().st_mtime
    )
    for path in archives[:-KEPT]:
        path.unlink(missing_ok=True)
