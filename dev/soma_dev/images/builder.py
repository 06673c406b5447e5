"""What builds images: Docker where an engine answers, else buildah."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from soma_dev.images import base
from soma_dev.images.build_secrets import secrets
from soma_dev.images.catalog import Image
from soma_dev.images.storage import buildah, holds
from soma_dev.paths import ROOT
from soma_dev.shell import run, succeeds

NETWORK = "--network=host"


class Builder(Protocol):
    """Makes images of the Dockerfile and keeps them."""

    def has(self, name: str) -> bool:
        """Tell whether an image is there."""

    def build(self, image: Image, name: str, say: Callable[[str], None]) -> None:
        """Build an image from the present sources, under a name."""

    def remove(self, name: str) -> None:
        """Forget an image."""

    def export(self, name: str, archive: Path) -> None:
        """Write an image to an archive that containerd imports under the same name."""

    def push(self, name: str, target: str) -> None:
        """Send an image to a registry."""


class Docker:
    """Images in the Docker engine."""

    def has(self, name: str) -> bool:
        """Tell whether an image is there."""
        return succeeds("docker", "image", "inspect", name)

    def build(self, image: Image, name: str, say: Callable[[str], None]) -> None:
        """Build an image from the present sources, under a name."""
        say(f"building {name}")
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
        arguments = ["--target", image.target, "--tag", name, NETWORK]
        with secrets() as passed:
            run(
                "docker",
                "build",
                *passed,
                *arguments,
                ROOT,
                environment=environment,
                timeout_s=1800,
            )

    def remove(self, name: str) -> None:
        """Forget an image."""
        run("docker", "image", "rm", name)

    def export(self, name: str, archive: Path) -> None:
        """Write an image to an archive that containerd imports under the same name."""
        run("docker", "save", "--output", archive, name)

    def push(self, name: str, target: str) -> None:
        """Send an image to a registry."""
        run("docker", "tag", name, target)
        run("docker", "push", target, timeout_s=1800)


class Buildah:
    """Images in buildah's storage in the cache, on bases made from Debian's packages."""

    def has(self, name: str) -> bool:
        """Tell whether an image is there."""
        return holds(name)

    def build(self, image: Image, name: str, say: Callable[[str], None]) -> None:
        """Build an image from the present sources, under a name."""
        for each in base.BASES:
            base.ensure(each, say)
        say(f"building {name}")
        arguments: Sequence[str] = (
            "--layers", "--isolation=chroot", NETWORK, "--pull-never",
            "--build-arg", f"BASE={base.RUNTIME.name}", "--build-arg", f"BUILD_BASE={base.BUILD.name}",
            "--target", image.target, "--tag", name,
        )  # fmt: skip
        with secrets() as passed:
            run(*buildah(), "build", *passed, *arguments, ROOT, timeout_s=1800)

    def remove(self, name: str) -> None:
        """Forget an image."""
        run(*buildah(), "rmi", name)

    def export(self, name: str, archive: Path) -> None:
        """Write an image to an archive that containerd imports under the same name."""
        archive.unlink(missing_ok=True)
        # Not oci-archive: it compresses, which takes longer than writing to this disk.
        run(
            *buildah(),
            "push",
            "--quiet",
            "--disable-compression",
            name,
            f"oci-archive:{archive}:{name}",
        )

    def push(self, name: str, target: str) -> None:
        """Send an image to a registry."""
        run(*buildah(), "push", "--quiet", name, f"docker://{target}", timeout_s=1800)


def docker_answers() -> bool:
    """Tell whether a Docker engine answers; the client alone builds nothing."""
    return succeeds("docker", "info", timeout_s=10)


def choose() -> Builder:
    """Return what builds images on this machine."""
    return Docker() if docker_answers() else Buildah()
