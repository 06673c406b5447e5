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


def test_each_peer_is_shown_with_what_it_found(tmp_path: Path) -> None:
    """Its ratios, and the recall that they were reached with."""
    spread = {"median": 2.0, "min": 1.0, "max": 3.0}
    case = {"name": "recall", "ratio": spread, "ours": spread, "theirs": spread}
    kept = {
        "taken": "2026-01-01T00:00:00+00:00",
        "commit": "abc",
        "machine": {"load": 0.25},
        "memories": 10_000,
        "callers": 16,
        "names": {"ours": "somamemory 1", "theirs": "peer 2"},
        "empty_rpc": {"median": 8.0, "min": 8.0, "max": 8.0},
        "cases": [case],
        "recall_at_10": {"ours": [1.0, 0.99], "theirs": [0.98, 0.5]},
    }
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "peer.json").write_text(json.dumps(kept))

    page = report.render(tmp_path)

    assert "**peer 2**" in page
    assert "| recall | 2.0 (1.0–3.0) | 2 | 2 |" in page
    assert "ours 1.000 and 0.990, theirs 0.980 and 0.500" in page
    assert "our recall is 0.25" in page
