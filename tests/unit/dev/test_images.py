"""Tags of images: what changes them and what does not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from soma_dev.images.build_secrets import bundle_of, shell_exports
from soma_dev.images.catalog import IMAGES, MEMORY_SERVER, OPERATOR, RECIPE, tag
from soma_dev.paths import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a copy of all that goes into an image."""
    names = {*RECIPE, *(name for image in IMAGES for name in image.sources)}
    for name in names:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy: Callable[..., object] = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, target)
    return tmp_path


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_the_same_sources_have_the_same_tag(checkout: Path) -> None:
    """The tag does not depend on where the checkout is, nor on what Python leaves behind."""
    before = tag(OPERATOR, root=checkout)

    (checkout / "operator/soma_operator/__pycache__").mkdir(exist_ok=True)
    (checkout / "operator/soma_operator/__pycache__/x.pyc").write_bytes(b"x")

    assert tag(OPERATOR, root=checkout) == before
    assert tag(OPERATOR, root=checkout) == tag(OPERATOR, root=ROOT)


def test_a_change_reaches_only_the_images_that_hold_it(checkout: Path) -> None:
    """A change of the server leaves the operator's image as it is; shared code changes both."""
    operator, server = (tag(image, root=checkout) for image in (OPERATOR, MEMORY_SERVER))

    append(checkout / "memory_server/bootstrap.py", "#")
    assert tag(OPERATOR, root=checkout) == operator
    changed = tag(MEMORY_SERVER, root=checkout)
    assert changed != server

    append(checkout / "common/soma_common/errors.py", "#")
    assert tag(OPERATOR, root=checkout) != operator
    assert tag(MEMORY_SERVER, root=checkout) != changed


@pytest.mark.parametrize("name", ["Dockerfile", "requirements/operator.txt", "pyproject.toml"])
def test_the_recipe_counts(checkout: Path, name: str) -> None:
    """The Dockerfile, the locks and the version are part of what an image is."""
    before = tag(OPERATOR, root=checkout)

    append(checkout / name, "\n# changed\n")

    assert tag(OPERATOR, root=checkout) != before


def test_a_moved_file_counts(checkout: Path) -> None:
    """The same content under another name is another image."""
    before = tag(OPERATOR, root=checkout)

    (checkout / "operator/soma_operator/queue.py").rename(
        checkout / "operator/soma_operator/line.py"
    )

    assert tag(OPERATOR, root=checkout) != before


def test_what_is_compiled_here_counts_by_its_source(checkout: Path) -> None:
    """An image compiles for itself: modules of this machine stay out, sources and recipe count."""
    before = tag(MEMORY_SERVER, root=checkout)
    kernels = checkout / "memory_server/kernels"

    (kernels / "other.so").write_bytes(b"x")
    assert tag(MEMORY_SERVER, root=checkout) == before
    assert "memory_server/kernels/*.so\n" in (ROOT / ".dockerignore").read_text()

    (kernels / "other.pyx").write_text("")
    with_source = tag(MEMORY_SERVER, root=checkout)
    append(checkout / "hatch_build.py", "#")
    assert len({before, with_source, tag(MEMORY_SERVER, root=checkout)}) == 3


def test_the_build_sees_all_that_the_tag_sees() -> None:
    """What the Dockerfile copies is let in by .dockerignore."""
    let_in = (ROOT / ".dockerignore").read_text()

    for name in {name for image in IMAGES for name in image.sources} - {*RECIPE}:
        pattern = "requirements/*.txt" if name.startswith("requirements/") else name
        assert f"!{pattern}\n" in let_in


def test_a_build_borrows_settings_of_pip_and_nothing_else() -> None:
    """Settings of pip and uv reach the build, quoted; other variables do not."""
    exports = shell_exports({"PIP_INDEX_URL": "a b", "UV_CACHE_DIR": "c", "PASSWORD": "hunter2"})

    assert "export PIP_INDEX_URL='a b'\n" in exports
    assert "export UV_CACHE_DIR=c\n" in exports
    assert "hunter2" not in exports


def test_a_named_bundle_of_certificates_wins() -> None:
    """The bundle that the caller trusts is the one that the build trusts."""
    assert bundle_of({"SSL_CERT_FILE": "/own/bundle.pem"}) == "/own/bundle.pem"
    assert "export PIP_CERT=/run/secrets/ca\n" in shell_exports({"PIP_CERT": "/own/bundle.pem"})
