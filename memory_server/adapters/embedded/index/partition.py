"""The index of one partition: which memories there are, what filters look at, and its keyword and vector parts.

A memory gets the next slot when it comes; the columns, words and vectors are arrays over slots, so that a filter, a
score and a neighbour are a few array operations. Slots come in the order of the commits; those of removed memories stay
empty until the partition is compacted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.columns import Column, Mask, Slots
from memory_server.adapters.embedded.index.coordinates import Coordinates
from memory_server.adapters.embedded.index.hands import Hands, Known, Part
from memory_server.adapters.embedded.index.keywords import KeywordIndex
from memory_server.adapters.embedded.index.metadata import MetadataIndex
from memory_server.adapters.embedded.index.timeline import Timeline
from memory_server.adapters.embedded.index.vectors import VectorRows
from memory_server.domain import conversations, ranking
from memory_server.domain.filters import Filter
from memory_server.domain.importance import ImportanceScale, scale_of
from memory_server.domain.memory import Coordinate, MemoryKind, MemoryRecord, Metadata
from memory_server.domain.ranking import EPISODE_GAP_US, REACH, SPREAD_FROM, Candidates
from memory_server.domain.spans import Span, within
from memory_server.domain.text import is_question
from memory_server.kernels.candidates import Facts, Neighbours
from memory_server.kernels.search import Leg, Search
from memory_server.kernels.vectors import Nearest
from memory_server.ports import (
    Allowed,
    Asked,
    Found,
    NewEmbedding,
    Question,
    Seqs,
    Vector,
    WordVectors,
)

EPISODIC = int(MemoryKind.EPISODIC)
"""As a plain number: looking an enum's member up costs as much as the comparison ten times over."""

NEVER_US = np.iinfo(np.int64).max
_EVERYTHING = Filter()

_FLOAT_BYTES = 4

MOST_WAITING = 256
"""Embeddings that wait at most: whoever looks should not have to wait for more than a tenth of a millisecond."""

SCALE_DRIFT = 0.01
SCALE_LEAST = 4096
"""Share of the memories that may change until the scale of importance is looked at anew, where there are so many that
looking takes long."""


class Columns:
    """What filters and ranking look at, by slot."""

    def __init__(self) -> None:
        self.seq = Column(np.int64)
        self.is_live = Column(np.bool_)
        self.kind = Column(np.int8)
        self.event_time_us = Column(np.int64)
        self.expire_time_us = Column(np.int64)
        self.importance = Column(np.float64)
        self.session = Column(np.int32)
        """Number of the session that an episode names; 0: none; -1: no episode."""
        self.asks = Column(np.bool_)
        """Whether the text asks something."""
        self.before = Column(np.int64)
        self.after = Column(np.int64)
        """Slots of the episodes just before and just after; -1: none."""

    def extend(self, rows: Sequence[tuple[float, ...]]) -> None:
        """Write the values of more slots, each in the order of the columns above."""
        first = len(self.seq)
        columns: list[Column] = list(vars(self).values())
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column.extend(values)
        # Their neighbours hear of them; of two that came beside the same one, the later stays its neighbour.
        slots = np.arange(first, len(self.seq))
        before, after = self.before.view[first:].copy(), self.after.view[first:].copy()
        self.after.view[before[before >= 0]] = slots[before >= 0]
        self.before.view[after[after >= 0]] = slots[after >= 0]


