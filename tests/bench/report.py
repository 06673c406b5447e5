"""The table of docs/benchmarks.md, from the kept JSON of every run."""

import json
from pathlib import Path
from typing import Any

_HEAD = """# Benchmarks

Written by `make bench`; the numbers behind it are in `docs/benchmarks/`.

Each row is a ratio to a ceiling that was measured in turns with it in the same run on the same machine: the
absolute rates depend on the machine and on what else it did, the ratios much less. *Ceiling* is an empty
grpc.aio server that takes the same requests apart and returns a response of the same size; for group commit
it is the same memory server with one fsync for each write. Servers and load generator are processes of
their own on one machine. Medians of the repeats, least and greatest in brackets. No number here is a gate.

How good recall is, is another question: `make bench-recall` asks it, and keeps its numbers in
`docs/benchmarks/recall/`.
"""


def render(folder: Path) -> str:
    """Return the page."""
    kept = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
    # Other measurements keep their numbers in the same folder, in forms and on pages of their own.
    runs = {name: run for name, run in kept.items() if "cases" in run}
    return "\n".join([_HEAD, *(_section(name, run) for name, run in runs.items())])


def _section(name: str, run: dict[str, Any]) -> str:
    machine, versions = run["machine"], run["versions"]
    how = (
        f"{run['taken']}, commit {run['commit']}, {run['corpus']} memories, seed {run['seed']}, "
        f"{run['repeats']} repeats of {run['seconds']:g} s."
    )
    where = (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; an fsync of "
        f"4 KiB takes {machine['fsync_ms']:.2f} ms; load average at the start {machine['load']:.1f}."
    )
    lines = [
        f"## {name}",
        "",
        how,
        where,
        ", ".join(f"{package} {version}" for package, version in versions.items()) + ".",
        "",
        "| what | callers | ratio | calls per second | p50 ms | p99 ms | CPU µs a call | ceiling: calls per second |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [_row(case) for case in run["cases"]]
    start = run["start"]
    started = (
        f"Started over {start['memories']:,} memories in {start['seconds']:.1f} s, then "
        f"{start['resident_mib']} MiB resident."
    )
    lines += ["", started]
    return "\n".join(lines) + "\n"


def _row(case: dict[str, Any]) -> str:
    ours = case["server"]
    return (
        f"| {case['name']} | {case['callers']} | {_spread(case['ratio'], '.2f')} "
        f"| {_spread(ours['rate'], ',.0f')} | {ours['p50_ms']['median']:.2f} "
        f"| {ours['p99_ms']['median']:.2f} | {ours['cpu_us_per_call']['median']:.0f} "
        f"| {_spread(case['ceiling']['rate'], ',.0f')} |"
    )


def _spread(values: dict[str, float], form: str) -> str:
    return f"{values['median']:{form}} ({values['min']:{form}}–{values['max']:{form}})"
