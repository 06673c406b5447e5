"""A partition as plain arrays: what compaction renumbers, and what the kept copy on disk consists of.

`freeze` takes hold of a partition on the event loop in some microseconds and leaves the work to a thread: columns and
vectors are only ever appended to, so that views of them stay as they are; the rest is copied piece by piece, each in
one step, and what came after the freeze is cut off by its slot. Removed memories are left out, with the words and names
of sessions that they alone had, and the others numbered anew. `thaw` makes a partition of the arrays, which it uses
where they are.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.columns import Arrays, Column, Slots
from memory_server.adapters.embedded.index.inverted import InvertedFile
from memory_server.adapters.embedded.index.keywords import KeywordIndex
from memory_server.adapters.embedded.index.partition import Columns, Partition
from memory_server.adapters.embedded.index.postings import Postings
from memory_server.adapters.embedded.index.vectors import VectorRows
from memory_server.ports import WordVectors

_MADE_ANEW = frozenset({"is_live", "before", "after"})


def freeze(partition: Partition) -> Callable[[], Arrays]:
    """Return the work that makes arrays of a partition as it is now; to be done in a thread."""
    is_live = partition.columns.is_live.view.copy()
    columns = {name: column.view for name, column in vars(partition.columns).items()}
    vectors = {
        model: (rows.frozen(), rows.slots, rows.allowed(None), rows.inverted)
        for model, rows in partition.vectors.items()
    }
    texts: dict[str, object] = {"models": list(partition.vectors)}
    sessions = list(partition.sessions)
    surfaces = dict(partition.keywords.surfaces)
    beside = dict(partition.beside)
    lengths = partition.keywords.lengths.view

    def work() -> Arrays:
        new_slots = np.where(is_live, np.cumsum(is_live) - 1, -1)
        made: Arrays = {
            f"columns/{name}": view[is_live]
            for name, view in columns.items()
            if name not in _MADE_ANEW
        }
        made["columns/session"], texts["sessions"] = _in_use(made["columns/session"], sessions)
        made["lengths"] = lengths[is_live]
        for number, (rows, slots, current, inverted) in enumerate(vectors.values()):
            renumbered = new_slots[slots]
            if current is not None:
                renumbered[~current] = -1
            _freeze_vectors(made, number, rows, renumbered, inverted)
        postings = partition.keywords.postings.sealed(new_slots, len(is_live))
        made |= {f"words/{name}": value for name, value in postings.arrays().items()}
        texts["surfaces"] = {w: s for w, s in surfaces.items() if w in postings.numbers}
        made |= partition.metadata.arrays(new_slots)
        made |= partition.coordinates.arrays(new_slots)
        texts["beside"] = [
            (int(new_slots[slot]), models) for slot, models in beside.items() if is_live[slot]
        ]
        made["texts"] = np.frombuffer(json.dumps(texts).encode(), np.uint8)
        return made

    return work


def _in_use(
    column: npt.NDArray[np.int32], names: Sequence[str]
) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Return a column of sessions numbered anew, and the names of those that are in it: others may be erased ones."""
    used = np.unique(column[column > 0])
    numbers = np.searchsorted(used, column).astype(np.int32) + 1
    return np.where(column > 0, numbers, column), [names[number - 1] for number in used.tolist()]


def _freeze_vectors(
    made: Arrays,
    number: int,
    rows: npt.NDArray[np.float32],
    slots: Slots,
    inverted: InvertedFile | None,
) -> None:
    kept = slots >= 0
    if not kept.all():
        rows, slots = rows[kept], slots[kept]
        work = VectorRows.over(rows, slots, None).upkeep()
        inverted = work() if work else None
    name = f"vectors/{number}"
    made[f"{name}/slots"], made[f"{name}/rows"] = slots, rows
    if inverted is not None:
        made[f"{name}/codes"], made[f"{name}/steps"], made[f"{name}/errors"] = inverted.rough
        made[f"{name}/centres"], made[f"{name}/cells"] = inverted.centres, inverted.cells
        made[f"{name}/trained"] = np.array([inverted.trained_rows], np.int64)


def thaw(arrays: Mapping[str, npt.NDArray[Any]], words: WordVectors | None) -> Partition:
    """Return the partition of arrays."""
    texts = json.loads(arrays["texts"].tobytes())
    partition = Partition(words)
    columns = Columns()
    count = len(arrays["columns/seq"])
    made_anew: Arrays = {
        "is_live": np.ones(count, np.bool_),
        "before": np.full(count, -1, np.int64),
        "after": np.full(count, -1, np.int64),
    }
    for name, column in vars(columns).items():
        values = made_anew[name] if name in made_anew else arrays[f"columns/{name}"]
        setattr(columns, name, Column(column.view.dtype, values))
    for number, model in enumerate(texts["models"]):
        partition.vectors[model] = _thaw_vectors(arrays, number)
    partition.beside = {slot: tuple(models) for slot, models in texts["beside"]}
    partition.sessions = {name: number for number, name in enumerate(texts["sessions"], 1)}
    parts = {name[6:]: value for name, value in arrays.items() if name.startswith("words/")}
    postings = Postings.loaded(parts)
    partition.keywords = KeywordIndex.over(words, postings, arrays["lengths"], texts["surfaces"])
    partition.metadata.load(arrays)
    partition.coordinates.load(arrays)
    partition.take_over(columns)
    return partition


def _thaw_vectors(arrays: Mapping[str, npt.NDArray[Any]], number: int) -> VectorRows:
    name = f"vectors/{number}"
    inverted = None
    if f"{name}/centres" in arrays:
        trained_rows = int(arrays[f"{name}/trained"][0])
        rough = (arrays[f"{name}/codes"], arrays[f"{name}/steps"], arrays[f"{name}/errors"])
        inverted = InvertedFile.of(
            arrays[f"{name}/centres"], arrays[f"{name}/cells"], rough, trained_rows
        )
    return VectorRows.over(arrays[f"{name}/rows"], arrays[f"{name}/slots"], inverted)