class Partition:
    """The memories of one tenant's namespace, found by words, vector or coordinate."""

    def __init__(self, words: WordVectors | None) -> None:
        self._columns = Columns()
        self._waiting: list[tuple[float, ...]] = []
        """Slots that are put into the columns when somebody looks: for a batch it takes a tenth of one by one."""
        self.count = 0
        """Number of slots, empty ones included."""
        self.keywords = KeywordIndex(words)
        self._vectors: dict[str, VectorRows] = {}
        self._waiting_vectors: dict[str, list[tuple[int, bytes]]] = {}
        """Slots with their embeddings, by model, that are put among the vectors likewise."""
        self.beside: dict[int, tuple[str, ...]] = {}
        """The models, by slot, of embeddings that are kept beside the present one."""
        self.metadata = MetadataIndex()
        self.coordinates = Coordinates()
        self.sessions: dict[str, int] = {}
        self.dead_count = 0
        self._timeline = Timeline()
        self._next_expiry_us = NEVER_US
        self._scale: tuple[int, ImportanceScale] | None = None
        """The scale of importance, and how many changes there had been when it was looked at."""
        self._change_count = 0
        self._everything: tuple[int, Mask] = (-1, np.empty(0, np.bool_))
        self._last_mask: tuple[Allowed, Mask | None] | None = None

    @property
    def columns(self) -> Columns:
        """What filters and ranking look at."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._columns.extend(waiting)
        return self._columns

    @property
    def vectors(self) -> dict[str, VectorRows]:
        """The embeddings, by model."""
        if self._waiting_vectors:
            waiting, self._waiting_vectors = self._waiting_vectors, {}
            for model, some in waiting.items():
                self._take_in(model, some)
        return self._vectors

    def add(self, record: MemoryRecord) -> None:
        """Take a memory in; it is found from now on."""
        self._changed()
        slot = self.count
        self.count += 1
        session, before, after = -1, -1, -1
        if record.kind is MemoryKind.EPISODIC:
            session = self._session(record.metadata)
            before, after = self._timeline.add(session, record.event_time_us, slot)
        expire_us = NEVER_US
        if record.expire_time_us is not None:
            expire_us = record.expire_time_us
            self._next_expiry_us = min(self._next_expiry_us, expire_us)
        self._waiting.append(
            (
                record.commit_seq,
                True,
                record.kind,
                record.event_time_us,
                expire_us,
                record.importance,
                session,
                is_question(record.text),
                before,
                after,
            )
        )
        if record.embedding:
            self._wait(record.embedding_model, slot, record.embedding)
        if record.metadata:
            self.metadata.add(slot, record.metadata)
        if record.coordinate is not None:
            self.coordinates.add(slot, record.coordinate)
        self.keywords.add(slot, record.text)

    def remove(self, seq: int) -> None:
        """Drop a memory; it is not found any more."""
        self._changed()
        columns = self.columns
        slot = int(columns.seq.view.searchsorted(seq))
        columns.is_live.view[slot] = False
        self.dead_count += 1
        self.keywords.remove(slot)
        if columns.kind.view[slot] == EPISODIC:
            before, after = int(columns.before.view[slot]), int(columns.after.view[slot])
            if before >= 0:
                columns.after.view[before] = after
            if after >= 0:
                columns.before.view[after] = before
            time_us = int(columns.event_time_us.view[slot])
            self._timeline.remove(int(columns.session.view[slot]), time_us, slot)

    def embed(self, new: NewEmbedding) -> None:
        """Take a new embedding of a memory in; a memory that is gone has none."""
        slots = self.slots_of(np.array([new.seq]))
        if not len(slots):
            return
        slot = int(slots[0])
        vectors = self.vectors
        for model in list(vectors) if not new.is_beside else list(self.beside.pop(slot, ())):
            vectors[model].drop(slot)
        self.beside.pop(slot, None)
        if new.vector:
            self._take_in(new.model, [(slot, new.vector)])
            if new.is_beside:
                self.beside[slot] = (new.model,)

    def models(self) -> Counter[str]:
        """Return how many live memories have an embedding of each model as their present one."""
        live = np.flatnonzero(self.columns.is_live.view)
        found = {
            model: int((rows.rows_of(live) >= 0).sum()) for model, rows in self.vectors.items()
        }
        for slot, models in self.beside.items():
            for model in models:
                found[model] -= int(self.columns.is_live.view[slot])
        return Counter({model: count for model, count in found.items() if count})

    def search(self, asked: Sequence[Asked], allowed: Allowed, hands: Hands) -> Iterator[Found]:
        """Begin to search; yield what each search finds: the best of each leg, and the episodes beside them."""
        mask = self._mask(allowed)
        models = {each.question.vector[0] for each in asked if each.question.vector is not None}
        rows = {model: self.vectors[model].allowed(mask) for model in models & self.vectors.keys()}
        texts = [each.question.text for each in asked]
        words = iter(self.keywords.words_of([text for text in texts if text is not None]))
        facts = self._facts()
        neighbours = (
            self._neighbours(facts, mask) if any(each.with_beside for each in asked) else None
        )
        size = hands.part_size(len(asked))
        parts: list[Part] = []
        for start in range(0, len(asked), size):
            some = asked[start : start + size]
            nearest, legs = self._legs(some, rows)
            searches = [
                Search(
                    None if each.question.text is None else next(words),
                    leg,
                    facts,
                    neighbours if each.with_beside else None,
                    mask,
                    each.limit,
                    SPREAD_FROM,
                )
                for each, leg in zip(some, legs, strict=True)
            ]
            parts.append((nearest, searches))
        running = hands.begin(parts, self.count)
        return (self._result(*result) for result in running.results())

    def _result(self, seqs: Seqs, known: Known, beside: Slots | None, is_exact: bool) -> Found:
        keyword, cosine, event_time_us, importance, session, asks = known
        scale = self._importance_scale()
        if beside is None:
            beside = ranking.no_one_beside(len(seqs))
        candidates = Candidates(
            keyword, cosine, event_time_us, importance, scale, session, asks, beside
        )
        return Found(seqs, candidates, is_exact)

    def compare(
        self, seqs: Sequence[int], question: Question, allowed: Allowed, hands: Hands
    ) -> Found:
        """Return the allowed ones of these, with their scores."""
        mask = self._mask(allowed)
        slots = self.slots_of(np.unique(np.array(seqs, np.int64)))
        slots = slots if mask is None else slots[mask[slots]]
        keyword, cosine = np.zeros(len(slots)), np.zeros(len(slots))
        if question.text is not None:
            (words,) = self.keywords.words_of([question.text])
            if words is not None:
                hands.own.search(words)
                keyword = hands.own.of(words, slots)
        if question.vector is not None:
            cosine = self._cosines(*question.vector, slots)
        columns = self.columns
        known = (
            keyword,
            cosine,
            columns.event_time_us.view[slots],
            columns.importance.view[slots],
            columns.session.view[slots].astype(np.int64),
            columns.asks.view[slots],
        )
        return self._result(columns.seq.view[slots], known, beside=None, is_exact=True)

    def adjacent(self, seqs: Sequence[int], allowed: Allowed) -> dict[int, list[int]]:
        """Return the allowed episodes just before and after each of these; those without are left out."""
        slots = self.slots_of(np.array(seqs, np.int64))
        known = self.columns.seq.view
        found: dict[int, list[int]] = {}
        if len(slots):
            neighbours = self._neighbours(self._facts(), self._mask(allowed))
            for slot, steps in zip(slots, neighbours.of(slots), strict=True):
                if others := known[steps[:, 0][steps[:, 0] >= 0]].tolist():
                    found[int(known[slot])] = others
        return found

    def nearest(
        self, coordinate: Coordinate, allowed: Allowed, limit: int
    ) -> list[tuple[int, float]]:
        """Return the nearest coordinates of the same length, with their Euclidean distances."""
        slots, distances = self.coordinates.nearest(coordinate, self._mask(allowed), limit)
        seqs = self.columns.seq.view[slots]
        return list(zip(seqs.tolist(), distances.tolist(), strict=True))

    def within(self, least: Coordinate, greatest: Coordinate, allowed: Allowed) -> list[int]:
        """Return the commits whose coordinates lie in a box."""
        slots = self.coordinates.within(least, greatest, self._mask(allowed))
        found: list[int] = self.columns.seq.view[slots].tolist()
        return found

    def event_times(self) -> Span | None:
        """Return from when until when events were; None: there are no memories."""
        columns = self.columns
        times_us = columns.event_time_us.view[columns.is_live.view]
        return Span(int(times_us.min()), int(times_us.max()) + 1) if len(times_us) else None

    def slots_of(self, seqs: Seqs) -> Slots:
        """Return the live slots of these commits, in their order; those that are gone are left out."""
        known = self.columns.seq.view
        slots: Slots = np.searchsorted(known, seqs)
        slots, seqs = slots[slots < len(known)], seqs[slots < len(known)]
        is_there = (known[slots] == seqs) & self.columns.is_live.view[slots]
        found: Slots = slots[is_there]
        return found

    def take_over(self, columns: Columns) -> None:
        """Begin with columns that are filled but for the neighbours; put the episodes in order."""
        self._columns, self.count = columns, len(columns.seq)
        slots = np.flatnonzero((columns.kind.view == EPISODIC) & columns.is_live.view)
        keys = (slots, columns.event_time_us.view[slots], columns.session.view[slots])
        slots = slots[np.lexsort(keys)]
        sessions = columns.session.view[slots]
        self._timeline = Timeline.of(sessions, columns.event_time_us.view[slots], slots)
        same = sessions[1:] == sessions[:-1]
        columns.after.view[slots[:-1][same]] = slots[1:][same]
        columns.before.view[slots[1:][same]] = slots[:-1][same]
        live = columns.expire_time_us.view[columns.is_live.view]
        self._next_expiry_us = int(live.min()) if len(live) else NEVER_US
        self.dead_count = int(np.count_nonzero(~columns.is_live.view))

    def _changed(self) -> None:
        self._last_mask = None
        self._change_count += 1

    def _session(self, metadata: Metadata) -> int:
        name = conversations.session_of(metadata)
        return self.sessions.setdefault(name, len(self.sessions) + 1) if name else 0

    def _wait(self, model: str, slot: int, embedding: bytes) -> None:
        waiting = self._waiting_vectors.get(model)
        if waiting is None:
            waiting = self._waiting_vectors[model] = []
        waiting.append((slot, embedding))
        if len(waiting) >= MOST_WAITING:
            del self._waiting_vectors[model]
            self._take_in(model, waiting)

    def _take_in(self, model: str, some: Sequence[tuple[int, bytes]]) -> None:
        rows = self._vectors.get(model)
        if rows is None:
            rows = self._vectors[model] = VectorRows(len(some[0][1]) // _FLOAT_BYTES)
        made = np.frombuffer(b"".join([embedding for _, embedding in some]), "<f4")
        rows.extend([slot for slot, _ in some], made.reshape(len(some), -1))

    def _mask(self, allowed: Allowed) -> Mask | None:
        """Return which slots may be found; None: all. The steps of one recall ask for the same mask."""
        if self._last_mask is None or self._last_mask[0] is not allowed:
            self._last_mask = (allowed, self._new_mask(allowed))
        return self._last_mask[1]

    def _new_mask(self, allowed: Allowed) -> Mask | None:
        columns, given = self.columns, allowed.given
        mask: Mask = columns.is_live.view
        if self._next_expiry_us <= allowed.now_us:
            mask = mask & (columns.expire_time_us.view > allowed.now_us)
        elif given == _EVERYTHING and not allowed.times:
            return mask if self.dead_count else None
        if given.kinds:
            mask = mask & np.isin(columns.kind.view, [int(kind) for kind in given.kinds])
        if given.event_time_from_us is not None:
            mask = mask & (columns.event_time_us.view >= given.event_time_from_us)
        if given.event_time_until_us is not None:
            mask = mask & (columns.event_time_us.view < given.event_time_until_us)
        if given.min_importance is not None:
            mask = mask & (columns.importance.view >= given.min_importance)
        if given.importance_below is not None:
            mask = mask & (columns.importance.view < given.importance_below)
        if allowed.times:
            mask = mask & within(columns.event_time_us.view, allowed.times)
        for test in given.metadata:
            mask = mask & self.metadata.passing(test, len(mask))
        return mask

    def _legs(
        self, asked: Sequence[Asked], allowed: Mapping[str, Mask | None]
    ) -> tuple[list[Nearest], list[Leg | None]]:
        """Return the vector leg of each search, and what finds their rows: of those that are alike, in one pass."""
        found: list[Leg | None] = [None] * len(asked)
        all_nearest: list[Nearest] = []
        alike: dict[tuple[str, int, bool], list[int]] = {}
        for place, (question, limit, _) in enumerate(asked):
            if question.vector is not None and question.vector[0] in allowed:
                key = (question.vector[0], limit, question.text is not None)
                alike.setdefault(key, []).append(place)
        for (model, limit, is_a_leg), places in alike.items():
            rows = self.vectors[model]
            queries = np.array([asked[place].question.vector[1] for place in places])  # type: ignore[index]
            nearest = rows.best(queries, allowed[model], limit, is_a_leg=is_a_leg)
            all_nearest.append(nearest)
            rows_of_slots = rows.rows_of_slots(self.count)
            for number, place in enumerate(places):
                found[place] = Leg(nearest, number, rows.slots, rows_of_slots)
        return all_nearest, found

    def _neighbours(self, facts: Facts, mask: Mask | None) -> Neighbours:
        """Return which allowed slots of the same conversation stand beside each."""
        before, after = self.columns.before.view, self.columns.after.view
        return Neighbours(facts, before, after, mask, EPISODE_GAP_US, REACH)

    def _facts(self) -> Facts:
        columns = self.columns
        return Facts(
            columns.seq.view,
            columns.event_time_us.view,
            columns.importance.view,
            columns.session.view,
            columns.asks.view,
        )

    def _cosines(self, model: str, query: Vector, slots: Slots) -> npt.NDArray[np.float64]:
        """Return the cosines of slots, 0 without an embedding."""
        rows = self.vectors.get(model)
        if rows is None:
            return np.zeros(len(slots))
        wanted = rows.rows_of(slots)
        is_there = wanted >= 0
        if is_there.all():
            return rows.cosines(query, wanted)
        found = np.zeros(len(slots))
        found[is_there] = rows.cosines(query, wanted[is_there])
        return found

    def _importance_scale(self) -> ImportanceScale:
        drift = SCALE_DRIFT * self.count if self.count > SCALE_LEAST else 0
        if self._scale is None or self._change_count - self._scale[0] > drift:
            scale = scale_of(self.columns.importance.view[self.columns.is_live.view])
            self._scale = (self._change_count, scale)
        return self._scale[1]
