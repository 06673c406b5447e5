"""mem0 without its language model (infer=False), with its default store, asked from threads; see `asking`.

Its embedder is an object that looks the vectors up: what embedding costs is left out on each side.
"""

import itertools
import time
from importlib.metadata import version

from mem0 import Memory  # type: ignore[import-not-found] # in the environment of the peer alone

from tests.bench.peers import asking

USER = "bench"
UNUSED_KEY = "none"


def main() -> None:
    """Store everything one by one, which is all that it offers; answer orders."""
    folder, data, callers = asking.arguments()
    dimensions = data.vectors.shape[1]
    memory = Memory.from_config(
        {
            "vector_store": {
                "provider": "qdrant",
                "config": {
                    "path": str(folder / "qdrant"),
                    "embedding_model_dims": dimensions,
                    "on_disk": True,
                    "collection_name": "bench",
                },
            },
            "llm": {"provider": "openai", "config": {"api_key": UNUSED_KEY}},
            "embedder": {
                "provider": "openai",
                "config": {"api_key": UNUSED_KEY, "embedding_dims": dimensions},
            },
            "history_db_path": str(folder / "history.db"),
        }
    )
    memory.embedding_model = LooksUp(data, memory.embedding_model.config)
    started = time.perf_counter()
    for number in range(len(data.texts)):
        store(memory, data, number)
    stored = len(data.texts) / (time.perf_counter() - started)
    only = {"team": asking.ASKED_TEAM}
    queries = range(len(data.queries))
    asking.tell(
        {
            "name": f"mem0ai {version('mem0ai')}, infer=False, its default local Qdrant",
            "stored": stored,
            "found": [recall(memory, number, {}) for number in queries],
            "filtered": [recall(memory, number, only) for number in queries],
        }
    )
    fresh = itertools.count()
    asking.answer_from_threads(
        {
            "recall": lambda n: recall(memory, n % len(queries), {}),
            "filtered": lambda n: recall(memory, n % len(queries), only),
            "store": lambda _: store(memory, data, next(fresh) % len(data.texts)),
        },
        callers,
    )


class LooksUp:
    """An embedder in mem0's form."""

    def __init__(self, data: asking.Data, config: object) -> None:
        self._data = data
        self.config = config

    def embed(self, text: str, _action: str | None = None) -> list[float]:
        """Return the vector of one text."""
        return self._data.vector_of(text)

    def embed_batch(self, texts: list[str], _action: str | None = None) -> list[list[float]]:
        """Return the vectors of several."""
        return [self._data.vector_of(text) for text in texts]


def store(memory, data, number) -> None:  # type: ignore[no-untyped-def] # the peer's own types
    """Add one memory."""
    metadata = {"team": asking.team(number), "number": number}
    memory.add(data.texts[number], user_id=USER, metadata=metadata, infer=False)


def recall(memory, number, given) -> list[int]:  # type: ignore[no-untyped-def] # likewise
    """Return the numbers of the ten nearest; it asks for a filter by user in any case."""
    found = memory.search(
        f"query {number}", filters={"user_id": USER, **given}, top_k=10, threshold=0.0
    )
    return [result["metadata"]["number"] for result in found["results"]]


if __name__ == "__main__":
    main()
