"""The compiled loops do what plain Python says, and refuse what would read beside an array."""

import math
import weakref
from array import array
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_server.adapters.embedded.index.hands import Part
from memory_server.kernels import ranking, vectors
from memory_server.kernels.candidates import Facts, Neighbours
from memory_server.kernels.keywords import Occurrences, WordsOf
from memory_server.kernels.search import Leg, Search
from memory_server.kernels.shared import Helper, Shared

# Few different values, so that there are equals.
SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 1.5]), max_size=40)
GAP_US = 100


def floats(values: list[float]) -> npt.NDArray[np.float64]:
    """Return values as an array."""
    return np.array(values, np.float64)


@given(SCORES, st.integers(0, 45))
def test_the_best_are_those_of_a_sorted_list(scores: list[float], limit: int) -> None:
    """Of equals the later place."""
    wanted = sorted(range(len(scores)), key=lambda place: (-scores[place], -place))[:limit]

    for dtype in (np.float64, np.float32):
        assert ranking.best_places(np.array(scores, dtype), limit).tolist() == sorted(wanted)


@given(SCORES, st.integers(0, 45), st.sampled_from([None, 0.0, 0.5, 1.0]))
def test_what_is_ranked_comes_best_first(
    scores: list[float], limit: int, least: float | None
) -> None:
    """What is above 1 counts for the order, and is told as 1; the bound holds for what is told."""
    factor = floats([1.0 + 0.5 * (place % 2) for place in range(len(scores))])
    lifted = [score * by for score, by in zip(scores, factor.tolist(), strict=True)]
    order = sorted(range(len(scores)), key=lambda place: (-lifted[place], -place))
    passing = [
        place
        for place in order
        if (lifted[place] > 0 if least is None else min(lifted[place], 1.0) >= least)
    ]

    places, told = ranking.ranked(floats(scores), factor, limit, least)

    assert places == passing[:limit]
    assert told == [min(lifted[place], 1.0) for place in places]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.25, 0.5, 1.0]),
            st.integers(-1, 3),
            st.integers(0, 500),
            st.sampled_from([0.0, 0.125]),
        )
    )
)
def test_a_conversation_shares_its_best_score(turns: list[tuple[float, int, int, float]]) -> None:
    """The best other one counts; silence ends a conversation without a name; who has nothing takes no part."""
    scores, sessions, times_us, first = (
        (list(column) for column in zip(*turns, strict=True)) if turns else ([], [], [], [])
    )
    gained = floats(first)

    ranking.from_session(
        floats(scores),
        np.array(sessions, np.int64),
        np.array(times_us, np.int64),
        0.5,
        GAP_US,
        gained,
    )

    conversations: list[list[int]] = []
    silent = [place for place in range(len(turns)) if scores[place] == first[place] == 0]
    order = sorted(
        set(range(len(turns))) - set(silent), key=lambda place: (sessions[place], times_us[place])
    )
    for before, here in zip([None, *order], order, strict=False):
        is_same = before is not None and sessions[before] == sessions[here]
        if before is not None and sessions[here] == 0:
            is_same = is_same and times_us[here] - times_us[before] <= GAP_US
        if not is_same:
            conversations.append([])
        conversations[-1].append(here)
    for members in conversations:
        for here in members:
            others = [scores[other] for other in members if other != here]
            best = max(others, default=0.0) if sessions[here] >= 0 else 0.0
            assert gained[here] == max(first[here], 0.5 * best)
    assert not gained[silent].any()


@given(st.data())
def test_what_stands_beside_is_found_and_placed(data: st.DataObject) -> None:
    """A chain of episodes with silences, sessions and a filter."""
    count = data.draw(st.integers(1, 30))
    times_us = np.cumsum(
        data.draw(st.lists(st.sampled_from([10, 150]), min_size=count, max_size=count))
    )
    sessions = np.array(
        data.draw(st.lists(st.sampled_from([0, 5]), min_size=count, max_size=count)), np.int32
    )
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), np.bool_)
    before, after = np.arange(-1, count - 1), np.append(np.arange(1, count), -1)
    sources = np.array(sorted(data.draw(st.sets(st.integers(0, count - 1)))), np.int64)

    facts = Facts(np.arange(count), times_us, np.zeros(count), sessions, np.zeros(count, np.bool_))
    steps = Neighbours(facts, before, after, allowed, GAP_US, 1).of(sources)

    for here, found in zip(sources.tolist(), steps[:, :, 0].tolist(), strict=True):
        for there, told in zip((here - 1, here + 1), found, strict=True):
            is_there = 0 <= there < count and bool(allowed[there])
            is_near = is_there and (
                sessions[here] > 0 or abs(times_us[there] - times_us[here]) <= GAP_US
            )
            assert told == (there if is_near else -1)


