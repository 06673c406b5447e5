"""Run the benchmarks: `python -m tests.bench [--full] [--name NAME]`."""

import argparse
import json
import platform
import sqlite3
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from somamemory import Draft, MemoryClient
from tests.bench import data, grouping, machine, report
from tests.bench.measuring import Case, LoadGenerator, Pace, compare, compare_together
from tests.bench.processes import resident_mib
from tests.support.server_process import ROOT, ServerProcess

RESULTS = ROOT / "docs/benchmarks"
PAGE = ROOT / "docs/benchmarks.md"

PACES = {"short": Pace(seconds=1.5, repeats=3), "full": Pace(seconds=5.0, repeats=5)}
PACKAGES = ("somamemory", "grpcio", "protobuf", "faiss-cpu", "tantivy", "wordllama")

SETTLE_S = 6.0
"""After a load the maintainer builds the inverted file; it looks every quarter of a second."""

# Recall first: it is over the corpus alone, before the stores have added to the server.
CASES = [
    Case("recall, hybrid", "recall hybrid", 1),
    Case("recall, hybrid", "recall hybrid", 16),
    Case("recall, vector", "recall vector", 16),
    Case("recall, keyword", "recall keyword", 16),
    Case("recall by vector, in clusters", "recall by vector", 16),
    Case(f"recall, hybrid, in {data.SMALL_COUNT}", "recall hybrid small", 16),
    Case(f"recall, vector, in {data.SMALL_COUNT}", "recall vector small", 16),
    Case(f"recall by vector, in {data.SMALL_COUNT}", "recall by vector small", 16),
    Case(f"recall batch of {data.RECALL_BATCH}", f"recall batch of {data.RECALL_BATCH}", 4),
    Case("get", "get", 16),
    Case("store", "store", 1),
    Case("store", "store", 16),
    Case("store", "store", 64),
    Case(f"store batch of {data.BATCH_ITEMS}", "store batch", 4),
]
TOGETHER = [
    (
        Case(
            f"recall, hybrid, batches of {data.RECALL_BATCH}",
            f"recall batch of {data.RECALL_BATCH}",
            4,
        ),
        Case("recall, hybrid", "recall hybrid", 16),
    ),
    (
        Case(
            f"recall by vector, batches of {data.RECALL_BATCH}",
            f"recall by vector, batch of {data.RECALL_BATCH}",
            4,
        ),
        Case("recall by vector", "recall by vector", 16),
    ),
]
GROUPING = Case("store, group commit over commit each", "store", 64)


