"""The benchmarks run: a very short form, whose numbers mean nothing."""

import json
from pathlib import Path

from tests.bench import report
from tests.bench.__main__ import CASES, run
from tests.bench.measuring import Pace


def test_every_case_is_measured_and_shown(tmp_path: Path) -> None:
    """Each case gives a ratio, rates and latencies, and a row of the page."""
    measured = run(Pace(seconds=0.05, repeats=1, warm_up_s=0.05), count=300, seed=1)
    (tmp_path / "tiny.json").write_text(json.dumps(measured))

    page = report.render(tmp_path)

    assert len(measured["cases"]) == len(CASES) + 1
    for case in measured["cases"]:
        assert case["ratio"]["median"] > 0
        assert case["server"]["cpu_us_per_call"]["median"] >= 0
        assert f"| {case['name']} | {case['callers']} |" in page
    assert measured["start"]["memories"] > 300
