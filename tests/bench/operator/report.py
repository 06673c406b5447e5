"""The page docs/benchmarks/operator.md, from the kept JSON of every run."""

import json
from pathlib import Path
from typing import Any

_HEAD = """\
# The operator with many resources

Written by `make scale`; the numbers are in `docs/benchmarks/operator/`. A real API server, etcd, all controllers and
the scheduler; nodes and pods are played by kwok, volumes are bound and never used. Sixteen clients create all resources
as fast as the API server takes them. Everything shares one machine, so that times are those of the whole cluster, of
which the operator is a part. Requests are counted in the API server's audit log, the Lease aside. No number is a gate.

A published operator on kopf (dask-kubernetes 2026.3 on kopf 1.45.2), measured once on the same kind of machine with 50
resources of four children: 42 requests for each resource, 16 s from the first to the last child, 14 requests in 30 idle
seconds, 166 MiB.
"""


def page(folder: Path) -> str:
    """Return the page."""
    runs = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    rows = sorted(runs, key=lambda run: int(run["resources"]))
    return "\n".join([_HEAD, *map(_section, rows)])


def _section(run: dict[str, Any]) -> str:
    ready, asked = run["apply_to_ready_s"], run["requests_per_resource"]
    quiet, restarted, memory = (
        run["requests_in_quiet"],
        run["requests_after_restart"],
        run["resident_mib"],
    )
    about = f"{run['at']}, commit {run['commit']}, Python {run['python']}"
    lines = [
        f"## {run['resources']} resources",
        "",
        f"{about}, load average at the start {run['load_average_at_start']}.",
        "",
        "| what | measured |",
        "|---|--:|",
        f"| apply to Ready, p50 | {ready['p50']:.1f} s |",
        f"| apply to Ready, p99 | {ready['p99']:.1f} s |",
        f"| all of them Ready | {run['all_ready_s']:.1f} s |",
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
