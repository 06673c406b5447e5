"""What `ports.MemoryStore` promises about links, for every adapter."""

import pytest

from memory_server.domain.memory import MemoryId, MemoryLink, Scope, Tenant
from soma_common.errors import NotFound
from tests.support.memories import NOW_US, SCOPE, a_link, a_store
from tests.support.stores import StoreCase, commit, links_from

OTHER = Scope(Tenant("other"), SCOPE.namespace)


async def test_links_survive_an_overwrite_of_their_ends(case: StoreCase) -> None:
    """Links name memories, not versions."""
    for name in ("tea", "cup", "tea"):
        await commit(case, a_store(name))
        if name == "cup":
            await commit(case, a_link("tea", "cup", weight=0.5, metadata={"why": "x"}))

    [link] = await links_from(case, "cup", outgoing=False)
    assert (link.from_id, link.weight, link.metadata, link.version) == ("tea", 0.5, {"why": "x"}, 1)


async def test_links_are_typed_multi_edges(case: StoreCase) -> None:
    """Two types between the same ends are two links; the same type again is a new version."""
    await commit(case, a_store("a"))
    await commit(case, a_store("b"))
    receipts = [
        await commit(case, a_link("a", "b", type=kind)) for kind in ("likes", "knows", "likes")
    ]

    links = await links_from(case, "a")
    assert {(link.type, link.version) for link in links} == {("likes", 2), ("knows", 1)}
    assert [receipt.version for receipt in receipts] == [1, 1, 2]
    only = await links_from(case, "a", types=["knows"])
    assert [link.type for link in only] == ["knows"]
    ends = MemoryId("a"), MemoryId("b")
    assert await case.store.link(SCOPE, *ends, "knows") == only[0]
    assert await case.store.link(SCOPE, *ends, "hates") is None
    assert await case.store.link(OTHER, *ends, "knows") is None


@pytest.mark.parametrize("outgoing", [True, False])
async def test_links_are_read_page_by_page_the_heaviest_first(
    case: StoreCase, outgoing: bool
) -> None:
    """Of equals by the other end, then by type; those to what has expired are left out; pages fit together."""
    await commit(case, a_store("hub"))
    wanted = []
    for number in range(30):
        name = f"m{number:02}"
        expires_us = NOW_US + 1 if number == 7 else None
        await commit(case, a_store(name, expire_time_us=expires_us))
        for kind in ("likes", "knows"):
            weight = float(number % 4)
            ends = ("hub", name) if outgoing else (name, "hub")
            await commit(case, a_link(*ends, type=kind, weight=weight))
            wanted += [(-weight, name, kind)] if number != 7 else []
    found: list[MemoryLink] = []
    while page := await links_from(
        case,
        "hub",
        outgoing=outgoing,
        now_us=NOW_US + 1,
        after=found[-1] if found else None,
        limit=7,
    ):
        found += page
    heaviest = await case.store.heaviest_links(SCOPE, [MemoryId("hub")], outgoing=outgoing, limit=9)

    ends_of = [link.to_id if outgoing else link.from_id for link in found]
    assert [(-link.weight, end, link.type) for link, end in zip(found, ends_of, strict=True)] == (
        sorted(wanted)
    )
    assert sorted(link.weight for link in heaviest)[-9:] == [3.0] * 9


async def test_a_link_needs_both_ends(case: StoreCase) -> None:
    """An end that does not exist is named."""
    await commit(case, a_store("a"))

    with pytest.raises(NotFound) as caught:
        await commit(case, a_link("a", "absent"))
    assert caught.value.name == "absent"


async def test_a_namespace_tells_whether_it_has_links(case: StoreCase) -> None:
    """Only its own."""
    await commit(case, a_store("a"))
    await commit(case, a_store("b"))
    before = await case.store.has_links(SCOPE)
    await commit(case, a_link("a", "b"))

    assert not before
    assert await case.store.has_links(SCOPE)
    assert not await case.store.has_links(OTHER)
