"""Vectors of one partition: compared exactly by faiss, in slots that the partition gives out.

A slot is a row of a flat faiss index. faiss itself can only append and shift rows, so a slot that is used again is
written in place; slots without a vector hold zeros and are never allowed by the caller's mask.
"""

import faiss
import numpy as np
import numpy.typing as npt

from memory_server.ports import Vector

Mask = npt.NDArray[np.bool_]
"""One truth value per slot."""

# One query never takes both cores: the commits and the other calls need theirs.
faiss.omp_set_num_threads(1)


class FlatVectors:
    """Unit vectors by slot; the inner product is the cosine."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._index = faiss.IndexFlatIP(dimensions)

    def put(self, slot: int, vector: Vector) -> None:
        """Write the vector of a slot; slots up to it that were never written hold zeros."""
        missing = slot + 1 - self._index.ntotal
        if missing > 0:
            self._index.add(np.zeros((missing, self._dimensions), np.float32))
        self._rows()[slot] = vector

    def best(self, query: Vector, allowed: Mask, limit: int) -> list[tuple[int, float]]:
        """Return up to `limit` (slot, cosine) of the allowed slots, best first."""
        count = min(limit, int(np.count_nonzero(allowed)))
        if count == 0:
            return []
        bits = np.packbits(allowed[: self._index.ntotal], bitorder="little")
        parameters = _with_selector(bits)
        cosines, slots = self._index.search(query[None, :], count, params=parameters)
        return [
            (int(slot), float(cosine))
            for slot, cosine in zip(slots[0], cosines[0], strict=True)
            if slot >= 0
        ]

    def cosines(self, query: Vector, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the cosine of each of these slots; all of them have been written."""
        cosines: npt.NDArray[np.float32] = self._rows()[slots] @ query
        return cosines

    def _rows(self) -> npt.NDArray[np.float32]:
        count = self._index.ntotal
        flat = faiss.rev_swig_ptr(self._index.get_xb(), count * self._dimensions)
        rows: npt.NDArray[np.float32] = flat.reshape(count, self._dimensions)
        return rows


def _with_selector(bits: npt.NDArray[np.uint8]) -> faiss.SearchParameters:
    # faiss patches both constructors when it is imported; its published types show the C++ ones.
    selector = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg,arg-type]
    return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