def main() -> int:
    """Measure, keep the JSON, and write the page anew."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="longer and more often")
    parser.add_argument("--name", help="name of the kept JSON; default: short or full")
    parser.add_argument("--corpus", type=int, default=10_000, help="memories that recall searches")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    form = "full" if given.full else "short"
    measured = run(PACES[form], given.corpus, given.seed)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{given.name or form}.json").write_text(json.dumps(measured, indent=1) + "\n")
    PAGE.write_text(report.render(RESULTS))
    _say(f"written: {PAGE.relative_to(ROOT)}")
    return 0


def run(pace: Pace, count: int, seed: int) -> dict[str, Any]:
    """Measure every case and return what is kept as JSON."""
    texts = data.Texts(seed)
    memories = data.corpus(texts, count)
    workloads = data.workloads(texts, memories)
    facts = machine.facts()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soma-bench-")))
        server = stack.enter_context(ServerProcess(folder / "data"))
        load = stack.enter_context(LoadGenerator(folder, workloads))
        empty_mib = resident_mib(server.pid)
        growth = _fill(server, memories)
        time.sleep(SETTLE_S)
        held = {"empty_mib": empty_mib, "loaded_mib": resident_mib(server.pid)}
        start = _restarted(server, memories[0])
        clustered = _fill_clustered(server, count)
        _keep_responses(server, workloads, folder / "responses")
        empty = stack.enter_context(
            ServerProcess(folder / "responses", module="tests.bench.empty_server")
        )
        together = [
            _measured_together(compare_together(load, *pair, server, pace)) for pair in TOGETHER
        ]
        cases = [_measured(compare(load, case, server, empty, pace)) for case in CASES]
        each = stack.enter_context(ServerProcess(folder / "each", module="tests.bench.commit_each"))
        cases.append(_measured(compare(load, GROUPING, server, each, pace)))
    groups = grouping.measure(pace.seconds, pace.repeats)
    return {
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "corpus": count,
        "seed": seed,
        "seconds": pace.seconds,
        "repeats": pace.repeats,
        "machine": facts,
        "versions": {
            "Python": platform.python_version(),
            "SQLite": sqlite3.sqlite_version,
            **{package: version(package) for package in PACKAGES},
        },
        "start": start,
        "growth": growth,
        "held": held,
        "dimensions": data.DIMENSIONS,
        "words": data.WORDS_OF_TEXT,
        "clustered": clustered,
        "grouping": groups,
        "together": together,
        "cases": cases,
    }


def _fill(server: ServerProcess, memories: list[Draft]) -> dict[str, float]:
    """Store the corpus; return how long its first and its last tenth took."""
    marks = [time.perf_counter()]
    tenth = max(len(memories) // 10, 1)
    with MemoryClient(server.address, timeout_s=60) as client:
        for first in range(0, len(memories), tenth):
            part = memories[first : first + tenth]
            for start in range(0, len(part), 500):
                client.store_batch(part[start : start + 500], namespace=data.CORPUS)
            marks.append(time.perf_counter())
        client.store_batch(memories[: data.SMALL_COUNT], namespace=data.SMALL)
    took = marks[-1] - marks[0]
    _say(
        f"stored {len(memories)} memories in {took:.1f} s ({len(memories) / took:,.0f} per second)"
    )
    return {
        "first_tenth_s": round(marks[1] - marks[0], 3),
        "last_tenth_s": round(marks[-1] - marks[-2], 3),
    }


def _fill_clustered(server: ServerProcess, count: int) -> dict[str, float]:
    """Store callers' vectors; return the recall@10 of vector queries against brute force."""
    vectors = data.clustered(count, seed=1)
    asked = data.clustered(300, seed=2)[:100]
    with MemoryClient(server.address, timeout_s=60) as client:
        for start in range(0, count, 500):
            drafts = [
                Draft(
                    payload={"number": number}, id=str(number), embedding=vectors[number].tolist()
                )
                for number in range(start, min(start + 500, count))
            ]
            client.store_batch(drafts, namespace=data.CLUSTERED)
            if start < data.SMALL_COUNT:
                client.store_batch(drafts, namespace=data.SMALL_CLUSTERED)
        time.sleep(SETTLE_S)
        hits = 0
        for query in asked:
            found = client.recall(vector=query.tolist(), namespace=data.CLUSTERED, top_k=10)
            best = set(np.argsort(-(vectors @ query))[:10].tolist())
            hits += len(best & {int(hit.memory.id) for hit in found})
    recall = hits / (10 * len(asked))
    _say(f"recall@10 over {count} clustered vectors: {recall:.3f}")
    return {"vectors": count, "recall_at_10": recall}


def _keep_responses(
    server: ServerProcess, workloads: dict[str, data.Workload], folder: Path
) -> None:
    """Ask the real server once for each method: the empty server returns the same answers."""
    folder.mkdir()
    with grpc.insecure_channel(server.address) as channel:
        for workload in workloads.values():
            call: Any = channel.unary_unary(workload.method.path)
            answer = call(workload.bodies[0], timeout=30)
            (folder / workload.method.name).write_bytes(answer)


def _measured(case: dict[str, Any]) -> dict[str, Any]:
    ratio, ours = case["ratio"], case["server"]
    _say(
        f"{case['name']:40} {case['callers']:3} callers  ratio {ratio['median']:.2f} "
        f"({ratio['min']:.2f}–{ratio['max']:.2f})  {ours['rate']['median']:,.0f} per second  "
        f"p50 {ours['p50_ms']['median']:.2f} ms  p99 {ours['p99_ms']['median']:.2f} ms"
    )
    return case


def _measured_together(measured: dict[str, Any]) -> dict[str, Any]:
    ratio = measured["ratio"]
    _say(
        f"{measured['name']:40} over single calls {ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})  "
        f"{measured['together']['median']:,.0f} per second, {measured['single']['median']:,.0f} by single calls"
    )
    return measured


def _restarted(server: ServerProcess, memory: Draft) -> dict[str, float]:
    """Stop and start the server over all it holds by now, until it finds a memory; look at its own memory."""
    with MemoryClient(server.address) as client:
        count = sum(client.stats(namespace=name).memory_count for name in client.list_namespaces())
    server.stop()
    before = time.perf_counter()
    server.start()
    with MemoryClient(server.address) as client:
        found = client.recall(memory.text, namespace=data.CORPUS, top_k=1)
    took = time.perf_counter() - before
    if [hit.memory.id for hit in found] != [memory.id]:
        raise RuntimeError("the server that was started anew does not find what it holds")
    _say(f"started over {count} memories, and found one of them, in {took:.1f} s")
    return {"memories": count, "seconds": round(took, 2), "resident_mib": resident_mib(server.pid)}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
