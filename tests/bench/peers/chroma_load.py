"""chromadb as a server, asked over HTTP from threads; see `asking`."""

import itertools
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import chromadb  # type: ignore[import-not-found] # in the environment of the peer alone

from tests.bench.peers import asking

BATCH = 1000
PORT = 18_765
PATIENCE_S = 30.0


def main() -> None:
    """Start the server, store everything in batches, answer orders."""
    folder, data, callers = asking.arguments()
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder)]
    server = subprocess.Popen(
        [*command, "--port", str(PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        collection = connect().create_collection("bench", metadata={"hnsw:space": "cosine"})
        started = time.perf_counter()
        count = len(data.texts)
        for first in range(0, count, BATCH):
            store(collection, data, range(first, min(first + BATCH, count)))
        stored = count / (time.perf_counter() - started)
        only = {"team": asking.ASKED_TEAM}
        asking.tell(
            {
                "name": f"chromadb {chromadb.__version__}, server over HTTP, HNSW",
                "stored": stored,
                "found": [recall(collection, query, None) for query in data.queries],
                "filtered": [recall(collection, query, only) for query in data.queries],
            }
        )
        fresh = itertools.count(count)
        asking.answer_from_threads(
            {
                "recall": lambda n: recall(collection, data.queries[n % len(data.queries)], None),
                "filtered": lambda n: recall(collection, data.queries[n % len(data.queries)], only),
                "store": lambda n: store(collection, data, [n % count], [next(fresh)]),
            },
            callers,
        )
    finally:
        server.terminate()
        server.wait(30)


def connect() -> Any:
    """Return a client as soon as the server answers."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return chromadb.HttpClient(host="127.0.0.1", port=PORT)
        except Exception:  # whatever its client says of a server that starts
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def store(collection, data, numbers, names=None) -> None:  # type: ignore[no-untyped-def] # likewise
    """Add memories, under names of their own if given."""
    collection.add(
        ids=[str(name) for name in names or numbers],
        embeddings=[data.vectors[number] for number in numbers],
        documents=[data.texts[number] for number in numbers],
        metadatas=[{"team": asking.team(number)} for number in numbers],
    )


def recall(collection, query, where) -> list[int]:  # type: ignore[no-untyped-def] # likewise
    """Return the numbers of the ten nearest."""
    found = collection.query(query_embeddings=[query], n_results=10, where=where)
    return list(map(int, found["ids"][0]))


if __name__ == "__main__":
    main()
