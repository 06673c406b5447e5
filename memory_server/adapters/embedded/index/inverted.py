"""An inverted file: the rows of each cell, where a cell is what is nearest to one centre.

It decides which rows a query is compared with; the rows themselves are elsewhere. It is made in a thread, from rows
that nobody writes any more, and never changes.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.columns import Mask
from memory_server.adapters.embedded.index.rough import Rough, RoughRows
from memory_server.kernels import vectors as kernel
from memory_server.ports import Vectors

ROWS_OF_CELL = 200
TRAIN_OF_CELL = 40
"""Rows of a cell on average, and rows of it that its centre is learnt from."""

_PROBED_ROWS = 8_000
"""Rows that a query looks at, at least, in the nearest cells."""

_FEW_ROWS = 60_000
_PROBED_OF_FEW = 12_000
"""The same among so few: topics have no cells of their own there. Of a hundred neighbours 8,000 rows miss one or two
more, in two thirds of the time."""

_NEAR = 0.35
_MOST_SHARE = 0.35
"""Where nothing else finds the best, a query looks into the cells whose centre is at least so near, as a share of the
nearest one's cosine, up to this share of all cells. Vectors that lie in clusters have few such cells; short texts fill
the space evenly, and their neighbours are in many."""

_TRAIN_SEED = 7
_TRAIN_TURNS = 8
_ASSIGNED_AT_ONCE = 8192

Cells = npt.NDArray[np.uint32]


@cache
def _faiss() -> Any:
    """Return the library; a server that starts over a kept copy, or over few memories, does not wait for it."""
    import faiss  # noqa: PLC0415 - a tenth of the time that a start takes

    # It never takes both cores: the commits and the other calls need theirs.
    faiss.omp_set_num_threads(1)
    return faiss


@dataclass(frozen=True, slots=True)
class InvertedFile:
    """The cells of the first rows.

    Attributes:
        centres: Unit vectors, shape (cells, dimensions).
        cells: Number of each row's cell.
        starts: Where the rows of each cell begin in `ordered`; one more: where those of the last one end.
        ordered: All rows, cell by cell.
        rough: Their rough copy, in this order: what is compared together lies together.
        trained_rows: How many there were when the centres were learnt.
    """

    centres: Vectors
    cells: Cells
    starts: npt.NDArray[np.int64]
    ordered: Cells
    rough: Rough
    trained_rows: int

    @classmethod
    def of(cls, centres: Vectors, cells: Cells, rough: Rough, trained_rows: int) -> "InvertedFile":
        """Return the inverted file in which each row has its cell; `rough` is in the order of the cells."""
        starts = np.zeros(len(centres) + 1, np.int64)
        np.cumsum(np.bincount(cells, minlength=len(centres)), out=starts[1:])
        return cls(centres, cells, starts, _by_cell(cells), rough, trained_rows)

    @classmethod
    def built(cls, based: Vectors, own: Vectors) -> "InvertedFile":
        """Learn centres of rows in two blocks, the second after the first, and put each row into its cell."""
        count = len(based) + len(own)
        centres = _centres(based, own, max(16, count // ROWS_OF_CELL))
        cells = np.concatenate([_nearest(centres, based), _nearest(centres, own)])
        copy = RoughRows(own.shape[1])
        for rows in (based, own):
            copy.append(rows)
        return cls.of(centres, cells, _taken(copy.frozen, _by_cell(cells)), count)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.cells)

    def extended(self, rows: Vectors) -> "InvertedFile":
        """Return it with more rows, in the cells that there are."""
        cells = np.concatenate([self.cells, _nearest(self.centres, rows)])
        copy = RoughRows.of(*_taken(self.rough, np.argsort(self.ordered)))
        copy.append(rows)
        rough = _taken(copy.frozen, _by_cell(cells))
        return InvertedFile.of(self.centres, cells, rough, self.trained_rows)

    def nearest(
        self,
        based: Vectors,
        own: Vectors,
        queries: Vectors,
        allowed: Mask | None,
        limit: int,
        *,
        end: int,
        passing: int,
        is_a_leg: bool,
    ) -> kernel.Nearest:
        """Return what finds the best allowed rows of two blocks for each query, at least min(limit, passing).

        Args:
            based: The first block.
            own: The second one.
            queries: Unit vectors, shape (queries, dimensions).
            allowed: By row; None: every row.
            limit: How many.
            end: How many rows there are; those that are not in the file are all compared.
            passing: How many of them are allowed. The narrower a filter, the more cells are looked into.
            is_a_leg: Something else finds the best, too, and this may be less thorough.
        """
        count, factor = len(self.centres), end / passing
        probed = _PROBED_OF_FEW if self.rows < _FEW_ROWS else _PROBED_ROWS
        least = min(count, max(1, round(factor * count * probed / self.rows)))
        most = 0 if is_a_leg else min(count, max(1, round(factor * count * _MOST_SHARE)))
        return kernel.nearest_in_cells(
            based,
            own,
            queries,
            self.centres,
            _NEAR,
            least,
            most,
            self.starts,
            self.ordered,
            self.rough,
            self.rows,
            end,
            allowed,
            limit,
            # Cells that are too few for so narrow a filter: never fewer than there are.
            min(limit, passing),
        )


def _by_cell(cells: Cells) -> Cells:
    return np.argsort(cells, kind="stable").astype(np.uint32)


def _taken(rough: Rough, rows: npt.NDArray[np.integer[Any]]) -> Rough:
    return rough[0][rows], rough[1][rows], rough[2][rows]


def _centres(based: Vectors, own: Vectors, count: int) -> Vectors:
    rows = len(based) + len(own)
    sample = np.random.default_rng(_TRAIN_SEED).choice(
        rows, min(rows, count * TRAIN_OF_CELL), replace=False
    )
    early, late = sample[sample < len(based)], sample[sample >= len(based)] - len(based)
    # Piece by piece: a copy of all rows would double the memory.
    learnt = np.concatenate([based[early], own[late]])
    kmeans = _faiss().Kmeans(
        own.shape[1],
        count,
        niter=_TRAIN_TURNS,
        spherical=True,
        seed=_TRAIN_SEED,
        min_points_per_centroid=1,
        max_points_per_centroid=TRAIN_OF_CELL,
    )
    kmeans.train(learnt)
    return np.ascontiguousarray(kmeans.centroids, np.float32)


def _nearest(centres: Vectors, rows: Vectors) -> Cells:
    """Return the cell of each row."""
    quantizer = _faiss().IndexFlatIP(centres.shape[1])
    quantizer.add(centres)
    found = np.empty(len(rows), np.uint32)
    for start in range(0, len(rows), _ASSIGNED_AT_ONCE):
        part = np.ascontiguousarray(rows[start : start + _ASSIGNED_AT_ONCE])
        found[start : start + len(part)] = quantizer.search(part, 1)[1][:, 0]
    return found
