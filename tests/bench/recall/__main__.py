"""Quality of recall: `python -m tests.bench.recall`, `make bench-recall`.

An ablation ladder by class of question, each rung compared with the one below it by paired bootstrap, and a harm set
in which age and importance say nothing. Tuned on seeds 0-9, reported on seeds 100-109, whose topics are others. Writes
docs/benchmarks/recall/seeded.json and the table in docs/benchmarks.md.
"""

import asyncio
import dataclasses
import json
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memory_server.adapters.wordllama import WordLlamaEmbedder
from memory_server.domain.memory import Scope, Tenant
from memory_server.domain.ranking import RankingOptions
from memory_server.usecases import recall
from memory_server.usecases.engine import Engine
from tests.bench import report
from tests.bench.recall import engines
from tests.bench.recall.conversations import Conversation, a_conversation
from tests.bench.recall.notes import Notes, some_notes

HELD_OUT_SEEDS = range(100, 110)
GATE_SEEDS = range(100, 103)
"""What a test measures again; see `gate`."""

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "benchmarks"

Hits = dict[str, list[float]]
"""Class of question -> per question, in the same order for every rung: 1 if it was answered, else 0."""

PLAIN = RankingOptions(
    after=0, before=0, answer=0, session=0, linked=0, recency=0, importance=0, named_time=0
)
RECENT = dataclasses.replace(PLAIN, recency=RankingOptions().recency)
IMPORTANT = dataclasses.replace(RECENT, importance=RankingOptions().importance)
TIMELY = dataclasses.replace(IMPORTANT, named_time=RankingOptions().named_time)
BESIDE = dataclasses.replace(RankingOptions(), linked=0)

LADDER: list[tuple[str, recall.RecallMode, RankingOptions, bool]] = [
    ("vector", recall.RecallMode.VECTOR, PLAIN, False),
    ("keyword", recall.RecallMode.KEYWORD, PLAIN, False),
    ("keyword, related words", recall.RecallMode.KEYWORD, PLAIN, True),
    ("fused", recall.RecallMode.HYBRID, PLAIN, True),
    ("+ recency", recall.RecallMode.HYBRID, RECENT, True),
    ("+ importance", recall.RecallMode.HYBRID, IMPORTANT, True),
    ("+ named times", recall.RecallMode.HYBRID, TIMELY, True),
    ("+ beside, session", recall.RecallMode.HYBRID, BESIDE, True),
    ("+ links", recall.RecallMode.HYBRID, RankingOptions(), True),
]


@dataclasses.dataclass(frozen=True)
class Corpus:
    """What is loaded, in two engines: with related words and without."""

    plain: Engine
    kindred: Engine
    conversations: list[tuple[Scope, Conversation]]
    notes: list[tuple[Scope, Notes]]


async def load(seeds: Sequence[int], *, is_held_out: bool) -> Corpus:
    """Make and store everything of these seeds."""
    embedder = WordLlamaEmbedder(engines.DIMENSIONS)
    both = [await engines.an_engine(embedder, has_kindred=has) for has in (False, True)]
    corpus = Corpus(both[0], both[1], [], [])
    for seed in seeds:
        scope = Scope(Tenant("bench"), f"conversation-{seed}")
        conversation = a_conversation(seed, is_held_out=is_held_out)
        corpus.conversations.append((scope, conversation))
        notes = some_notes(seed)
        corpus.notes.append((Scope(Tenant("bench"), f"notes-{seed}"), notes))
        for engine in both:
            await engines.load_conversation(engine, conversation, scope)
            await engines.load_notes(engine, notes, corpus.notes[-1][0])
    return corpus


async def measure(
    engine: Engine, corpus: Corpus, mode: recall.RecallMode, *, with_notes: bool = True
) -> Hits:
    """Ask every question."""
    hits: Hits = defaultdict(list)
    for scope, conversation in corpus.conversations:
        for question in conversation.questions:
            query = recall.RecallQuery(text=question.text, mode=mode, top_k=engines.FEW)
            answer = await recall.recall(engine, scope, query)
            found = {str(hit.record.id) for hit in answer.hits}
            hits[question.kind].append(float(bool(found & question.answers)))
    for scope, notes in corpus.notes if with_notes else ():
        for asked in notes.questions:
            hits[asked.kind].append(await engines.ask_note(engine, scope, notes, asked, mode))
    return hits


