"""The page docs/benchmarks/operator.md, from the kept JSON of every run."""

import json
import statistics
from pathlib import Path
from typing import Any

from tests.bench.operator.crowd_page import crowd_section, paced_section

_HEAD = """\
# The operator with many resources

Written by `make scale`; the numbers are in `docs/benchmarks/operator/`. A real API server, etcd, all controllers and
the scheduler; nodes and pods are played by kwok, volumes are bound and never used. Sixteen clients create all resources
as fast as the API server takes them. Everything shares one machine of two cores, so that times are those of the whole
cluster, of which the operator is a part: with a thousand resources the API server alone takes half of the processors.
Requests are counted in the API server's audit log, the Lease aside. No number is a gate.
"""


_CROWDS = {"crowd-alone": "alone", "crowd": "together"}
"""What is kept of many resources at once beside a peer, and where it was measured."""

_PACED = "crowd-*-a-second.json"
"""What is kept of many resources that came one after the other."""


def page(folder: Path) -> str:
    """Return the page."""
    runs = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    parts = [_HEAD, *(_many(runs[name]) for name in sorted(filter(str.isdigit, runs), key=int))]
    crowds = {place: runs[name] for name, place in _CROWDS.items() if name in runs}
    parts += [crowd_section(crowds, _about)] if crowds else []
    paced = [runs[path.stem] for path in sorted(folder.glob(_PACED))]
    parts += [paced_section(paced, _about)] if paced else []
    sections = {"beside": _beside, "churn": _churn}
    parts += [render(runs[name]) for name, render in sections.items() if name in runs]
    return "\n".join(parts)


def _many(run: dict[str, Any]) -> str:
    ready, asked = run["apply_to_ready_s"], run["requests_per_resource"]
    quiet, restarted, memory = (
        run["requests_in_quiet"],
        run["requests_after_restart"],
        run["resident_mib"],
    )
    lines = [
        f"## {run['resources']} resources",
        "",
        _about(run),
        "",
        "| what | measured |",
        "|---|--:|",
        f"| apply to Ready, p50 | {ready['p50']:.1f} s |",
        f"| apply to Ready, p99 | {ready['p99']:.1f} s |",
        f"| all of them Ready | {run['all_ready_s']:.1f} s |",
        f"| processor time of the operator meanwhile | {run['processor_s_of_the_operator']:.1f} s |",
        f"| requests for each resource until Ready | {asked['all']:.1f} |",
        f"| of these writes | {asked['writes']:.1f} |",
        f"| requests in {quiet['seconds']:.0f} quiet seconds | {quiet['all']} |",
        f"| of these writes | {quiet['writes']} |",
        f"| writes in {restarted['seconds']:.0f} seconds after a restart of the operator | {restarted['writes']} |",
        f"| resident memory without resources | {memory['empty']:.0f} MiB |",
        f"| resident memory with them | {memory['full']:.0f} MiB |",
        "",
    ]
    return "\n".join(lines)


def _beside(run: dict[str, Any]) -> str:
    names = " on ".join(run["peer"])
    how = (
        f"{run['resources']} resources applied at once, to one operator and then to the other, on the same control"
        f" plane, on which nobody but the operator acts; medians of {run['rounds']} rounds. The peer makes four"
        " children for a resource, two of them Deployments; this operator makes eight, one Deployment and one volume"
        " claim. In the rows about pods, once each, all controllers act and kwok plays: there they, not the operators,"
        " take nearly all of the time, and a claim has to be bound before its pod is. Children were first measured with"
        " all controllers on the same two cores, too: there this operator, then with eight workers and on a busy"
        " machine, was slower (14.3 s against 8.6 s from the first to the last child); the rows below came after that."
    )
    head = [
        f"## Beside {names}",
        "",
        _about(run),
        "",
        how,
        "",
        "| what | peer | this operator |",
        "|---|--:|--:|",
    ]
    rows = [
        _row(run, "first to last child", "s", lambda one: one["first_to_last_child_s"]),
        _row(
            run,
            "requests for each resource until its children exist",
            "",
            lambda one: one["requests_per_resource_until_children"],
        ),
        _row(run, "requests for each resource", "", lambda one: one["requests_per_resource"]),
        _row(
            run,
            "requests for each child",
            "",
            lambda one: one["requests_per_resource"] / one["children_per_resource"],
        ),
        _row(run, "requests in 30 quiet seconds", "", lambda one: one["requests_in_quiet"]["all"]),
        _row(run, "processor time", "s", lambda one: one["processor_s"]),
        _row(run, "resident memory", "MiB", lambda one: one["resident_mib"]["full"]),
        _played(run, "p50"),
        _played(run, "p99"),
    ]
    return "\n".join([*head, *rows, ""])


def _row(run: dict[str, Any], what: str, unit: str, value: Any) -> str:
    theirs, ours = (
        f"{statistics.median(map(value, run['alone'][name])):.1f} {unit}".rstrip()
        for name in ("theirs", "ours")
    )
    return f"| {what} | {theirs} | {ours} |"


def _played(run: dict[str, Any], share: str) -> str:
    theirs, ours = (run["played"][name]["pods_ready_s"][share] for name in ("theirs", "ours"))
    return f"| apply to pods ready, {share} | {theirs:.1f} s | {ours:.1f} s |"


def _churn(run: dict[str, Any]) -> str:
    memory = run["resident_mib"]
    text = (
        f"For {run['seconds'] / 60:.0f} minutes, ten resources at a time were made, run, changed and deleted:"
        f" {run['resources_made_and_deleted']} of them. Median of the resident memory in the first half of the time"
        f" {memory['first_half']:.1f} MiB, in the second {memory['second_half']:.1f} MiB."
    )
    lines = [
        "## Resources that come and go",
        "",
        _about(run),
        "",
        text,
        "",
    ]
    return "\n".join(lines)


def _about(run: dict[str, Any]) -> str:
    return (
        f"{run['at']}, commit {run['commit']}, Python {run['python']}, load average at the start"
        f" {run['load_average_at_start']}."
    )
