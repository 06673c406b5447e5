"""Measuring a server against a ceiling: interleaved in one run, repeated, with the spread kept."""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.bench.data import Workload
from tests.bench.load import write_bodies
from tests.bench.processes import cpu_seconds
from tests.support.server_process import ROOT, ServerProcess


@dataclass(frozen=True)
class Case:
    """One thing that is measured."""

    name: str
    workload: str
    callers: int


@dataclass(frozen=True)
class Pace:
    """How long and how often."""

    seconds: float
    repeats: int
    warm_up_s: float = 0.5


class LoadGenerator(AbstractContextManager["LoadGenerator"]):
    """The process that sends the load."""

    def __init__(self, folder: Path, workloads: dict[str, Workload]) -> None:
        self._folder = folder
        self._workloads = workloads

    def __enter__(self) -> Self:
        for name, workload in self._workloads.items():
            write_bodies(self._file(name), workload.bodies)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def run(self, server: ServerProcess, case: Case, seconds: float) -> dict[str, Any]:
        """Load one server and return what came of it, with the CPU time that the server took."""
        workload = self._workloads[case.workload]
        order = {
            "address": server.address,
            "path": workload.method.path,
            "bodies": str(self._file(case.workload)),
            "has_request_id": workload.has_request_id,
            "callers": case.callers,
            "seconds": seconds,
        }
        before = cpu_seconds(server.pid)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(
                f"the load generator ended; the server's log:\n{server.log()[-2000:]}"
            )
        result: dict[str, Any] = json.loads(answer)
        result["cpu_us_per_call"] = 1e6 * (cpu_seconds(server.pid) - before) / result["calls"]
        return result

    def items(self, case: Case) -> int:
        """Return how many items a call has."""
        return self._workloads[case.workload].items

    def _file(self, name: str) -> Path:
        return self._folder / f"{name.replace(' ', '-')}.requests"


def compare(
    load: LoadGenerator, case: Case, server: ServerProcess, ceiling: ServerProcess, pace: Pace
) -> dict[str, Any]:
    """Measure server and ceiling in turns and return rates, latencies and their ratio.

    The ratio is taken within each turn, so that a slow minute of the machine slows both.
    """
    for each in (server, ceiling):
        load.run(each, case, pace.warm_up_s)
    turns = [
        (load.run(server, case, pace.seconds), load.run(ceiling, case, pace.seconds))
        for _ in range(pace.repeats)
    ]
    ours, theirs = [turn[0] for turn in turns], [turn[1] for turn in turns]
    return {
        "name": case.name,
        "callers": case.callers,
        "ratio": spread([mine["rate"] / other["rate"] for mine, other in turns]),
        "server": _summary(ours),
        "ceiling": _summary(theirs),
    }


def compare_together(
    load: LoadGenerator, together: Case, single: Case, server: ServerProcess, pace: Pace
) -> dict[str, Any]:
    """Measure calls of several items against single calls, in turns; return items a second and their ratio."""
    items = load.items(together)
    for each in (together, single):
        load.run(server, each, pace.warm_up_s)
    turns = []
    for _ in range(pace.repeats):
        several = items * load.run(server, together, pace.seconds)["rate"]
        turns.append((several, load.run(server, single, pace.seconds)["rate"]))
    return {
        "name": together.name,
        "callers": [together.callers, single.callers],
        "ratio": spread([several / one for several, one in turns]),
        "together": spread([several for several, _ in turns]),
        "single": spread([one for _, one in turns]),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, least and greatest."""
    return {
        "median": round(statistics.median(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
    }


def _summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    keys = ("rate", "p50_ms", "p99_ms", "cpu_us_per_call")
    return {key: spread([result[key] for result in results]) for key in keys}
