"""Quality of recall on seeded conversations: `python -m tests.bench.recall`.

Tuned on seeds 0-9, reported on seeds 100-139: an ablation ladder by class of question, and sweeps of the ranking's
options. Writes docs/benchmarks/recall/seeded.json and prints it.
"""

import asyncio
import dataclasses
import json
import os
import random
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from memory_server.adapters.embedded.committer import CommitterOptions
from memory_server.adapters.embedded.database import open_database
from memory_server.adapters.embedded.index import EmbeddedIndex
from memory_server.adapters.embedded.store import EmbeddedStore
from memory_server.adapters.system_clock import SystemClock
from memory_server.adapters.wordllama import WordLlamaEmbedder
from memory_server.domain.limits import Limits
from memory_server.domain.memory import MemoryDraft, Scope, Tenant
from memory_server.usecases import recall, store
from memory_server.usecases.engine import Engine, fill_index
from tests.bench.recall.conversations import Conversation, a_conversation

DIMENSIONS = 256
TUNING_SEEDS = range(10)
HELD_OUT_SEEDS = range(100, 140)
TOP_K = 5
SPREADS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
VECTOR_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
OUT = Path(__file__).resolve().parents[3] / "docs" / "benchmarks" / "recall" / "seeded.json"

Hits = dict[str, list[float]]
"""Class of question -> per question: 1 if an answer was among the first `TOP_K`, else 0."""


async def load(engine: Engine, seed: int) -> tuple[Scope, Conversation]:
    """Store a conversation, one memory per turn."""
    conversation = a_conversation(seed)
    scope = Scope(Tenant("bench"), f"conversation-{seed}")
    commands = [
        store.StoreCommand(
            MemoryDraft(
                payload_json=json.dumps({"text": f"{turn.speaker}: {turn.text}"}).encode(),
                id=turn.id,
                event_time_us=turn.time_us,
            )
        )
        for turn in conversation.turns
    ]
    await store.store_batch(engine, scope, commands)
    return scope, conversation


async def measure(
    engine: Engine, loaded: list[tuple[Scope, Conversation]], mode: recall.RecallMode
) -> Hits:
    """Ask every question."""
    hits: Hits = defaultdict(list)
    for scope, conversation in loaded:
        for question in conversation.questions:
            query = recall.RecallQuery(text=question.text, mode=mode, top_k=TOP_K)
            answer = await recall.recall(engine, scope, query)
            found = {hit.record.id for hit in answer.hits}
            hits[question.kind].append(float(bool(found & question.answers)))
    return hits


def overall(hits: Hits) -> list[float]:
    """Return the hits of all classes."""
    return [hit for kind in sorted(hits) for hit in hits[kind]]


def interval(values: list[float], source: random.Random) -> tuple[float, float]:
    """Return the bootstrap 95 % interval of a mean."""
    means = sorted(statistics.fmean(source.choices(values, k=len(values))) for _ in range(1000))
    return means[25], means[974]


async def main() -> None:
    """Run the ladder and the sweep."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder) / "data", synchronous="NORMAL", dimensions=DIMENSIONS)
        clock = SystemClock()
        memory_store = EmbeddedStore(database, clock, CommitterOptions(10_000, 3600))
        limits = Limits(8 << 20, 1 << 20, 3600, DIMENSIONS)
        embedder = WordLlamaEmbedder(DIMENSIONS)
        index = EmbeddedIndex(embedder.words)
        engine = Engine(memory_store, index, embedder, clock, os.urandom, limits)
        await fill_index(engine)
        tuning = [await load(engine, seed) for seed in TUNING_SEEDS]
        held_out = [await load(engine, seed) for seed in HELD_OUT_SEEDS]
        sweeps = {
            "spread": await sweep(engine, tuning, "spread", SPREADS),
            "vector_weight": await sweep(engine, tuning, "vector_weight", VECTOR_WEIGHTS),
        }
        ladder = await climb(engine, held_out)
        await memory_store.close()
    report = {
        "top_k": TOP_K,
        "tuning_seeds": [TUNING_SEEDS.start, TUNING_SEEDS.stop - 1],
        "held_out_seeds": [HELD_OUT_SEEDS.start, HELD_OUT_SEEDS.stop - 1],
        "turns": sum(len(conversation.turns) for _, conversation in held_out),
        "sweeps_on_tuning_seeds": sweeps,
        "ladder_on_held_out_seeds": ladder,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


async def sweep(
    engine: Engine, loaded: list[tuple[Scope, Conversation]], name: str, values: tuple[float, ...]
) -> dict[str, float]:
    """Return the share of questions answered for each value of a ranking option."""
    found = {}
    for value in values:
        options = dataclasses.replace(engine.ranking, **{name: value})
        tuned = dataclasses.replace(engine, ranking=options)
        hits = await measure(tuned, loaded, recall.RecallMode.HYBRID)
        found[str(value)] = round(statistics.fmean(overall(hits)), 4)
    return found


async def climb(
    engine: Engine, loaded: list[tuple[Scope, Conversation]]
) -> dict[str, dict[str, object]]:
    """Return each rung: the share of questions answered, by class and overall, with its interval."""
    alone = dataclasses.replace(engine, ranking=dataclasses.replace(engine.ranking, spread=0.0))
    ladder = [
        ("vector", alone, recall.RecallMode.VECTOR),
        ("keyword", alone, recall.RecallMode.KEYWORD),
        ("hybrid", alone, recall.RecallMode.HYBRID),
        ("hybrid + beside", engine, recall.RecallMode.HYBRID),
    ]
    rungs: dict[str, dict[str, object]] = {}
    for name, tuned, mode in ladder:
        hits = await measure(tuned, loaded, mode)
        everything = overall(hits)
        low, high = interval(everything, random.Random(1))
        rungs[name] = {
            "all": round(statistics.fmean(everything), 4),
            "interval": [round(low, 4), round(high, 4)],
            **{kind: round(statistics.fmean(hits[kind]), 4) for kind in sorted(hits)},
        }
    return rungs


if __name__ == "__main__":
    asyncio.run(main())
