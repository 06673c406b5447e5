"""Peers beside this server, on the same vectors in one run: `python -m tests.bench.peers`, `make bench-peers`.

Each peer has an environment of its own, made by uv from a hash-pinned lock in this folder; none is a dependency of the
product. Both sides are asked by their own Python clients from threads. Keeps docs/benchmarks/peers/chroma.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from somamemory import Draft, Filter, MemoryClient
from tests.bench import data
from tests.support.server_process import ROOT, ServerProcess

HERE = Path(__file__).resolve().parent
OUT = ROOT / "docs" / "benchmarks" / "peers" / "chroma.json"
CALLERS = 16
BATCH = 500


def main() -> int:
    """Measure both, and keep the ratios."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    vectors, queries = data.clustered(given.count, seed=1), data.clustered(100, seed=2)
    makes = data.Texts(7)
    texts = [makes.text() for _ in range(given.count)]
    with tempfile.TemporaryDirectory(prefix="soma-peers-") as name:
        folder = Path(name)
        np.savez(folder / "data.npz", vectors=vectors, queries=queries, texts=np.array(texts))
        theirs = _chroma(folder, given.seconds)
        ours = _ours(folder, vectors, queries, texts, given.seconds)
    best = [set(np.argsort(-(vectors @ query))[:10].tolist()) for query in queries]
    for measured in (theirs, ours):
        found = measured.pop("found")
        hits = sum(len(want & set(got)) for want, got in zip(best, found, strict=True))
        measured["recall_at_10"] = round(hits / (10 * len(best)), 4)
    names = ("stored", "recall", "filtered")
    kept = {
        "peer": (HERE / "chroma.in").read_text().strip(),
        "vectors": given.count,
        "callers": CALLERS,
        "load_at_the_start": load,
        "theirs": theirs,
        "ours": ours,
        "ratio": {name: round(ours[name] / theirs[name], 2) for name in names},
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(kept, indent=1) + "\n")
    sys.stdout.write(json.dumps(kept, indent=1) + "\n")
    return 0


def _chroma(folder: Path, seconds: float) -> dict[str, Any]:
    python = _environment(folder / "chroma")
    port = 18_765
    command = [str(python.parent / "chroma"), "run", "--path", str(folder / "kept"), "--port", str(port)]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(5)
        arguments = [str(port), str(folder / "data.npz"), str(CALLERS), str(seconds)]
        load = [str(python), str(HERE / "chroma_load.py"), *arguments]
        done = subprocess.run(load, check=True, capture_output=True, text=True)
    finally:
        server.terminate()
        server.wait(30)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _environment(folder: Path) -> Path:
    """Make the peer's environment and return its Python."""
    uv = str(ROOT / ".venv" / "bin" / "uv")
    python = folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", "3.11", str(folder)], check=True)
    lock = str(HERE / "chroma.txt")
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", lock]  # fmt: skip
    subprocess.run(install, check=True)
    return python


def _ours(
    folder: Path, vectors: data.Vectors, queries: data.Vectors, texts: list[str], seconds: float
) -> dict[str, Any]:
    with ServerProcess(folder / "ours") as server, _clients(server.address) as clients:
        started = time.perf_counter()
        for first in range(0, len(vectors), BATCH):
            drafts = [
                Draft(
                    payload={"text": texts[number]},
                    id=str(number),
                    embedding=vectors[number].tolist(),
                    metadata={"team": f"team-{number % 100}"},
                )
                for number in range(first, min(first + BATCH, len(vectors)))
            ]
            clients[0].store_batch(drafts)
        stored = len(vectors) / (time.perf_counter() - started)
        time.sleep(2)
        found = [
            [int(hit.memory.id) for hit in clients[0].recall(vector=query.tolist(), top_k=10)]
            for query in queries
        ]
        rates = {
            "recall": _rate(clients, queries, None, seconds),
            "filtered": _rate(clients, queries, Filter(metadata={"team": "team-7"}), seconds),
        }
    return {"stored": stored, "found": found, **rates}


@contextmanager
def _clients(address: str) -> Iterator[list[MemoryClient]]:
    clients = [MemoryClient(address, timeout_s=60) for _ in range(CALLERS)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def _rate(
    clients: list[MemoryClient], queries: data.Vectors, given: Filter | None, seconds: float
) -> float:
    counts = [0] * len(clients)
    asked = [query.tolist() for query in queries]
    until = time.perf_counter() + seconds

    def ask(caller: int) -> None:
        while time.perf_counter() < until:
            query = asked[(counts[caller] * len(clients) + caller) % len(asked)]
            clients[caller].recall(vector=query, top_k=10, filter=given)
            counts[caller] += 1

    threads = [threading.Thread(target=ask, args=(caller,)) for caller in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


if __name__ == "__main__":
    sys.exit(main())
