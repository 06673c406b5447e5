"""Loads a chromadb server and asks it; run by the peer's own environment, see `__main__`.

Usage: python chroma_load.py PORT VECTORS.npz CALLERS SECONDS. Prints one line of JSON.
"""

import json
import sys
import threading
import time

import chromadb  # type: ignore[import-not-found] # in the environment of the peer alone
import numpy as np

BATCH = 1000


def main() -> None:
    """Store everything in batches, then query with some callers, without and with a filter."""
    port, path, callers, seconds = (
        int(sys.argv[1]),
        sys.argv[2],
        int(sys.argv[3]),
        float(sys.argv[4]),
    )
    kept = np.load(path)
    vectors, queries, texts = kept["vectors"], kept["queries"], kept["texts"]
    client = chromadb.HttpClient(host="127.0.0.1", port=port)
    collection = client.create_collection("bench", metadata={"hnsw:space": "cosine"})
    started = time.perf_counter()
    for first in range(0, len(vectors), BATCH):
        numbers = range(first, min(first + BATCH, len(vectors)))
        collection.add(
            ids=[str(number) for number in numbers],
            embeddings=vectors[first : first + BATCH],
            documents=[str(texts[number]) for number in numbers],
            metadatas=[{"team": f"team-{number % 100}"} for number in numbers],
        )
    stored = len(vectors) / (time.perf_counter() - started)
    found = [
        collection.query(query_embeddings=[query], n_results=10)["ids"][0] for query in queries
    ]
    rates = {}
    for name, where in (("recall", None), ("filtered", {"team": "team-7"})):
        rates[name] = rate(collection, queries, where, callers, seconds)
    print(json.dumps({"stored": stored, "found": [list(map(int, ids)) for ids in found], **rates}))


def rate(collection, queries, where, callers, seconds) -> float:  # type: ignore[no-untyped-def] # the peer's own types
    """Return calls per second of so many threads."""
    counts = [0] * callers
    until = time.perf_counter() + seconds

    def ask(caller: int) -> None:
        while time.perf_counter() < until:
            query = queries[(counts[caller] * callers + caller) % len(queries)]
            collection.query(query_embeddings=[query], n_results=10, where=where)
            counts[caller] += 1

    threads = [threading.Thread(target=ask, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return float(sum(counts) / seconds)


if __name__ == "__main__":
    main()