def units(source: np.random.Generator, count: int, dimensions: int) -> npt.NDArray[np.float32]:
    made = source.standard_normal((count, dimensions))
    unit: npt.NDArray[np.float64] = made / np.linalg.norm(made, axis=1, keepdims=True)
    return unit.astype(np.float32)


Rough = tuple[npt.NDArray[np.int8], npt.NDArray[np.float32], npt.NDArray[np.float32]]


def roughened(rows: npt.NDArray[np.float32]) -> Rough:
    count = len(rows)
    codes = np.empty(rows.shape, np.int8)
    made = (codes, np.empty(count, np.float32), np.empty(count, np.float32))
    vectors.roughen(rows, *made, 0)
    return made


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 7, 64, 256, 300]),
    st.sampled_from(["even", "alike", "spiky"]),
    st.integers(1, 60),
)
def test_a_rough_copy_changes_nothing_of_what_is_found(
    seed: int, dimensions: int, form: str, limit: int
) -> None:
    """Rows that are nearly the same, and such with one large number, have the largest errors."""
    source = np.random.default_rng(seed)
    rows = units(source, 400, dimensions)
    if form == "alike":
        rows = units(source, 1, dimensions) + 1e-3 * rows
    elif form == "spiky":
        rows[:, 0] += 30
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    query = units(source, 1, dimensions)[0]
    none = np.empty(0, np.int64)

    found, *_ = vectors.nearest_in_rows(
        rows[:150], rows[150:], query[None], none, 0, 400, None, limit, roughened(rows)
    ).found()[0]

    cosines = vectors.cosines(rows[:150], rows[150:], query, np.arange(400))
    best = sorted(range(400), key=lambda row: (-cosines[row], -row))[:limit]
    assert found.tolist() == sorted(best)


def test_a_floor_leaves_out_only_what_is_below_it() -> None:
    """What is above is found as without one."""
    source = np.random.default_rng(11)
    rows, queries = units(source, 600, 24), units(source, 5, 24)
    none, own = np.empty(0, np.int64), rows[200:]

    def best(floor: float) -> list[list[tuple[int, float]]]:
        found = vectors.nearest_in_rows(
            rows[:200], own, queries, none, 0, 600, None, 80, roughened(rows), floor
        ).found()
        return [
            [(row, cosine) for row, cosine in zip(*each[:2], strict=True) if cosine >= 0.3]
            for each in found
        ]

    assert best(0.3) == best(-2.0)
    assert all(0 < len(each) < 80 for each in best(0.3))


@pytest.mark.parametrize("dimensions", [1, 256, 4096])
def test_a_rough_row_is_as_near_as_it_says(dimensions: int) -> None:
    """No row is farther from its steps than its error, and a row of zeros has none."""
    rows = units(np.random.default_rng(3), 50, dimensions)
    rows[7] = 0

    codes, steps, errors = roughened(rows)

    off = np.linalg.norm(rows - codes.astype(np.float64) * steps[:, None], axis=1)
    assert (off <= errors).all()
    assert errors.max() < 0.05
    assert errors[7] == 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.booleans())
def test_the_best_in_cells_are_those_of_all_their_rows(
    seed: int, limit: int, has_mask: bool
) -> None:
    """And of the rows that have no cell yet; the rows of other cells are not looked at."""
    source = np.random.default_rng(seed)
    rows, query = units(source, 500, 16), units(source, 1, 16)[0]
    cells = source.integers(0, 7, 430)
    ordered = np.argsort(cells, kind="stable").astype(np.uint32)
    starts = np.searchsorted(cells[ordered], np.arange(8)).astype(np.int64)
    allowed = source.random(500) < 0.5 if has_mask else None
    centres = units(source, 7, 16)
    near = np.argsort(-(centres @ query))[:3].tolist()

    ((found, cosines, is_exact),) = vectors.nearest_in_cells(
        rows[:200],
        rows[200:],
        query[None],
        centres,
        2.0,
        3,
        0,
        starts,
        ordered,
        roughened(rows[ordered]),
        430,
        500,
        allowed,
        limit,
    ).found()

    true = vectors.cosines(rows[:200], rows[200:], query, np.arange(500))
    looked_at = [row for row in range(500) if row >= 430 or cells[row] in near]
    passing = [row for row in looked_at if allowed is None or allowed[row]]
    assert found.tolist() == sorted(sorted(passing, key=lambda row: (-true[row], -row))[:limit])
    assert cosines.tolist() == true[found].tolist()
    assert not is_exact


