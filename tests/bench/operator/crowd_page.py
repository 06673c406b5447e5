"""The section of the page about many resources beside a published operator."""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from tests.bench.operator.crowd import CHILDREN, READY, SAYS_SO

Run = dict[str, Any]
Value = Callable[[Run], float | None]
"""Of one turn; infinite: it was stopped before; None: nobody tells."""

_HOW = """\
{resources} resources applied at once, to one operator and then to the other, each on a control plane of its own, in
turns: this operator, the peer, and this operator again, of which the mean is shown. *Alone*: nobody but the operator
acts, and it is over when the children exist. *Together*: all controllers and the scheduler act, kwok plays; it is over
when the pods of all Deployments are ready. Times are those of single resources, from their apply on.

What takes so long is neither a limit of rates, all of which are far away, nor a single resource, which is ready a
second or two after its first child was made: it is the work of the whole cluster for {resources} resources on two
processors, which others use, too. Together, this operator takes a sixth of the processor time of its turns and the peer
almost half of its own; the API server, etcd and the controllers take the rest, whoever asked for the children. p99 is
when nearly all of that work is done, so that no operator makes it several times shorter there; p50 tells of the order:
this operator makes one resource after the other, the peer all of them at once. A resource of the peer has four
children, two of them Deployments; one of this operator has eight, one Deployment and one claim, whose volume takes its
controller four requests.
"""


_PACED = """\
Resources come at a rate, whether those before them are ready or not, on a cluster with all controllers. Times count
from when a resource is due. What one waits for is then not the whole of a burst, but how the operator and the cluster
keep up: who cannot has a queue that grows as long as more come.
"""


def crowd_section(runs: dict[str, Run], about: Callable[[Run], str]) -> str:
    """Return the section.

    Args:
        runs: By where they were measured, `alone` and `together`; one may be missing.
        about: Returns when and of what a run was measured.
    """
    some = next(iter(runs.values()))
    lines = [
        f"## {some['resources']} resources beside {' on '.join(some['peer'])}",
        "",
        *(f"{name.capitalize()}: {about(run)}" for name, run in runs.items()),
        "",
        _HOW.format(resources=some["resources"]),
        "| what | peer | this operator |",
        "|---|--:|--:|",
    ]
    if "alone" in runs:
        lines += _rows(runs["alone"], "alone", (CHILDREN,))
    if "together" in runs:
        lines += _rows(runs["together"], "together", (CHILDREN, READY, SAYS_SO))
    return "\n".join([*lines, ""])


def paced_section(runs: Sequence[Run], about: Callable[[Run], str]) -> str:
    """Return the section about resources that come one after the other; `about` as of `crowd_section`."""
    lines = ["## The same, one after the other", ""]
    for run in runs:
        lines += [f"{run['resources']} of them, {_rate(run)}: {about(run)}", ""]
    lines += [_PACED, "| what | peer | this operator |", "|---|--:|--:|"]
    for run in runs:
        lines += _rows(run, _rate(run), (CHILDREN, READY, SAYS_SO))
    return "\n".join([*lines, ""])


def _rate(run: Run) -> str:
    return f"{run['per_second']:g} a second"


def _rows(run: Run, where: str, stages: tuple[str, ...]) -> list[str]:
    rows = [
        _row(run, f"{where}: apply until {stage}, {share}", "s", _stage(stage, share))
        for stage in stages
        for share in ("p50", "p99")
    ]
    return [
        *rows,
        _row(run, f"{where}: requests for each resource", "", lambda one: one["requests_per_resource"]),
        _row(run, f"{where}: processor time of the operator", "s", lambda one: one["processor_s"]["operator"]),
        _row(run, f"{where}: processor time of the control plane", "s", _of_the_plane),
        _row(run, f"{where}: resident memory at the end", "MiB", lambda one: one["resident_mib"]["full"]),
        _row(run, f"{where}: load average at the start", "", lambda one: one["load_average_at_start"]),
    ]  # fmt: skip


def _stage(stage: str, share: str) -> Value:
    def value(turn: Run) -> float | None:
        told = turn["stages"].get(stage)
        if told is None:
            return None
        return math.inf if told[share] is None else float(told[share])

    return value


def _of_the_plane(turn: Run) -> float:
    return float(sum(spent for who, spent in turn["processor_s"].items() if who != "operator"))


def _row(run: Run, what: str, unit: str, value: Value) -> str:
    cells = " | ".join(_cell(run, who, unit, value) for who in ("theirs", "ours"))
    return f"| {what} | {cells} |"


def _cell(run: Run, who: str, unit: str, value: Value) -> str:
    values = [value(turn) for turn in run["turns"] if turn["operator"] == who]
    known = [one for one in values if one is not None]
    if not known:
        return "-"
    mean = statistics.mean(known)
    return (
        f"more than {run['patience_s']:.0f} {unit}"
        if mean == math.inf
        else f"{mean:.1f} {unit}".rstrip()
    )
