"""What this machine has, what the first run would add, how long that takes, and what cannot be had."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from soma_dev import debian, golang, tools
from soma_dev.cluster import provider
from soma_dev.cluster.native.provider import unable
from soma_dev.images import base, store
from soma_dev.images.builder import Buildah, Builder, docker_answers
from soma_dev.images.catalog import IMAGES, reference
from soma_dev.paths import cache
from soma_dev.problem import Problem

PRESENT, WORK, IMPOSSIBLE = "present", "to do", "impossible"
COLOURS: Mapping[str, str] = {PRESENT: "green", WORK: "yellow", IMPOSSIBLE: "red"}

PACKAGES_S, IMAGE_S = 30, 20
"""Times of two quiet cores with a fast mirror."""

DISK_GB = 15
"""Go's build cache and the images, when everything is still to be made."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is needed."""

    what: str
    state: str
    detail: str
    seconds: int = 0
    """How long the work takes, when there is work."""


def run() -> int:
    """Print the findings; 1 when something cannot be had."""
    findings = list(examine(os.environ))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("what", "state", "detail"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "detail")
    table.add_column("about", justify="right", no_wrap=True)
    for one in findings:
        state = f"[{COLOURS[one.state]}]{one.state}[/]"
        table.add_row(one.what, state, one.detail, shown(one.seconds) if one.seconds else "")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 140
    console.print(table)
    console.print(f"\n{summary(findings)}")
    return 1 if any(one.state == IMPOSSIBLE for one in findings) else 0


def summary(findings: list[Finding]) -> str:
    """Return the one sentence that matters."""
    impossible = [one.what for one in findings if one.state == IMPOSSIBLE]
    if impossible:
        return f"`make demo` cannot run here until this is mended: {', '.join(impossible)}"
    seconds = sum(one.seconds for one in findings)
    if not seconds:
        return "everything is there: `make demo` takes about a minute"
    return (
        f"`make demo` and `make test` first do what is to do: about {shown(seconds)} on two quiet cores; "
        "then never again"
    )


def shown(seconds: int) -> str:
    """Return a duration as people say it."""
    return f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"


def examine(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Look at everything, change nothing."""
    docker = docker_answers()
    try:
        kind = provider.chosen_kind(environment, docker=lambda: docker)
    except Problem as problem:
        yield Finding("cluster", IMPOSSIBLE, str(problem))
        return
    yield from _cluster(kind, docker, environment)
    yield from _packages(kind, store.builder())
    yield from _tools(kind)
    yield from _images(store.builder())
    yield _disk()


def _cluster(kind: str, docker: bool, environment: Mapping[str, str]) -> Iterator[Finding]:
    why = f"{provider.CHOICE} says so" if environment.get(provider.CHOICE) else "found here"
    engine = "a Docker engine answers" if docker else "no Docker engine answers"
    problem = unable() if kind == provider.NATIVE else None
    if problem:
        yield Finding("cluster", IMPOSSIBLE, str(problem))
        return
    yield Finding("cluster", PRESENT, f"{kind} ({why}; {engine})")
    for name in ("demo", "test"):
        up = provider.choose(name, environment=environment).is_up()
        yield Finding(
            f"cluster {name}",
            PRESENT if up else WORK,
            "runs" if up else "is started",
            0 if up else 10,
        )


def _packages(kind: str, builder: Builder) -> Iterator[Finding]:
    needed = set(debian.CONTROL_PLANE)
    needed |= set(debian.NATIVE_NODE) if kind == provider.NATIVE else set()
    needed |= set(debian.BUILDAH) if isinstance(builder, Buildah) else set()
    missing = debian.missing(sorted(needed))
    if not missing:
        yield Finding("Debian packages", PRESENT, ", ".join(sorted(needed)))
    elif os.geteuid() == 0 and shutil.which("apt-get"):
        yield Finding("Debian packages", WORK, f"installed: {', '.join(missing)}", PACKAGES_S)
    else:
        mend = f"as root: apt-get install --no-install-recommends {' '.join(missing)}"
        yield Finding("Debian packages", IMPOSSIBLE, mend)


def _tools(kind: str) -> Iterator[Finding]:
    more = {
        provider.NATIVE: tools.NATIVE_NODE,
        provider.KIND: (tools.KIND.name,),
        provider.EXISTING: (),
    }[kind]
    wanted = list(dict.fromkeys((*more, *tools.TESTS)))
    missing = tools.missing(wanted)
    if missing:
        yield _go()
    for module in dict.fromkeys(tools.BY_NAME[name].module for name in wanted):
        names = [name for name in wanted if tools.BY_NAME[name].module == module]
        absent = [one for one in missing if one.module == module]
        detail = ", ".join(one.name for one in absent) or ", ".join(names)
        state = WORK if absent else PRESENT
        yield Finding(f"tools: {module}", state, detail, sum(one.seconds for one in absent))


def _go() -> Finding:
    return Finding("Go", PRESENT, str(golang.find()))


def _images(builder: Builder) -> Iterator[Finding]:
    if isinstance(builder, Buildah):
        for each in base.BASES:
            there = bool(shutil.which("buildah")) and base.exists(each)
            state, seconds = (PRESENT, 0) if there else (WORK, each.seconds)
            yield Finding("base image", state, each.name, seconds)
    for image in IMAGES:
        name = reference(image)
        there = store.is_built(name)
        yield Finding(
            f"image {image.target}", PRESENT if there else WORK, name, 0 if there else IMAGE_S
        )


def _disk() -> Finding:
    folder = next(path for path in (cache(), *cache().parents) if path.exists())
    free = shutil.disk_usage(folder).free // 10**9
    detail = f"{free} GB free at {folder}; a first run takes up to {DISK_GB}"
    return Finding("disk", PRESENT if free >= DISK_GB else IMPOSSIBLE, detail)
