"""The index of one partition: which memories there are, what filters look at, and its keyword and vector parts.

A memory has a slot as long as it lives; the columns and the vectors are arrays over slots, so that a filter is a few
array operations. Slots of memories that are gone are used again.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.keywords import IsAllowed, KeywordIndex
from memory_server.adapters.embedded.metadata import MetadataIndex
from memory_server.adapters.embedded.timeline import Timeline
from memory_server.adapters.embedded.vectors import FlatVectors, Mask
from memory_server.domain.memory import Coordinate, MemoryKind, MemoryRecord
from memory_server.ports import Allowed, Found, Vector

_EPISODIC = int(MemoryKind.EPISODIC)
"""As a plain number: looking an enum's member up costs as much as the comparison ten times over."""

NEVER_US = np.iinfo(np.int64).max
_FIRST_CAPACITY = 64


class Columns:
    """What filters look at, by slot."""

    def __init__(self) -> None:
        self.seq = np.zeros(_FIRST_CAPACITY, np.int64)
        self.is_live = np.zeros(_FIRST_CAPACITY, np.bool_)
        self.kind = np.zeros(_FIRST_CAPACITY, np.int8)
        self.event_time_us = np.zeros(_FIRST_CAPACITY, np.int64)
        self.expire_time_us = np.zeros(_FIRST_CAPACITY, np.int64)
        self.importance = np.zeros(_FIRST_CAPACITY, np.float64)
        self.model = np.zeros(_FIRST_CAPACITY, np.int16)
        """Number of the embedding's model; 0: no embedding."""

    def put(self, slot: int, record: MemoryRecord, model: int) -> None:
        """Write a slot."""
        if slot >= len(self.seq):
            self._grow()
        self.seq[slot] = record.commit_seq
        self.kind[slot] = record.kind
        self.event_time_us[slot] = record.event_time_us
        self.expire_time_us[slot] = (
            NEVER_US if record.expire_time_us is None else record.expire_time_us
        )
        self.importance[slot] = record.importance
        self.model[slot] = model
        self.is_live[slot] = True

    def _grow(self) -> None:
        for name, column in vars(self).items():
            setattr(self, name, np.concatenate([column, np.zeros_like(column)]))


