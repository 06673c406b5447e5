"""SearchIndex by looking at everything: no structure, no cleverness, always exact."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from memory_server.domain.memory import Coordinate, MemoryKind, MemoryRecord, Scope
from memory_server.domain.ranking import (
    BM25_B,
    BM25_K1,
    EPISODE_GAP_US,
    attainable_bm25,
    length_correction,
)
from memory_server.ports import Allowed, Change, Found, Vector


class InMemoryIndex:
    """Every live record by scope; words are runs of letters and digits in lower case."""

    def __init__(self) -> None:
        self._records: dict[Scope, dict[int, MemoryRecord]] = {}

    def apply(self, changes: Sequence[Change]) -> None:
        """See the port."""
        for change in changes:
            if change.drops_namespace:
                self._records.pop(change.scope, None)
                continue
            records = self._records.setdefault(change.scope, {})
            for seq in change.removed_seqs:
                del records[seq]
            if change.added is not None:
                records[change.commit_seq] = change.added

    def search(
        self,
        scope: Scope,
        *,
        text: str | None,
        vector: tuple[str, Vector] | None,
        allowed: Allowed,
        limit: int,
    ) -> Found:
        """See the port; the limit is not needed."""
        passing = self._passing(scope, allowed)
        keyword = self._keyword_scores(scope, text) if text is not None else {}
        cosine = {seq: _cosine(record, vector) for seq, record in passing.items()}
        return Found(
            {seq: score for seq, score in keyword.items() if seq in passing},
            {seq: value for seq, value in cosine.items() if value is not None},
        )

    def adjacent(self, scope: Scope, seqs: Sequence[int], allowed: Allowed) -> dict[int, list[int]]:
        """See the port."""
        episodes = sorted(
            (record.event_time_us, seq)
            for seq, record in self._records.get(scope, {}).items()
            if record.kind is MemoryKind.EPISODIC
        )
        passing = self._passing(scope, allowed)
        found: dict[int, list[int]] = {}
        for (time_us, seq), (later_us, later) in itertools.pairwise(episodes):
            if later_us - time_us <= EPISODE_GAP_US:
                for one, other in ((seq, later), (later, seq)):
                    if one in seqs and other in passing:
                        found.setdefault(one, []).append(other)
        return found

    def nearest(
        self, scope: Scope, coordinate: Coordinate, allowed: Allowed, limit: int
    ) -> list[tuple[int, float]]:
        """See the port."""
        distances = [
            (seq, math.dist(record.coordinate, coordinate))
            for seq, record in self._passing(scope, allowed).items()
            if record.coordinate is not None and len(record.coordinate) == len(coordinate)
        ]
        return sorted(distances, key=lambda entry: (entry[1], -entry[0]))[:limit]

    async def maintain(self) -> None:
        """See the port."""

    def tail_size(self) -> int:
        """See the port."""
        return 0

    def _passing(self, scope: Scope, allowed: Allowed) -> dict[int, MemoryRecord]:
        records = self._records.get(scope, {})
        return {s: r for s, r in records.items() if allowed.given.passes(r, allowed.now_us)}

    def _keyword_scores(self, scope: Scope, text: str) -> dict[int, float]:
        counts = {s: Counter(_words(r.text)) for s, r in self._records.get(scope, {}).items()}
        mean = sum(c.total() for c in counts.values()) / max(len(counts), 1) or 1.0
        scores: dict[int, float] = {}
        idfs = []
        for word in dict.fromkeys(_words(text)):
            having = {seq: count[word] for seq, count in counts.items() if word in count}
            if not having:
                continue
            idf = math.log(1 + (len(counts) - len(having) + 0.5) / (len(having) + 0.5))
            idfs.append(idf)
            for seq, count in having.items():
                norm = BM25_K1 * (1 - BM25_B + BM25_B * counts[seq].total() / mean)
                gain = idf * count * (BM25_K1 + 1) / (count + norm)
                scores[seq] = scores.get(seq, 0.0) + gain
        attainable = attainable_bm25(idfs) or 1.0
        return {
            seq: min(score * length_correction(counts[seq].total() / mean) / attainable, 1.0)
            for seq, score in scores.items()
        }


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _cosine(record: MemoryRecord, vector: tuple[str, Vector] | None) -> float | None:
    if vector is None or not record.embedding or record.embedding_model != vector[0]:
        return None
    return float(np.frombuffer(record.embedding, "<f4") @ vector[1])
