"""Measures the operator on played nodes: `make scale`; JSON in docs/benchmarks/operator.

Without options: many resources at once. `--beside`: few, beside a published operator in the same run. `--crowd`: many,
beside it. `--churn`: resources that come, change and go for a while, and the memory of the process meanwhile.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soma_dev import tools
from soma_dev.paths import ROOT
from tests.bench.operator.beside import measure_beside
from tests.bench.operator.churn import measure_churn
from tests.bench.operator.cluster import Pace
from tests.bench.operator.crowd import Crowd, measure_crowd
from tests.bench.operator.many import measure_many
from tests.bench.operator.report import page

FOLDER = ROOT / "docs/benchmarks/operator"


def main() -> None:
    """Measure, keep the numbers, write the page."""
    given = _arguments()
    tools.ensure(tools.TESTS)
    about = _about()
    with tempfile.TemporaryDirectory(prefix="soma-scale-") as name:
        folder = Path(name)
        if given.churn is not None:
            kept, measured = "churn", measure_churn(folder, given.churn)
        elif given.crowd:
            pace = Pace(given.per_second, given.patience)
            crowd = Crowd(given.crowd, pace, is_played=not given.alone)
            kept = _kept(given)
            measured = measure_crowd(folder, crowd)
        elif given.beside:
            kept, measured = "beside", measure_beside(folder, given.beside, given.rounds)
        else:
            kept, measured = f"{given.resources}", measure_many(folder, given.resources)
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**about, **measured}, indent=1) + "\n"
    (FOLDER / f"{kept}.json").write_text(text)
    (FOLDER.parent / "operator.md").write_text(page(FOLDER))
    sys.stdout.write(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.operator", description=__doc__)
    parser.add_argument("--resources", type=int, default=1000)
    parser.add_argument("--beside", type=int, nargs="?", const=50, metavar="RESOURCES")
    parser.add_argument("--rounds", type=int, default=2, help="of --beside")
    parser.add_argument("--crowd", type=int, nargs="?", const=1000, metavar="RESOURCES")
    parser.add_argument("--alone", action="store_true", help="--crowd where nobody else acts")
    parser.add_argument("--per-second", type=float, help="of --crowd; default: all at once")
    parser.add_argument("--patience", type=float, default=1200.0, help="seconds, of --crowd")
    parser.add_argument("--churn", type=float, nargs="?", const=3600.0, metavar="SECONDS")
    return parser.parse_args()


def _kept(given: argparse.Namespace) -> str:
    """Return the name under which a crowd is kept."""
    if given.per_second is not None:
        return f"crowd-{given.per_second:g}-a-second"
    return "crowd-alone" if given.alone else "crowd"


def _about() -> dict[str, Any]:
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    load = Path("/proc/loadavg").read_text().split()[0]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "load_average_at_start": float(load),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