@pytest.mark.parametrize("dimensions", [1, 63, 64, 256, 300])
def test_cosines_are_the_products_wherever_the_rows_lie(dimensions: int) -> None:
    """Both blocks, chunks and odd lengths; the same row gives the same bits by whatever way it is compared."""
    source = np.random.default_rng(dimensions)
    rows, query = units(source, 700, dimensions), units(source, 1, dimensions)[0]
    products, rough = rows @ query, roughened(rows)
    for split in (0, 300, 700):
        based, own = rows[:split], rows[split:]
        named = np.array([5, 699, 301, 299, 0], np.int64)
        allowed = np.arange(700) % 3 > 0

        ((found, cosines, _),) = vectors.nearest_in_rows(
            based, own, query[None], named[:0], 0, 700, allowed, 40, rough
        ).found()
        ((mixed, _, _),) = vectors.nearest_in_rows(
            based, own, query[None], named, 650, 699, None, 1000, rough
        ).found()

        # Of equals the later row; in one dimension nearly all are.
        own_products = vectors.cosines(based, own, query, np.arange(700))
        ranked = sorted(np.flatnonzero(allowed), key=lambda row: (-own_products[row], -row))
        assert found.tolist() == sorted(ranked[:40])
        assert cosines == pytest.approx(products[found], abs=1e-4)
        assert vectors.cosines(based, own, query, found).tolist() == cosines.tolist()
        assert mixed.tolist() == sorted({*named.tolist(), *range(650, 699)})


def test_cells_are_the_nearest_within_bounds() -> None:
    """Those near enough, at least and at most so many; where they have too few rows, all rows are looked at."""
    centres = np.array([[0.9], [0.1], [1.0], [0.5], [-1.0]], np.float32)
    rows, query = centres.copy(), np.ones((1, 1), np.float32)
    ordered, starts = np.arange(5, dtype=np.uint32), np.arange(6)

    def near(share: float, at_least: int, at_most: int, least: int = 0) -> tuple[list[int], bool]:
        ((found, _, is_exact),) = vectors.nearest_in_cells(
            rows[:3],
            rows[3:],
            query,
            centres,
            share,
            at_least,
            at_most,
            starts,
            ordered,
            roughened(rows),
            5,
            5,
            None,
            5,
            least,
        ).found()
        return found.tolist(), is_exact

    assert near(0.5, 1, 5) == ([0, 2, 3], False)
    assert near(0.5, 1, 2) == ([0, 2], False)
    assert near(0.95, 4, 1) == ([0, 1, 2, 3], False)
    assert near(0.95, 9, 1) == ([0, 1, 2, 3, 4], False)
    assert near(0.5, 1, 5, least=3) == ([0, 2, 3], False)
    assert near(0.5, 1, 5, least=4) == ([0, 1, 2, 3, 4], True)


def test_what_is_beside_an_array_is_refused() -> None:
    """Never read or written: an IndexError or a ValueError, as in Python."""
    rows, query = np.zeros((4, 8), np.float32), np.zeros(8, np.float32)
    beyond = np.array([4], np.int64)

    with pytest.raises(IndexError):
        vectors.cosines(rows[:2], rows[2:], query, beyond)
    with pytest.raises(IndexError):
        vectors.cosines(rows[:2], rows[2:], query, np.array([-1], np.int64))
    for limit in (9, 1):
        with pytest.raises(IndexError):
            vectors.nearest_in_rows(
                rows[:2], rows[2:], query[None], beyond[:0], 0, 5, None, limit, roughened(rows)
            ).found()
    ordered, starts = np.array([0, 1, 9], np.uint32), np.array([0, 3], np.int64)
    # A row that is not there, a cell that is not there, more rows than the rough copy has.
    for cells, its_starts, rough in (
        (1, starts, rows[:3]),
        (2, starts, rows[:3]),
        (1, np.array([0, 4], np.int64), rows[:3]),
    ):
        with pytest.raises(IndexError):
            vectors.nearest_in_cells(
                rows,
                rows[:0],
                query[None],
                rows[:cells],
                0.5,
                cells,
                cells,
                its_starts,
                ordered,
                roughened(rough),
                4,
                4,
                None,
                9,
            ).found()
    with pytest.raises(ValueError, match="rough"):
        vectors.nearest_in_rows(
            rows[:2],
            rows[2:],
            query[None],
            beyond[:0],
            0,
            4,
            None,
            1,
            roughened(rows[:, :4].copy()),
        )
    with pytest.raises(ValueError, match="dimensions"):
        vectors.cosines(rows, rows, query[:4], beyond)


