"""Seeded input of the benchmarks: memories with words of Zipf frequencies, and the requests to send."""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from soma.memory.v1 import memory_pb2, memory_service_pb2, recall_service_pb2
from somamemory import Draft, calls

Vectors = npt.NDArray[np.float32]

CORPUS = "bench"
STORED = "stored"
BATCH_ITEMS = 100
SMALL = "small"
SMALL_COUNT = 1000
CLUSTERED = "clustered"
SMALL_CLUSTERED = "small-clustered"
"""Namespaces: a small one, and two of callers' vectors that lie in clusters, as those of topics do."""

DIMENSIONS = 256
_CLUSTERS = 2000

_VOCABULARY = 20_000
WORDS_OF_TEXT = 30
_WORDS_OF_QUERY = 8


@dataclass(frozen=True)
class Workload:
    """The bodies of one kind of request."""

    method: calls.Method  # type: ignore[type-arg] # any pair of messages
    bodies: list[bytes]
    has_request_id: bool = False
    items: int = 1
    """Memories in one request."""


class Texts:
    """Makes texts; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._words = [self._word() for _ in range(_VOCABULARY)]
        # Added up once: a text would else take longer to make than to store.
        self._weights = list(itertools.accumulate(1.0 / (rank + 2) for rank in range(_VOCABULARY)))

    def text(self) -> str:
        """Return the words of one memory."""
        return " ".join(
            self._random.choices(self._words, cum_weights=self._weights, k=WORDS_OF_TEXT)
        )

    def query(self, text: str) -> str:
        """Return some words of a text, as somebody who half remembers it would say them."""
        return " ".join(self._random.sample(text.split(), _WORDS_OF_QUERY))

    def _word(self) -> str:
        syllables = (
            "ba",
            "den",
            "fi",
            "gor",
            "hu",
            "ka",
            "lem",
            "mi",
            "no",
            "pra",
            "sel",
            "tu",
            "vor",
            "zi",
        )
        return "".join(self._random.choices(syllables, k=self._random.randint(2, 4)))


def corpus(texts: Texts, count: int) -> list[Draft]:
    """Return the memories that recall searches."""
    return [
        Draft(
            payload={"text": (text := texts.text()), "number": number},
            id=f"memory-{number}",
            text=text,
            metadata={"team": f"team-{number % 16}", "number": number},
        )
        for number in range(count)
    ]


def workloads(texts: Texts, memories: list[Draft]) -> dict[str, Workload]:
    """Return the requests of every case, serialised once so that the load generator only sends."""
    drafts = list(_new_drafts(texts, 2000))
    singles = [
        memory_service_pb2.StoreRequest(namespace=STORED, memory=draft).SerializeToString()
        for draft in drafts
    ]
    batches = [
        memory_service_pb2.StoreBatchRequest(
            namespace=STORED,
            items=[
                memory_service_pb2.StoreItem(memory=each)
                for each in drafts[start : start + BATCH_ITEMS]
            ],
        ).SerializeToString()
        for start in range(0, len(drafts), BATCH_ITEMS)
    ]
    gets = [calls.get(draft.id, namespace=CORPUS).request.SerializeToString() for draft in memories]
    modes = {
        "hybrid": recall_service_pb2.RECALL_MODE_HYBRID,
        "vector": recall_service_pb2.RECALL_MODE_VECTOR,
        "keyword": recall_service_pb2.RECALL_MODE_KEYWORD,
    }
    queries = [texts.query(draft.text) for draft in memories[:1000]]
    recalls = {
        f"recall {name}": Workload(
            calls.recalls.RECALL,
            [
                recall_service_pb2.RecallRequest(
                    namespace=CORPUS, text=query, mode=mode, top_k=10
                ).SerializeToString()
                for query in queries
            ],
        )
        for name, mode in modes.items()
    }
    by_vector = Workload(calls.recalls.RECALL, vector_requests(CLUSTERED))
    return {
        **_small_recalls(memories),
        "recall by vector": by_vector,
        f"recall by vector, batch of {RECALL_BATCH}": _batches(by_vector.bodies),
        "recall by vector small": Workload(calls.recalls.RECALL, vector_requests(SMALL_CLUSTERED)),
        f"recall batch of {RECALL_BATCH}": _batches(recalls["recall hybrid"].bodies),
        "store": Workload(calls.memories.STORE, singles, has_request_id=True),
        "store batch": Workload(calls.memories.STORE_BATCH, batches, items=BATCH_ITEMS),
        "get": Workload(calls.memories.GET, gets),
        **recalls,
    }


RECALL_BATCH = 20


def _batches(bodies: list[bytes]) -> Workload:
    requests = [recall_service_pb2.RecallRequest.FromString(body) for body in bodies]
    batches = [
        recall_service_pb2.RecallBatchRequest(
            queries=requests[start : start + RECALL_BATCH]
        ).SerializeToString()
        for start in range(0, len(requests), RECALL_BATCH)
    ]
    return Workload(calls.recalls.RECALL_BATCH, batches, items=RECALL_BATCH)


def _small_recalls(memories: list[Draft]) -> dict[str, Workload]:
    queries = [memory.text for memory in memories[: min(SMALL_COUNT, 300)]]
    return {
        f"recall {name} small": Workload(
            calls.recalls.RECALL,
            [
                recall_service_pb2.RecallRequest(
                    namespace=SMALL, text=" ".join(query.split()[:8]), mode=mode, top_k=10
                ).SerializeToString()
                for query in queries
            ],
        )
        for name, mode in (
            ("hybrid", recall_service_pb2.RECALL_MODE_HYBRID),
            ("vector", recall_service_pb2.RECALL_MODE_VECTOR),
        )
    }


def clustered(count: int, seed: int) -> Vectors:
    """Return unit vectors in clusters."""
    source = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((_CLUSTERS, DIMENSIONS))
    made = centres[source.integers(0, _CLUSTERS, count)]
    made = made + 0.7 * source.standard_normal((count, DIMENSIONS))
    unit: Vectors = made / np.linalg.norm(made, axis=1, keepdims=True)
    return unit.astype(np.float32)


def vector_requests(namespace: str) -> list[bytes]:
    """Return the recalls by vector."""
    return [
        recall_service_pb2.RecallRequest(
            namespace=namespace, vector=vector.astype("<f4").tobytes(), top_k=10
        ).SerializeToString()
        for vector in clustered(300, seed=2)
    ]


def _new_drafts(texts: Texts, count: int) -> Iterator[memory_pb2.MemoryDraft]:
    for number in range(count):
        text = texts.text()
        payload = json.dumps({"text": text, "number": number}).encode()
        yield memory_pb2.MemoryDraft(payload_json=payload, text=text)
