"""Cosines of unit vectors that lie in two blocks of rows: a mapped one, and the one that still grows.

Everywhere: `based` and `own` have shape (rows, dimensions), and row n is that of both, one after the other; `query` has
shape (dimensions,). A ValueError says that dimensions differ, an IndexError that there is no such row.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_Rows: TypeAlias = npt.NDArray[np.float32]

_Rough: TypeAlias = tuple[npt.NDArray[np.int8], npt.NDArray[np.float32], npt.NDArray[np.float32]]

_Best: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], bool]
"""Rows, ascending, their cosines, and whether no other row is better."""

def squared_length(vector: bytes) -> float:
    """Return the sum of the squares of float32 values, as float64.

    It is finite if they all are, and 0 if they all are: no float32 squared overflows or vanishes.
    """

class Nearest:
    """Finds the rows that are nearest to each of some queries; of equals the later row. It is used once."""

    def found(self) -> list[_Best]:
        """Return the best rows of each query."""

def nearest_in_rows(
    based: _Rows,
    own: _Rows,
    queries: _Rows,
    named: npt.NDArray[np.int64],
    first: int,
    end: int,
    allowed: npt.NDArray[np.bool_] | None,
    limit: int,
    rough: _Rough | None = None,
    floor: float = ...,
) -> Nearest:
    """Return what finds the best of named rows and of rows that follow each other.

    Args:
        based: First rows.
        own: Rows after them.
        queries: Unit vectors, shape (queries, dimensions).
        named: Rows that are compared, each once, none of them from `first` on.
        first: From here on all rows are compared, up to `end`.
        end: The row after the last one.
        allowed: By row: whether it may be returned; the named ones always may. None: all.
        limit: How many at most.
        rough: Of all unit vectors up to `end`: a byte for each number, shape (rows, dimensions); what one step of it is
            worth, and how far the row is from it at most, both of shape (rows,). None: there is none.
        floor: Rows with a lesser cosine may be left out.
    """

def roughen(
    rows: _Rows,
    codes: npt.NDArray[np.int8],
    steps: npt.NDArray[np.float32],
    errors: npt.NDArray[np.float32],
    first: int,
) -> None:
    """Write the rough copy of rows, from its row `first` on."""

def nearest_in_cells(
    based: _Rows,
    own: _Rows,
    queries: _Rows,
    centres: _Rows,
    share: float,
    at_least: int,
    at_most: int,
    starts: npt.NDArray[np.int64],
    ordered: npt.NDArray[np.uint32],
    rough: _Rough,
    first: int,
    end: int,
    allowed: npt.NDArray[np.bool_] | None,
    limit: int,
    least: int = 0,
) -> Nearest:
    """Return what finds the best allowed rows of each query's cells and of those from `first` to `end`.

    A row whose rough copy is unusually far off in the direction of a query may be missed; none is known to have been.

    Args:
        based: First rows.
        own: Rows after them.
        queries: Unit vectors, shape (queries, dimensions).
        centres: Of the cells, shape (cells, dimensions).
        share: A query looks into the cells whose centre's cosine is at least this share of the greatest one.
        at_least: And into so many, the nearest, if there are.
        at_most: But into no more than so many, unless `at_least` is more.
        starts: Where the rows of each cell begin in `ordered`; one more: where those of the last one end.
        ordered: All rows that have a cell, cell by cell.
        rough: Of these, in this order.
        first: From here on all rows are compared, up to `end`; none of them has a cell.
        end: The row after the last one.
        allowed: By row: whether it may be returned. None: all.
        limit: How many at most.
        least: Where fewer are found, all rows up to `end` are looked at.
    """

def cosines(
    based: _Rows, own: _Rows, query: _Rows, wanted: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the cosines of rows, in their order."""
