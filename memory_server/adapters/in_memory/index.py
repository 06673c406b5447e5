"""SearchIndex by looking at everything: no structure, no cleverness, always exact."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from memory_server.domain import conversations, ranking
from memory_server.domain.importance import scale_of
from memory_server.domain.memory import Coordinate, MemoryKind, MemoryRecord, Scope
from memory_server.domain.ranking import BM25_K1, EPISODE_GAP_US, REACH, Candidates
from memory_server.domain.spans import Span
from memory_server.domain.text import is_question
from memory_server.ports import Allowed, Asked, Change, Found, NewEmbedding, Question, Seqs, Vector


class InMemoryIndex:
    """Every live record by scope; words are runs of letters and digits in lower case."""

    def __init__(self) -> None:
        self._records: dict[Scope, dict[int, MemoryRecord]] = {}
        self._beside: dict[int, NewEmbedding] = {}

    def apply(self, changes: Sequence[Change]) -> None:
        """See the port."""
        for change in changes:
            if change.drops_namespace:
                self._records.pop(change.scope, None)
                continue
            records = self._records.setdefault(change.scope, {})
            for seq in change.removed_seqs:
                del records[seq]
                self._beside.pop(seq, None)
            if change.added is not None:
                records[change.commit_seq] = change.added
            for new in change.embedded:
                self._embed(records, new)

    def search(self, scope: Scope, asked: Sequence[Asked], allowed: Allowed) -> Iterator[Found]:
        """See the port."""
        answers = []
        for question, _limit, with_beside in asked:
            found = self.compare(scope, list(self._records.get(scope, ())), question, allowed)
            if with_beside:
                self._find_beside(scope, found)
            answers.append(found)
        return iter(answers)

    def compare(
        self, scope: Scope, seqs: Sequence[int], question: Question, allowed: Allowed
    ) -> Found:
        """See the port."""
        passing = {s: r for s, r in self._passing(scope, allowed).items() if s in seqs}
        ordered = sorted(passing)
        keyword = self._keyword_scores(scope, question.text) if question.text is not None else {}
        everyone = self._records.get(scope, {}).values()
        sessions = {
            seq: conversations.session_of(record.metadata)
            for seq, record in passing.items()
            if record.kind is MemoryKind.EPISODIC
        }
        numbers = {name: number for number, name in enumerate(sorted({"", *sessions.values()}))}
        candidates = Candidates(
            keyword=np.array([keyword.get(seq, 0.0) for seq in ordered]),
            cosine=np.array([self._cosine(passing[seq], question.vector) for seq in ordered]),
            event_time_us=np.array([passing[seq].event_time_us for seq in ordered], np.int64),
            importance=np.array([passing[seq].importance for seq in ordered], np.float64),
            scale=scale_of(np.array([record.importance for record in everyone], np.float64)),
            session=np.array(
                [numbers[sessions[seq]] if seq in sessions else -1 for seq in ordered], np.int64
            ),
            asks=np.array([is_question(passing[seq].text) for seq in ordered], np.bool_),
            beside=ranking.no_one_beside(len(ordered)),
        )
        return Found(np.array(ordered, np.int64), candidates)

    def adjacent(
        self, scope: Scope, seqs: Sequence[int], allowed: Allowed
    ) -> Mapping[int, Sequence[int]]:
        """See the port."""
        passing = self._passing(scope, allowed)
        found: dict[int, list[int]] = {}
        for seq, (_, step, other) in self._along(scope):
            if step == 0 and seq in seqs and other in passing:
                found.setdefault(seq, []).append(other)
        return found

    def nearest(
        self, scope: Scope, coordinate: Coordinate, allowed: Allowed, limit: int
    ) -> list[tuple[int, float]]:
        """See the port."""
        distances = [
            (seq, math.dist(other, coordinate))
            for seq, other in self._coordinates(scope, allowed, len(coordinate))
        ]
        return sorted(distances, key=lambda entry: (entry[1], -entry[0]))[:limit]

    def within(
        self, scope: Scope, least: Coordinate, greatest: Coordinate, allowed: Allowed
    ) -> list[int]:
        """See the port."""
        return sorted(
            seq
            for seq, other in self._coordinates(scope, allowed, len(least))
            if all(low <= value <= high for low, value, high in zip(least, other, greatest, strict=True))
        )  # fmt: skip

    def event_times(self, scope: Scope) -> Span | None:
        """See the port."""
        times_us = [record.event_time_us for record in self._records.get(scope, {}).values()]
        return Span(min(times_us), max(times_us) + 1) if times_us else None

    def of_records(self, scope: Scope, records: Sequence[MemoryRecord]) -> "InMemoryIndex":
        """See the port."""
        made = InMemoryIndex()
        made.apply([Change(scope, record.commit_seq, record) for record in records])
        return made

    def models(self) -> Counter[str]:
        """See the port."""
        return Counter(
            record.embedding_model
            for records in self._records.values()
            for record in records.values()
            if record.embedding
        )

    async def load(self, live: Mapping[Scope, Seqs]) -> int:
        """See the port."""
        return 0

    async def maintain(self) -> None:
        """See the port."""

    def tail_size(self) -> int:
        """See the port."""
        return 0

    async def close(self) -> None:
        """See the port."""

    def _embed(self, records: dict[int, MemoryRecord], new: NewEmbedding) -> None:
        if new.seq not in records:
            return
        if new.is_beside:
            self._beside[new.seq] = new
        else:
            self._beside.pop(new.seq, None)
            records[new.seq] = records[new.seq]._replace(
                embedding=new.vector, embedding_model=new.model
            )

    def _cosine(self, record: MemoryRecord, vector: tuple[str, Vector] | None) -> float:
        if vector is None:
            return 0.0
        beside = self._beside.get(record.commit_seq)
        embeddings = {record.embedding_model: record.embedding}
        if beside is not None:
            embeddings[beside.model] = beside.vector
        found = embeddings.get(vector[0])
        return float(np.frombuffer(found, "<f4") @ vector[1]) if found else 0.0

    def _passing(self, scope: Scope, allowed: Allowed) -> dict[int, MemoryRecord]:
        records = self._records.get(scope, {})
        return {seq: record for seq, record in records.items() if allowed.passes(record)}

    def _coordinates(
        self, scope: Scope, allowed: Allowed, length: int
    ) -> list[tuple[int, Coordinate]]:
        return [
            (seq, record.coordinate)
            for seq, record in self._passing(scope, allowed).items()
            if record.coordinate is not None and len(record.coordinate) == length
        ]

    def _find_beside(self, scope: Scope, found: Found) -> None:
        places = {seq: place for place, seq in enumerate(found.seqs.tolist())}
        for seq, (side, step, other) in self._along(scope):
            if seq in places and other in places:
                found.candidates.beside[places[seq], side, step] = places[other]

    def _along(self, scope: Scope) -> Iterator[tuple[int, tuple[int, int, int]]]:
        """Yield (commit, (side, step, commit beside it)) along each session, before is side 0."""
        episodes = sorted(
            (conversations.session_of(record.metadata), record.event_time_us, seq)
            for seq, record in self._records.get(scope, {}).items()
            if record.kind is MemoryKind.EPISODIC
        )
        for start, (session, time_us, seq) in enumerate(episodes):
            for side, steps in (
                (0, range(start - 1, -1, -1)),
                (1, range(start + 1, len(episodes))),
            ):
                last_us = time_us
                for step, other in enumerate(itertools.islice(steps, REACH)):
                    other_session, other_us, other_seq = episodes[other]
                    is_far = not session and abs(other_us - last_us) > EPISODE_GAP_US
                    if other_session != session or is_far:
                        break
                    last_us = other_us
                    yield seq, (side, step, other_seq)

    def _keyword_scores(self, scope: Scope, text: str) -> dict[int, float]:
        counts = {s: Counter(_words(r.text)) for s, r in self._records.get(scope, {}).items()}
        mean = ranking.mean_length(sum(c.total() for c in counts.values()), max(len(counts), 1))
        scores: dict[int, float] = {}
        idfs = []
        for word in dict.fromkeys(_words(text)):
            having = {seq: count[word] for seq, count in counts.items() if word in count}
            idf = math.log(1 + (len(counts) - len(having) + 0.5) / (len(having) + 0.5))
            idfs.append(idf)
            for seq, count in having.items():
                norm = ranking.length_norm(np.array([counts[seq].total()], np.int32), mean)[0]
                gain = idf * count * (BM25_K1 + 1) / (count + float(norm))
                scores[seq] = scores.get(seq, 0.0) + gain
        attainable = ranking.attainable_bm25(idfs) or 1.0
        return {seq: min(score / attainable, 1.0) for seq, score in scores.items()}


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())
