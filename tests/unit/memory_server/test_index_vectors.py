"""The vectors of one partition: exact while they are few, and nearly so above."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from memory_server.adapters.embedded.index import vectors
from memory_server.adapters.embedded.index.vectors import VectorRows
from memory_server.ports import Vectors

DIMENSIONS = 64


def clustered(count: int, seed: int = 1) -> Vectors:
    """Return unit vectors in clusters, as those of texts on some topics."""
    source = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((200, DIMENSIONS))
    noise = 0.6 * source.standard_normal((count, DIMENSIONS))
    made = centres[source.integers(0, 200, count)] + noise
    unit: Vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return unit


def rows_of(made: Vectors) -> VectorRows:
    rows = VectorRows(DIMENSIONS)
    for slot, vector in enumerate(made):
        rows.append(slot, vector)
    return rows


class Found(NamedTuple):
    """What is found for one query."""

    rows: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]
    is_exact: bool


def found_in(
    rows: VectorRows,
    queries: Vectors,
    allowed: npt.NDArray[np.bool_] | None,
    limit: int,
    *,
    is_a_leg: bool,
) -> list[Found]:
    nearest = rows.best(queries, allowed, limit, is_a_leg=is_a_leg)
    return [Found(*found) for found in nearest.found()]


def upkeep(rows: VectorRows) -> None:
    work = rows.upkeep()
    assert work is not None
    rows.inverted = work()


def recall_at_10(rows: VectorRows, made: Vectors, *, is_a_leg: bool) -> float:
    """Return the share of the true best ten that are found, over queries that lie near the vectors."""
    hits = 0
    queries = clustered(50, seed=2)
    for query in queries:
        found, cosines, _ = found_in(rows, query[None], None, 10, is_a_leg=is_a_leg)[0]
        best = set(found[np.argsort(-cosines)[:10]].tolist())
        hits += len(best & set(np.argsort(-(made @ query))[:10].tolist()))
    return hits / (10 * len(queries))


@pytest.fixture(scope="module")
def many() -> tuple[Vectors, VectorRows]:
    """More vectors than are compared exactly, in an inverted file, with a tail."""
    made = clustered(22_000)
    rows = rows_of(made[:21_500])
    upkeep(rows)
    for slot, vector in enumerate(made[21_500:], 21_500):
        rows.append(slot, vector)
    return made, rows


def test_nearly_all_of_the_best_are_found_among_many(many: tuple[Vectors, VectorRows]) -> None:
    """Recall@10 against brute force is 0.98 and more; where keywords help, 0.9 and more."""
    made, rows = many

    assert recall_at_10(rows, made, is_a_leg=False) >= 0.98
    assert recall_at_10(rows, made, is_a_leg=True) >= 0.9


def test_vectors_alone_are_compared_exactly_up_to_some_more() -> None:
    """Where keywords help, the inverted file is asked earlier."""
    made = clustered(vectors.EXACT_ROWS + 100)
    rows = rows_of(made)
    upkeep(rows)

    assert recall_at_10(rows, made, is_a_leg=False) == 1.0
    assert found_in(rows, made[:1], None, 10, is_a_leg=False)[0].is_exact
    assert not found_in(rows, made[:1], None, 10, is_a_leg=True)[0].is_exact


@pytest.mark.parametrize("is_a_leg", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.9, 0.02])
def test_several_queries_find_what_each_finds_alone(
    many: tuple[Vectors, VectorRows], share: float, *, is_a_leg: bool
) -> None:
    """To the bit, by whatever way they are compared: among all, in cells, among a few."""
    made, rows = many
    allowed = None if share == 1.0 else np.random.default_rng(6).random(len(made)) < share
    queries = clustered(9, seed=8)

    together = found_in(rows, queries, allowed, 30, is_a_leg=is_a_leg)

    alone = [found_in(rows, query[None], allowed, 30, is_a_leg=is_a_leg)[0] for query in queries]
    assert [found.rows.tolist() for found in together] == [one.rows.tolist() for one in alone]
    assert [found.cosines.tobytes() for found in together] == [
        one.cosines.tobytes() for one in alone
    ]


def test_the_tail_is_compared_exactly(many: tuple[Vectors, VectorRows]) -> None:
    """What came after the inverted file was built is found, before and after it is taken in."""
    made, rows = many
    tail = range(21_500, 22_000, 50)

    for slot in tail:
        (found,) = found_in(rows, made[slot : slot + 1], None, 5, is_a_leg=False)
        assert found.rows[np.argmax(found.cosines)] == slot
        assert not found.is_exact


def test_a_selective_filter_is_exact_among_many(many: tuple[Vectors, VectorRows]) -> None:
    """Whatever is best overall, exactly the best of those that pass are returned."""
    made, rows = many
    allowed = np.zeros(len(made), np.bool_)
    allowed[np.random.default_rng(4).choice(len(made), 300, replace=False)] = True

    for query in clustered(20, seed=5):
        found, _, is_exact = found_in(rows, query[None], allowed, 10, is_a_leg=False)[0]
        cosines = np.where(allowed, made @ query, -2)
        assert is_exact
        assert set(found.tolist()) == set(np.argsort(-cosines)[:10].tolist())


def test_a_filter_never_returns_too_few_or_the_wrong_ones(many: tuple[Vectors, VectorRows]) -> None:
    """Also where so many pass that the inverted file is asked, and where more are wanted than it names."""
    made, rows = many
    allowed = np.arange(len(made)) % 2 == 0

    few = found_in(rows, made[1:2], allowed, 10, is_a_leg=False)[0].rows
    many_more = found_in(rows, made[1:2], allowed, 6000, is_a_leg=False)[0].rows

    assert len(few) == 10
    assert allowed[few].all()
    assert len(many_more) == 6000
    assert allowed[many_more].all()


def test_upkeep_is_due_when_the_tail_is_long_and_builds_anew_after_growth() -> None:
    """A short tail is left alone, a shorter one when nothing comes; twice the rows have other cells."""
    made = clustered(3 * vectors.EXACT_ROWS)
    rows = rows_of(made[: vectors.EXACT_ROWS])
    assert rows.upkeep() is None
    rows.append(vectors.EXACT_ROWS, made[vectors.EXACT_ROWS])
    upkeep(rows)
    assert rows.upkeep(is_quiet=True) is None
    for slot in range(rows.count, rows.count + vectors.QUIET_TAIL_ROWS):
        rows.append(slot, made[slot])
    assert rows.upkeep() is None
    assert rows.upkeep(is_quiet=True) is not None
    for slot in range(rows.count, vectors.EXACT_ROWS + 1 + vectors.TAIL_ROWS):
        rows.append(slot, made[slot])
    upkeep(rows)
    extended = rows.inverted
    for slot in range(rows.count, len(made)):
        rows.append(slot, made[slot])
    upkeep(rows)

    assert extended is not None
    assert rows.inverted is not None
    assert (extended.rows, extended.trained_rows) == (
        vectors.EXACT_ROWS + 1 + vectors.TAIL_ROWS,
        vectors.EXACT_ROWS + 1,
    )
    assert rows.inverted.trained_rows == rows.inverted.rows == len(made)
    assert rows.tail_size == 0


def test_a_pause_is_used_for_new_cells() -> None:
    """A fifth more rows than the cells were learnt from are enough then, though no tail is left; fewer are not."""
    made = clustered(2 * vectors.EXACT_ROWS)
    trained = vectors.EXACT_ROWS + 1
    rows = rows_of(made[:trained])
    upkeep(rows)
    grown = int(vectors.QUIET_RETRAIN_AT * trained)
    for slot in range(trained, grown):
        rows.append(slot, made[slot])
    upkeep(rows)
    assert rows.tail_size == 0
    assert rows.upkeep(is_quiet=True) is None

    rows.append(grown, made[grown])
    assert rows.upkeep() is None
    work = rows.upkeep(is_quiet=True)
    assert work is not None
    assert work().trained_rows == grown + 1
