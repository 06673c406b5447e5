"""Coordinates of one partition: compared exactly, as one matrix for each number of dimensions."""

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.columns import Arrays, Mask, Slots, renumbered
from memory_server.domain.memory import Coordinate


class Coordinates:
    """Callers' addresses by slot."""

    def __init__(self) -> None:
        self._of_length: dict[int, tuple[array[int], array[float]]] = {}

    def add(self, slot: int, coordinate: Coordinate) -> None:
        """Take a coordinate in."""
        slots, values = self._of_length.setdefault(len(coordinate), (array("I"), array("d")))
        slots.append(slot)
        values.extend(coordinate)

    def nearest(
        self, coordinate: Coordinate, allowed: Mask | None, limit: int
    ) -> tuple[Slots, npt.NDArray[np.float64]]:
        """Return the allowed slots nearest to a coordinate of the same length, the latest first among equals."""
        slots, values = self._allowed(len(coordinate), allowed)
        # Huge coordinates have an infinite distance, and that is how they sort.
        with np.errstate(over="ignore"):
            offsets = values - np.array(coordinate)
            distances = np.sqrt(np.einsum("ij,ij->i", offsets, offsets))
        order = np.lexsort((-slots, distances))[:limit]
        return slots[order], distances[order]

    def within(self, least: Coordinate, greatest: Coordinate, allowed: Mask | None) -> Slots:
        """Return the allowed slots in a box, its sides included, ascending."""
        slots, values = self._allowed(len(least), allowed)
        is_inside = (values >= np.array(least)) & (values <= np.array(greatest))
        return slots[is_inside.all(axis=1)]

    def _allowed(self, length: int, allowed: Mask | None) -> tuple[Slots, npt.NDArray[np.float64]]:
        known = self._of_length.get(length)
        if known is None:
            return np.empty(0, np.int64), np.empty((0, length))
        slots = np.frombuffer(known[0], np.uint32).astype(np.int64)
        values = np.frombuffer(known[1], np.float64).reshape(-1, length)
        if allowed is None:
            return slots, values.copy()
        return slots[allowed[slots]], values[allowed[slots]]

    def arrays(self, new_slots: Slots) -> Arrays:
        """Return what `load` takes, with the slots renumbered; may run in a thread beside additions."""
        made: Arrays = {}
        for length, (slots, values) in list(self._of_length.items()):
            kept, is_kept = renumbered(slots, new_slots)
            rows = np.frombuffer(values.tobytes(), np.float64)[: length * len(is_kept)]
            made[f"coordinates/{length}/slots"] = kept
            made[f"coordinates/{length}/values"] = rows.reshape(-1, length)[is_kept]
        return made

    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what `arrays` returned."""
        for name, slots in arrays.items():
            if name.startswith("coordinates/") and name.endswith("/slots"):
                values = arrays[name.replace("/slots", "/values")]
                length = int(name.split("/")[1])
                own = array("I", slots.astype(np.uint32).tobytes())
                self._of_length[length] = (own, array("d", values.tobytes()))
