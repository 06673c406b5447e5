"""The quality of recall, measured in a quick form against what was kept."""

import json

from tests.bench import report
from tests.bench.recall.__main__ import GATE_SEEDS, LADDER, RESULTS, Corpus, climb, gate, load

ALLOWED_LOSS = 0.02


async def test_recall_answers_as_many_questions_as_it_did() -> None:
    """At most two points fewer than when the numbers in docs/benchmarks were kept; `make bench-recall` keeps them."""
    kept = json.loads((RESULTS / "recall" / "seeded.json").read_text())

    assert await gate() >= kept["gate"] - ALLOWED_LOSS


async def test_random_age_and_importance_cost_at_most_a_point() -> None:
    """As they were kept: relevance dominates."""
    kept = json.loads((RESULTS / "recall" / "seeded.json").read_text())

    assert kept["harm"]["gain"][0] >= -0.01


async def test_every_rung_is_measured_and_shown() -> None:
    """Each class has a share on each rung, and no memory of another tenant is ever among the answers."""
    loaded = await load(GATE_SEEDS[:1], is_held_out=True)
    corpus = Corpus(loaded.plain, loaded.kindred, loaded.conversations[:1], loaded.notes[:1])

    rungs = await climb(corpus)

    seeds = [GATE_SEEDS.start, GATE_SEEDS.start]
    measured = {"answered_within": 5, "held_out_seeds": seeds, "turns": 1, "notes": 1,
                "ladder": rungs, "harm": {"gain": [0.0, 0.0, 0.0]}}  # fmt: skip
    page = report.quality(measured)
    assert [rung["name"] for rung in rungs] == [name for name, *_ in LADDER]
    for kind in rungs[0]["classes"]:
        assert f"| {kind} (" in page