def difference(
    before: Sequence[float], after: Sequence[float], source: random.Random
) -> tuple[float, float, float]:
    """Return the mean gain, and its bootstrap 95 % interval over questions in pairs."""
    gains = [new - old for old, new in zip(before, after, strict=True)]
    means = sorted(statistics.fmean(source.choices(gains, k=len(gains))) for _ in range(1000))
    return statistics.fmean(gains), means[25], means[974]


async def climb(corpus: Corpus) -> list[dict[str, Any]]:
    """Return each rung: the share answered by class and overall, and the gain over the rung below."""
    rungs: list[dict[str, Any]] = []
    below: Hits = {}
    for name, mode, options, has_kindred in LADDER:
        engine = corpus.kindred if has_kindred else corpus.plain
        hits = await measure(dataclasses.replace(engine, ranking=options), corpus, mode)
        hits = {"all": [hit for kind in sorted(hits) for hit in hits[kind]], **hits}
        rung: dict[str, Any] = {"name": name, "classes": {}}
        for kind, values in sorted(hits.items()):
            share = round(statistics.fmean(values), 4)
            entry: dict[str, Any] = {"answered": share, "questions": len(values)}
            if below:
                gain = difference(below[kind], values, random.Random(1))
                entry["gain"] = [round(value, 4) for value in gain]
            rung["classes"][kind] = entry
        rungs.append(rung)
        below = hits
    return rungs


async def harm(seeds: Sequence[int], *, is_held_out: bool) -> dict[str, Any]:
    """Return what recency and importance cost where they are random."""
    embedder = WordLlamaEmbedder(engines.DIMENSIONS)
    engine = await engines.an_engine(embedder)
    corpus = Corpus(engine, engine, [], [])
    for seed in seeds:
        scope = Scope(Tenant("bench"), f"harm-{seed}")
        conversation = a_conversation(seed, is_held_out=is_held_out)
        corpus.conversations.append((scope, conversation))
        await engines.load_conversation(engine, conversation, scope, harm=random.Random(seed))
    options = RankingOptions()
    shares = []
    for given in (dataclasses.replace(options, recency=0, importance=0), options):
        tuned = dataclasses.replace(engine, ranking=given)
        hits = await measure(tuned, corpus, recall.RecallMode.HYBRID, with_notes=False)
        shares.append([hit for kind in sorted(hits) for hit in hits[kind]])
    gain = difference(shares[0], shares[1], random.Random(1))
    return {
        "without": round(statistics.fmean(shares[0]), 4),
        "with": round(statistics.fmean(shares[1]), 4),
        "gain": [round(value, 4) for value in gain],
    }


async def gate() -> float:
    """Return the share of all questions of some seeds that are answered with the options as they are."""
    corpus = await load(GATE_SEEDS, is_held_out=True)
    hits = await measure(corpus.kindred, corpus, recall.RecallMode.HYBRID)
    return round(statistics.fmean([hit for kind in sorted(hits) for hit in hits[kind]]), 4)


async def main() -> None:
    """Run the ladder and the harm set, and keep both."""
    corpus = await load(HELD_OUT_SEEDS, is_held_out=True)
    measured = {
        "answered_within": engines.FEW,
        "held_out_seeds": [HELD_OUT_SEEDS.start, HELD_OUT_SEEDS.stop - 1],
        "turns": sum(len(conversation.turns) for _, conversation in corpus.conversations),
        "notes": sum(len(notes.notes) for _, notes in corpus.notes),
        "ladder": await climb(corpus),
        "gate": await gate(),
        "harm": await harm(HELD_OUT_SEEDS, is_held_out=True),
    }
    (RESULTS / "recall").mkdir(parents=True, exist_ok=True)
    (RESULTS / "recall" / "seeded.json").write_text(json.dumps(measured, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(report.render(RESULTS))
    sys.stdout.write(report.quality(measured))


if __name__ == "__main__":
    asyncio.run(main())
