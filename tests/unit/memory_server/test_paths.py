"""The lightest path against a search of everything."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from memory_server.domain.links import LightestPath
from memory_server.domain.memory import MemoryId, MemoryLink

NODES = [MemoryId(name) for name in "abcde"]
EDGES = st.dictionaries(
    st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), st.integers(0, 9), max_size=14
)


def found(edges: dict[tuple[MemoryId, MemoryId], int], length: int) -> float | None:
    search = LightestPath(NODES[0], NODES[4], length, max_steps=1000)
    while (step := search.next()) is not None:
        if step[0] == NODES[4]:
            ids, links = search.path(step[3])
            assert ids[0] == NODES[0]
            assert [link.to_id for link in links] == ids[1:]
            assert sum(link.weight for link in links) == step[1]
            assert len(links) <= length
            return step[1]
        search.expand(
            step,
            [
                (end, MemoryLink(start, end, "t", float(weight), {}, 1))
                for (start, end), weight in edges.items()
                if start == step[0]
            ],
        )
    assert not search.is_given_up
    return None


@given(EDGES, st.integers(1, 5))
def test_no_path_of_that_length_is_lighter(
    edges: dict[tuple[MemoryId, MemoryId], int], length: int
) -> None:
    """The cost is the least of all walks of at most so many links."""
    best: float | None = None
    for steps in range(length):
        for between in itertools.product(NODES, repeat=steps):
            walk = [NODES[0], *between, NODES[4]]
            pairs = list(itertools.pairwise(walk))
            if all(pair in edges for pair in pairs):
                cost = float(sum(edges[pair] for pair in pairs))
                best = cost if best is None else min(best, cost)

    assert found(edges, length) == best


def test_a_search_that_is_too_long_says_so() -> None:
    """It gives up instead of holding the server."""
    search = LightestPath(NODES[0], NODES[4], 64, max_steps=1)
    step = search.next()
    assert step is not None
    search.expand(step, [(NODES[1], MemoryLink(NODES[0], NODES[1], "t", 1.0, {}, 1))])
    assert search.next() is None
    assert search.is_given_up