def test_what_is_no_slot_or_no_candidate_is_refused() -> None:
    """The same for the lists of words and for candidates."""
    nowhere = words_of("a", {"a": [1_000_000]}, np.ones(4, np.float32))

    with pytest.raises(IndexError):
        Occurrences().search(nowhere)
    with pytest.raises(IndexError):
        ranking.from_beside(
            np.ones(1), np.array([[[7], [-1]]], np.int64), np.zeros(1, np.bool_), 1.0, 1.0, 1.0
        )
    with pytest.raises(IndexError):
        neighbours_of(facts_of(3)).of(np.array([3], np.int64))
    with pytest.raises(IndexError):
        Leg(nearest_to(np.zeros((1, 8), np.float32), 3), 1, np.arange(3), np.arange(3))


def test_marks_of_old_queries_never_count_again() -> None:
    """Also when the numbers of words begin anew, which else is after four billion words."""
    occurrences, once = Occurrences(most_numbers=3), np.full(3, 0.5, np.float32)
    slots = {"tea": [0, 1], "chai": [1, 2], "milk": [2]}

    for _ in range(5):
        # The second word stands for the first: it counts where that is not.
        tea = words_of("tea", slots, once, {"tea": (("chai", 0.5),)})
        assert tea
        occurrences.search(tea)
        found, scores = occurrences.best(tea, None, 9)
        assert (found.tolist(), scores.tolist()) == ([0, 1, 2], [0.5, 0.5, 0.25])
        milk = words_of("milk", slots, once)
        occurrences.search(milk)
        assert occurrences.best(milk, None, 9)[0].tolist() == [2]
        assert occurrences.of(milk, np.arange(3)).tolist() == [0.0, 0.0, 0.5]


def words_of(
    word: str,
    slots: dict[str, list[int]],
    once: npt.NDArray[np.float32],
    others: dict[str, tuple[tuple[str, float], ...]] | None = None,
) -> WordsOf:
    """Return the query of one word, where all slots came one by one."""
    fresh: list[array[int] | None] = [array("I", some) for some in slots.values()]
    repeats: dict[int, tuple[array[int], array[float]]] = {}
    lists = (
        {known: number for number, known in enumerate(slots)},
        array("I", [len(some) for some in slots.values()]),
        np.zeros(1, np.int64),
        np.empty(0, np.uint32),
        fresh,
        repeats,
        np.empty(0, np.uint32),
        np.zeros(len(once), np.uint32),
    )
    return WordsOf([word], others or {}, lists, once, 10, 10, math.inf)


def facts_of(count: int) -> Facts:
    """Return slots that are a second apart and say nothing else."""
    times_us = 1_000_000 * np.arange(count)
    zeros = np.zeros(count, np.int32)
    return Facts(100 + np.arange(count), times_us, np.arange(count, dtype=float), zeros, zeros > 0)


def neighbours_of(facts: Facts, count: int = 3) -> Neighbours:
    """Return that each slot stands beside the ones before and after it."""
    before, after = np.arange(-1, count - 1), np.append(np.arange(1, count), -1)
    return Neighbours(facts, before, after, None, 1_000_000, 1)


def nearest_to(queries: npt.NDArray[np.float32], count: int) -> vectors.Nearest:
    """Return the nearest two of so many rows, which are the unit vectors in their order."""
    rows = np.eye(count, queries.shape[1], dtype=np.float32)
    none = np.empty(0, np.int64)
    return vectors.nearest_in_rows(rows, rows[:0], queries, none, 0, count, None, 2)


SLOTS = 8
TEA = {"tea": [0, 6]}


def a_search(slots: dict[str, list[int]], row: int, *, with_beside: bool = True) -> Part:
    """Return the search for a word, and for a vector that is nearest to a row; rows lie in the opposite order."""
    query = np.full((1, SLOTS), 0.1, np.float32)
    query[0, row] = 0.9
    opposite = np.arange(SLOTS)[::-1].copy()
    nearest = nearest_to(query, SLOTS)
    leg = Leg(nearest, 0, opposite, opposite)
    facts = facts_of(SLOTS)
    neighbours = neighbours_of(facts, SLOTS) if with_beside else None
    words = words_of("tea", slots, np.full(SLOTS, 0.5, np.float32))
    return [nearest], [Search(words, leg, facts, neighbours, None, 2, 1)]


