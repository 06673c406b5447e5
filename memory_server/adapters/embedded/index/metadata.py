"""Metadata of one partition: which slots have which values, so that filters need not look at every memory.

It lives beside the other parts of the index, not in SQLite, so that a filter and the search it restricts see the same
memories, also while others write. Each key has the slots that have it, in their order, and the number of each one's
value; a test decides over the values and picks the slots by array operations.
"""

import json
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.columns import Arrays, Mask, Slots, renumbered
from memory_server.domain.filters import MetadataTest
from memory_server.domain.memory import Metadata, MetadataValue

_TypedValue = tuple[type, MetadataValue]
"""A value with its type: to a dictionary True, 1 and 1.0 are one key."""


class _Key:
    """The values of one key."""

    __slots__ = ("codes", "numbers", "slots", "values")

    def __init__(self) -> None:
        self.slots = array("I")
        self.codes = array("I")
        self.values: dict[_TypedValue, int] = {}
        self.numbers = array("d")
        """By code; NaN for what is not a number."""

    def add(self, slot: int, value: MetadataValue) -> None:
        typed = (type(value), value)
        code = self.values.get(typed)
        if code is None:
            code = self.values[typed] = len(self.values)
            self.numbers.append(value if isinstance(value, float) else float("nan"))
        self.slots.append(slot)
        self.codes.append(code)

    def matching(self, test: MetadataTest) -> Slots:
        slots = np.frombuffer(self.slots, np.uint32)
        codes = np.frombuffer(self.codes, np.uint32)
        if test.any_of is not None:
            wanted = [
                code
                for value in test.any_of
                if (code := self.values.get((type(value), value))) is not None  # type: ignore[arg-type] # None is no value
            ]
            if len(wanted) == 1:
                return _wide(slots[codes == wanted[0]])
            chosen = np.zeros(len(self.values), np.bool_)
            chosen[wanted] = True
        elif test.is_range:
            numbers = np.frombuffer(self.numbers, np.float64)
            # A comparison with NaN is False, so that only numbers pass.
            chosen = numbers == numbers  # noqa: PLR0124
            if test.minimum is not None:
                chosen &= numbers >= test.minimum
            if test.maximum is not None:
                chosen &= numbers <= test.maximum
        else:
            return _wide(slots)
        return _wide(slots[chosen[codes]])


def _wide(slots: npt.NDArray[np.uint32]) -> Slots:
    return slots.astype(np.int64)


class MetadataIndex:
    """The values of every key."""

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def add(self, slot: int, metadata: Metadata) -> None:
        """Take in a memory's metadata."""
        for name, value in metadata.items():
            key = self._keys.get(name)
            if key is None:
                key = self._keys[name] = _Key()
            key.add(slot, value)

    def passing(self, test: MetadataTest, count: int) -> Mask:
        """Return which of the first `count` slots pass a test; what has been removed may pass."""
        mask: Mask = np.zeros(count, np.bool_)
        key = self._keys.get(test.key)
        if key is not None:
            mask[key.matching(test)] = True
        return ~mask if test.exists is False else mask

    def arrays(self, new_slots: Slots) -> Arrays:
        """Return what `load` takes, with the slots renumbered; may run in a thread beside additions."""
        made: Arrays = {}
        names: list[str] = []
        for name, key in list(self._keys.items()):
            slots, is_kept = renumbered(key.slots, new_slots)
            if not len(slots):
                continue
            codes = np.frombuffer(key.codes.tobytes(), np.uint32)[: len(is_kept)][is_kept]
            used, new_codes = np.unique(codes, return_inverse=True)
            values = list(key.values)
            kept = [values[code][1] for code in used.tolist()]
            prefix = f"metadata/{len(names)}"
            made[f"{prefix}/slots"], made[f"{prefix}/codes"] = slots, new_codes
            made[f"{prefix}/values"] = np.frombuffer(json.dumps(kept).encode(), np.uint8)
            names.append(name)
        made["metadata"] = np.frombuffer(json.dumps(names).encode(), np.uint8)
        return made

    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what `arrays` returned."""
        for number, name in enumerate(json.loads(arrays["metadata"].tobytes())):
            key = self._keys[name] = _Key()
            prefix = f"metadata/{number}"
            key.slots = array("I", arrays[f"{prefix}/slots"].astype(np.uint32).tobytes())
            key.codes = array("I", arrays[f"{prefix}/codes"].astype(np.uint32).tobytes())
            for value in json.loads(arrays[f"{prefix}/values"].tobytes()):
                key.values[type(value), value] = len(key.values)
                key.numbers.append(value if isinstance(value, float) else float("nan"))