class Partition:
    """The memories of one tenant's namespace, found by words, vector or coordinate."""

    def __init__(self, dimensions: int) -> None:
        self._columns = Columns()
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._vectors = FlatVectors(dimensions)
        self._models: dict[str, int] = {}
        self._metadata = MetadataIndex()
        self._timeline = Timeline()
        self._coordinates: dict[int, Coordinate] = {}
        self.keywords = KeywordIndex()
        self._last_mask: tuple[Allowed, Mask] | None = None

    def add(self, record: MemoryRecord) -> None:
        """Take a memory in; it is found from now on."""
        self._last_mask = None
        slot = self._free.pop() if self._free else len(self._slots)
        self._slots[record.commit_seq] = slot
        self._columns.put(slot, record, self._model(record))
        if record.embedding:
            self._vectors.put(slot, np.frombuffer(record.embedding, "<f4"))
        self._metadata.add(slot, record.metadata)
        if record.kind is MemoryKind.EPISODIC:
            self._timeline.add(record.event_time_us, record.commit_seq)
        if record.coordinate is not None:
            self._coordinates[record.commit_seq] = record.coordinate
        self.keywords.add(record.commit_seq, record.text)

    def remove(self, seq: int) -> None:
        """Drop a memory; it is not found any more."""
        self._last_mask = None
        slot = self._slots.pop(seq)
        self._columns.is_live[slot] = False
        self._free.append(slot)
        self._metadata.remove(slot)
        if self._columns.kind[slot] == _EPISODIC:
            self._timeline.remove(int(self._columns.event_time_us[slot]), seq)
        self._coordinates.pop(seq, None)
        self.keywords.remove(seq)

    def search(
        self, text: str | None, vector: tuple[str, Vector] | None, allowed: Allowed, limit: int
    ) -> Found:
        """Return the best of each leg."""
        mask = self._mask(allowed)
        keyword: dict[int, float] = {}
        if text is not None:
            keyword = dict(self.keywords.search(text, self._is_allowed(mask), limit))
        cosine: dict[int, float] = {}
        if vector is not None:
            cosine = self._cosines(*vector, mask, keyword, limit)
        return Found(keyword, cosine)

    def adjacent(self, seqs: Iterable[int], allowed: Allowed) -> dict[int, list[int]]:
        """Return the allowed episodes just before and after each of these; those without are left out."""
        columns = self._columns
        is_allowed = self._is_allowed(self._mask(allowed))
        found: dict[int, list[int]] = {}
        for seq in seqs:
            slot = self._slots[seq]
            if columns.kind[slot] != _EPISODIC:
                continue
            beside = self._timeline.adjacent(int(columns.event_time_us[slot]), seq)
            if others := [other for other in beside if is_allowed(other)]:
                found[seq] = others
        return found

    def nearest(
        self, coordinate: Coordinate, allowed: Allowed, limit: int
    ) -> list[tuple[int, float]]:
        """Return the nearest coordinates of the same length, with their Euclidean distances."""
        is_allowed = self._is_allowed(self._mask(allowed))
        near = [
            (seq, other)
            for seq, other in self._coordinates.items()
            if len(other) == len(coordinate) and is_allowed(seq)
        ]
        if not near:
            return []
        # Huge coordinates have an infinite distance, and that is how they sort.
        with np.errstate(over="ignore"):
            offsets = np.array([other for _, other in near]) - np.array(coordinate)
            distances = np.sqrt(np.einsum("ij,ij->i", offsets, offsets))
        order = np.lexsort(([-seq for seq, _ in near], distances))[:limit]
        return [(near[place][0], float(distances[place])) for place in order]

    def _model(self, record: MemoryRecord) -> int:
        if not record.embedding:
            return 0
        return self._models.setdefault(record.embedding_model, len(self._models) + 1)

    def _mask(self, allowed: Allowed) -> Mask:
        """Return which slots may be found; the steps of one recall ask for the same mask."""
        if self._last_mask is None or self._last_mask[0] is not allowed:
            self._last_mask = (allowed, self._new_mask(allowed))
        return self._last_mask[1]

    def _new_mask(self, allowed: Allowed) -> Mask:
        columns, given = self._columns, allowed.given
        mask: Mask = columns.is_live & (columns.expire_time_us > allowed.now_us)
        if given.kinds:
            mask &= np.isin(columns.kind, [int(kind) for kind in given.kinds])
        if given.event_time_from_us is not None:
            mask &= columns.event_time_us >= given.event_time_from_us
        if given.event_time_until_us is not None:
            mask &= columns.event_time_us < given.event_time_until_us
        if given.min_importance is not None:
            mask &= columns.importance >= given.min_importance
        if given.importance_below is not None:
            mask &= columns.importance < given.importance_below
        for test in given.metadata:
            mask &= self._metadata.passing(test, len(mask))
        return mask

    def _is_allowed(self, mask: Mask) -> IsAllowed:
        slots = self._slots

        def is_allowed(seq: int) -> bool:
            slot = slots.get(seq)
            return slot is not None and bool(mask[slot])

        return is_allowed

    def _known_slots(self, seqs: Iterable[int]) -> npt.NDArray[np.int64]:
        return np.array([self._slots[seq] for seq in seqs if seq in self._slots], np.int64)

    def _cosines(
        self, model: str, query: Vector, mask: Mask, keyword: dict[int, float], limit: int
    ) -> dict[int, float]:
        """Return the cosines of the best, and of what the keyword leg found."""
        comparable = mask & (self._columns.model == self._models.get(model, -1))
        best = self._vectors.best(query, comparable, limit)
        cosines = {int(self._columns.seq[slot]): cosine for slot, cosine in best}
        others = self._known_slots([seq for seq in keyword if seq not in cosines])
        others = others[comparable[others]]
        if len(others):
            found = self._vectors.cosines(query, others)
            cosines |= zip(self._columns.seq[others].tolist(), found.tolist(), strict=True)
        return cosines