def test_a_search_joins_its_legs_and_what_stands_beside_the_best() -> None:
    """All have the scores of both legs, and what ranking looks at, in the order of the slots."""
    (found,) = Shared([a_search(TEA, 5)], SLOTS).finish(0, Occurrences())
    (alone,) = Shared([a_search(TEA, 5, with_beside=False)], SLOTS).finish(0, Occurrences())

    seqs, (keyword, cosine, times_us, importance, session, asks), beside, is_exact = found
    # Words find 0 and 6, of equals the later one is the best; the vector finds 2, and of equals the later row, slot 0.
    assert (seqs - 100).tolist() == [0, 1, 2, 3, 5, 6, 7]
    assert keyword.tolist() == [0.5, 0, 0, 0, 0, 0.5, 0]
    assert cosine == pytest.approx([0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1])
    assert times_us.tolist() == [1_000_000 * slot for slot in (0, 1, 2, 3, 5, 6, 7)]
    assert importance.tolist() == [0, 1, 2, 3, 5, 6, 7]
    assert not session.any()
    assert not asks.any()
    assert is_exact
    assert beside is not None
    assert beside[:, :, 0].tolist() == [
        [-1, -1],
        [-1, -1],
        [1, 3],
        [-1, -1],
        [-1, -1],
        [4, 6],
        [-1, -1],
    ]
    assert (alone[0] - 100).tolist() == [0, 2, 6]
    assert alone[2] is None


def told(found: tuple[Any, ...]) -> list[Any]:
    """Return what a search has found as what can be compared."""
    seqs, known, beside, is_exact = found
    return [seqs.tolist(), *(column.tolist() for column in known), beside.tolist(), is_exact]


def test_two_threads_find_what_one_finds() -> None:
    """Whichever of them does a part, for one group of searches after the other."""
    helper, own = Helper(), Occurrences()
    thread = Thread(target=helper.run, daemon=True)  # A test that fails does not stop it.
    thread.start()

    for _ in range(50):
        shared = Shared([a_search(TEA, row) for row in range(SLOTS)], SLOTS)
        helper.post(shared)
        for row in range(SLOTS):
            (found,) = shared.finish(row, own)
            (alone,) = Shared([a_search(TEA, row)], SLOTS).finish(0, own)
            assert told(found) == told(alone)
    helper.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_a_search_that_fails_is_told_whichever_thread_it_is() -> None:
    """And the helper goes on."""
    helper, own = Helper(), Occurrences()
    thread = Thread(target=helper.run, daemon=True)  # A test that fails does not stop it.
    thread.start()
    right, wrong = TEA, {"tea": [1_000_000]}

    for turn in range(50):
        parts = [a_search(wrong if part == turn % 8 else right, 1) for part in range(8)]
        shared = Shared(parts, SLOTS)
        helper.post(shared)
        for part in range(turn % 8):
            assert len(shared.finish(part, own)) == 1
        with pytest.raises(IndexError):
            shared.finish(turn % 8, own)
        # What nobody has asked for yet may still be under way when it goes.
    helper.stop()
    thread.join(10)
    assert not thread.is_alive()
    # Alone, and the other way round.
    alone = Shared([a_search(slots, 1) for slots in (right, wrong, right)], SLOTS)
    assert len(alone.finish(2, own)) == len(alone.finish(0, own)) == 1
    with pytest.raises(IndexError):
        alone.finish(1, own)
    with pytest.raises(IndexError, match="no such part"):
        Shared([a_search(right, 1)], SLOTS).finish(1, own)


def test_a_query_keeps_the_lists_that_it_points_into() -> None:
    """A search may outlive the partition that it was asked of: one that is compacted makes way for another."""
    sealed, none = np.array([0, 1], np.uint32), np.empty(0, np.uint32)
    there = weakref.ref(sealed)
    starts = np.array([0, 2], np.int64)
    fresh: list[array[int] | None] = [None]
    repeats: dict[int, tuple[array[int], array[float]]] = {}
    lists = ({"tea": 0}, array("I", [2]), starts, sealed, fresh, repeats, none, none)
    tea = WordsOf(["tea"], {}, lists, np.full(2, 0.5, np.float32), 2, 10, math.inf)

    del sealed, lists

    assert there() is not None
    occurrences = Occurrences()
    occurrences.search(tea)
    assert occurrences.best(tea, None, 9)[0].tolist() == [0, 1]
