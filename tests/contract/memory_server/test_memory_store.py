"""What `ports.MemoryStore` promises, for every adapter."""

import asyncio
import dataclasses
from typing import Any

import pytest

from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.memory import (
    MemoryId,
    MemoryKind,
    MemoryRef,
    Receipt,
    Scope,
    Tenant,
)
from memory_server.domain.policy import MAX_EVICTED, NamespacePolicy
from memory_server.domain.summary import CONSOLIDATED_FROM, CONSOLIDATION
from memory_server.ports import (
    CreateNamespaceWrite,
    DropNamespaceWrite,
    EraseWrite,
    EvictWrite,
    ExpireWrite,
    ListPosition,
    PolicyWrite,
    RequestKey,
    SweepWrite,
)
from soma_common.errors import AlreadyExists, Conflict, NotFound, QuotaExceeded, RequestIdReused
from tests.support.memories import (
    NOW_US,
    SCOPE,
    a_delete,
    a_link,
    a_request,
    a_store,
)
from tests.support.stores import StoreCase, commit, links_from

TEA = MemoryRef(id=MemoryId("tea"))


async def test_what_was_stored_is_read_back_exactly(case: StoreCase) -> None:
    """Every field survives, byte for byte."""
    write = a_store(
        payload_json=b'{ "a" : 1e400000, "\xc3\xa9": "\\ud83d" }',
        text="t",
        kind=MemoryKind.SEMANTIC,
        importance=-0.5,
        metadata={"s": "x", "n": 1.0, "b": True},
        event_time_us=-5,
        expire_time_us=NOW_US + 1,
        coordinate=(0.1, -3.0),
        embedding=b"\0\0\x80?",
        embedding_model="m",
    )

    receipt = await commit(case, write)

    there = MemoryRef(coordinate=(0.1, -3.0))
    record = await case.store.get_whole(SCOPE, TEA, NOW_US)
    assert record == write.record._replace(
        id=MemoryId("tea"), version=1, commit_seq=receipt.commit_seq
    )
    assert await case.store.get_whole(SCOPE, there, NOW_US) == record
    shown = record._replace(embedding=b"")
    assert await case.store.get(SCOPE, TEA, NOW_US) == shown
    assert await case.store.get(SCOPE, there, NOW_US) == shown
    assert await case.store.get_by_seq(SCOPE, [record.commit_seq]) == {record.commit_seq: shown}
    assert await case.store.get_by_id(SCOPE, [record.id]) == {record.id: shown}
    assert {key: type(value) for key, value in record.metadata.items()} == {
        "s": str,
        "n": float,
        "b": bool,
    }


async def test_an_overwrite_replaces_everything(case: StoreCase) -> None:
    """The new version has none of the old one's fields, and the listener hears what went."""
    first = await commit(case, a_store(metadata={"old": True}, coordinate=(1.0,)))
    second = await commit(case, a_store(payload_json=b"{}", now_us=NOW_US + 7))

    record = await case.store.get(SCOPE, TEA, NOW_US)
    assert (record.version, record.payload_json, record.metadata) == (2, b"{}", {})
    assert (record.create_time_us, record.coordinate) == (NOW_US, None)
    assert case.changes[-1].removed_seqs == (first.commit_seq,)
    assert await case.store.get_by_seq(SCOPE, [first.commit_seq]) == {}
    assert second.commit_seq > first.commit_seq


async def test_the_listener_hears_before_the_commit_is_acknowledged(case: StoreCase) -> None:
    """Every change is told once, in the order of the commits."""
    receipts = await asyncio.gather(
        *(case.store.commit([a_store(f"m{number}")]) for number in range(50))
    )

    told = [change.commit_seq for change in case.changes]
    assert told == sorted(set(told))
    assert set(told) == {
        r.commit_seq for batch in receipts for r in batch if isinstance(r, Receipt)
    }
    assert case.store.last_commit_seq == told[-1]


async def test_a_store_without_id_goes_to_its_coordinate(case: StoreCase) -> None:
    """The memory at the coordinate is overwritten; a free coordinate gets the fallback id."""
    first = await commit(case, a_store("", coordinate=(1.0, 2.0), fallback_id=MemoryId("made")))
    second = await commit(case, a_store("", coordinate=(1.0, 2.0), fallback_id=MemoryId("other")))

    assert (first.memory_id, second.memory_id, second.version) == ("made", "made", 2)


async def test_a_coordinate_belongs_to_one_memory(case: StoreCase) -> None:
    """Another id cannot take it, until its memory is gone."""
    await commit(case, a_store("one", coordinate=(1.0,)))

    with pytest.raises(AlreadyExists):
        await commit(case, a_store("two", coordinate=(1.0,)))
    await commit(case, a_delete("one"))
    assert (await commit(case, a_store("two", coordinate=(1.0,)))).version == 1


async def test_expected_version_is_checked_in_the_commit(case: StoreCase) -> None:
    """Of many writers that expect the same version, one wins; the others learn the current one."""
    await commit(case, a_store())
    outcomes = await asyncio.gather(
        *(case.store.commit([a_store(expected_version=1)]) for _ in range(20))
    )

    results = [batch[0] for batch in outcomes]
    lost = [result for result in results if isinstance(result, Conflict)]
    assert len(lost) == 19
    assert {error.facts["current_version"] for error in lost} == {2}


async def test_expected_version_zero_means_that_it_does_not_exist(case: StoreCase) -> None:
    """Create only, also after a delete."""
    await commit(case, a_store(expected_version=0))
    with pytest.raises(Conflict):
        await commit(case, a_store(expected_version=0))
    await commit(case, a_delete())

    assert (await commit(case, a_store(expected_version=0))).version == 1


async def test_a_request_id_replays_its_receipt(case: StoreCase) -> None:
    """The same request is carried out once, also when both come in one batch."""
    write = a_store("", request=a_request("r1"))
    first, again = await case.store.commit([write, write._replace(fallback_id=MemoryId("x"))])
    later = await commit(case, write)

    assert isinstance(first, Receipt)
    assert again == later == first._replace(is_replayed=True)
    assert (await case.store.stats(SCOPE, NOW_US)).memory_count == 1


async def test_a_request_id_with_another_body_is_refused(case: StoreCase) -> None:
    """Also for another verb; nothing is done."""
    await commit(case, a_store(request=a_request("r1")))

    with pytest.raises(RequestIdReused):
        await commit(case, a_store(request=a_request("r1", b"other")))
    with pytest.raises(RequestIdReused):
        await commit(case, a_delete(request=a_request("r1", b"delete")))
    assert (await case.store.get(SCOPE, TEA, NOW_US)).version == 1


async def test_a_request_whose_digest_had_another_form_is_known_again(case: StoreCase) -> None:
    """An earlier version of the server kept it; of another body it was another one."""
    await commit(case, a_store(request=a_request("r1", b"first form")))
    again = RequestKey("r1", b"second form", lambda: b"first form")
    other = RequestKey("r1", b"second form", lambda: b"first form of another body")

    assert (await commit(case, a_store(request=again))).is_replayed
    with pytest.raises(RequestIdReused):
        await commit(case, a_store(request=other))


async def test_a_replay_answers_also_after_the_memory_is_gone(case: StoreCase) -> None:
    """A late retry of a store does not bring a deleted memory back."""
    write = a_store(request=a_request("r1"))
    await commit(case, write)
    await commit(case, a_delete())

    assert (await commit(case, write)).is_replayed
    with pytest.raises(NotFound):
        await case.store.get(SCOPE, TEA, NOW_US)


async def test_a_refused_write_is_not_remembered(case: StoreCase) -> None:
    """Its request id may be used again when the reason is gone."""
    write = a_store(expected_version=1, request=a_request("r1"))
    with pytest.raises(Conflict):
        await commit(case, write)
    await commit(case, a_store())

    assert (await commit(case, write)).version == 2


async def test_delete_takes_the_memory_and_its_links(case: StoreCase) -> None:
    """Nothing of it is left; its neighbours stay."""
    for name in ("tea", "cup", "pot"):
        await commit(case, a_store(name))
    await commit(case, a_link("tea", "cup"))
    await commit(case, a_link("pot", "tea"))
    await commit(case, a_link("pot", "cup"))
    receipt = await commit(case, a_delete())

    assert receipt.is_removed
    with pytest.raises(NotFound):
        await case.store.get(SCOPE, TEA, NOW_US)
    ids = [MemoryId("tea"), MemoryId("cup"), MemoryId("pot")]
    links = [link for one in ids for link in await links_from(case, one)]
    assert [(link.from_id, link.to_id) for link in links] == [("pot", "cup")]
    with pytest.raises(NotFound):
        await commit(case, a_delete())


SCOPES = [
    Scope(Tenant(tenant), name) for tenant in ("default", "other") for name in ("a", "a:b", "a_b", "a%")
]  # fmt: skip


async def test_scopes_never_mix(case: StoreCase) -> None:
    """The same id, coordinate and request id in every scope are different things."""
    for number, scope in enumerate(SCOPES):
        write = a_store(
            scope=scope, coordinate=(1.0,), payload_json=b"%d" % number, metadata={"n": float(number)}
        )  # fmt: skip
        await commit(case, write)
    await commit(case, a_delete(scope=SCOPES[0]))

    for number, scope in enumerate(SCOPES[1:], start=1):
        page = await case.store.list_page(scope, Filter(), NOW_US, None, 10)
        assert [record.payload_json for record in page] == [b"%d" % number]
        others = [record.commit_seq for record in page]
        assert await case.store.get_by_seq(SCOPES[0], others) == {}
    with pytest.raises(NotFound):
        await case.store.get(SCOPES[0], MemoryRef(coordinate=(1.0,)), NOW_US)
    assert await case.store.namespaces(Tenant("other"), "", 10) == ["a", "a%", "a:b", "a_b"]


async def test_request_ids_belong_to_their_tenant(case: StoreCase) -> None:
    """Another tenant's request id neither replays nor collides."""
    mine = await commit(case, a_store(request=a_request("r1", b"mine")))
    other = Scope(Tenant("other"), "notes")
    theirs = await commit(case, a_store(scope=other, request=a_request("r1", b"theirs")))

    assert not theirs.is_replayed
    assert theirs.commit_seq != mine.commit_seq


async def test_expired_memories_are_gone_for_every_reader(case: StoreCase) -> None:
    """By time alone, before anything removes them; a new memory takes the place as version 1."""
    await commit(case, a_store(expire_time_us=NOW_US + 10, coordinate=(1.0,)))
    await commit(case, a_store("cup"))
    later = NOW_US + 10

    with pytest.raises(NotFound):
        await case.store.get(SCOPE, TEA, later)
    assert [r.id for r in await case.store.list_page(SCOPE, Filter(), later, None, 9)] == ["cup"]
    assert (await case.store.stats(SCOPE, later)).memory_count == 1
    with pytest.raises(NotFound):
        await commit(case, a_delete(now_us=later))
    again = await commit(case, a_store("new", coordinate=(1.0,), now_us=later, expected_version=0))
    assert (again.memory_id, again.version) == ("new", 1)


async def test_expiry_removes_at_most_its_limit(case: StoreCase) -> None:
    """Some are removed per commit, with their links, until none is left; then it takes no commit."""
    for number in range(5):
        await commit(case, a_store(f"m{number}", expire_time_us=NOW_US + 1))
    await commit(case, a_link("m0", "m1"))
    counts = [(await commit(case, ExpireWrite(NOW_US + 1, 2))).version for _ in range(4)]
    last = case.store.last_commit_seq
    await commit(case, ExpireWrite(NOW_US + 1, 2))

    assert counts == [2, 2, 1, 0]
    assert (await case.store.stats(SCOPE, NOW_US)).link_count == 0
    assert case.store.last_commit_seq == last


async def test_lists_page_by_newest_event_without_gap_or_repeat(case: StoreCase) -> None:
    """Equal event times are told apart by their commits."""
    for number in range(25):
        await commit(case, a_store(f"m{number:02}", event_time_us=number // 4))
    seen = []
    after = None
    while page := await case.store.list_page(SCOPE, Filter(), NOW_US, after, 7):
        seen += [record.id for record in page]
        after = ListPosition(page[-1].event_time_us, page[-1].commit_seq)

    assert seen == [f"m{number:02}" for number in reversed(range(25))]


FILTERS = {
    "kind": (Filter(kinds=frozenset({2})), {"b"}),
    "equals text": (Filter(metadata=(MetadataTest("t", any_of=("x",)),)), {"a"}),
    "wildcards are plain": (Filter(metadata=(MetadataTest("t", any_of=("%",)),)), {"b"}),
    "any of": (Filter(metadata=(MetadataTest("t", any_of=("x", "%", "z")),)), {"a", "b"}),
    "flag is no number": (Filter(metadata=(MetadataTest("f", any_of=(1.0,)),)), {"b"}),
    "flag": (Filter(metadata=(MetadataTest("f", any_of=(True,)),)), {"a"}),
    "range": (Filter(metadata=(MetadataTest("n", is_range=True, minimum=1.0, maximum=2.0),)), {"a", "b"}),
    "open range": (Filter(metadata=(MetadataTest("n", is_range=True, minimum=1.5),)), {"b"}),
    "exists": (Filter(metadata=(MetadataTest("n", exists=True),)), {"a", "b"}),
    "absent": (Filter(metadata=(MetadataTest("n", exists=False),)), {"c"}),
    "absent and more": (
        Filter(metadata=(MetadataTest("zz", exists=False), MetadataTest("n", exists=True))), {"a", "b"}),
    "importance": (Filter(min_importance=1.0), {"a", "c"}),
    "times": (Filter(event_time_from_us=2, event_time_until_us=3), {"b"}),
    "unknown key": (Filter(metadata=(MetadataTest("zz", any_of=("x",)),)), set()),
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
async def test_lists_honour_filters(case: StoreCase, name: str) -> None:
    """Exactly the memories that pass are listed."""
    given, expected = FILTERS[name]
    await commit(case, a_store("a", metadata={"t": "x", "n": 1.0, "f": True}, event_time_us=1))
    await commit(
        case,
        a_store("b", metadata={"t": "%", "n": 2.0, "f": 1.0}, kind=MemoryKind.SEMANTIC,
                importance=0.5, event_time_us=2),
    )  # fmt: skip
    await commit(case, a_store("c", event_time_us=3))

    page = await case.store.list_page(SCOPE, given, NOW_US, None, 10)

    assert {record.id for record in page} == expected


async def test_an_unknown_namespace_is_named(case: StoreCase) -> None:
    """Reads and deletes do not make one; nothing tells it from another tenant's."""
    for read in (
        case.store.get(SCOPE, TEA, NOW_US),
        case.store.list_page(SCOPE, Filter(), NOW_US, None, 1),
        case.store.stats(SCOPE, NOW_US),
        case.store.require_namespace(SCOPE),
        commit(case, a_delete()),
    ):
        with pytest.raises(NotFound) as caught:
            await read
        assert (caught.value.kind, caught.value.name) == ("namespace", "notes")
    assert await case.store.namespaces(SCOPE.tenant, "", 10) == []


async def test_stats_count_what_is_there(case: StoreCase) -> None:
    """Kinds, links, bytes and embeddings."""
    await commit(case, a_store("a", payload_json=b"{}", embedding=b"1234", embedding_model="m"))
    await commit(case, a_store("b", payload_json=b"{ }", kind=MemoryKind.SEMANTIC))
    receipt = await commit(case, a_link("a", "b"))

    stats = await case.store.stats(SCOPE, NOW_US)

    assert dataclasses.astuple(stats) == (2, 1, 1, 1, 5, 1, receipt.commit_seq)


@pytest.mark.parametrize("version", [0, 3, 2**31, 2**63 - 1])
async def test_a_version_that_is_none_is_not_found(case: StoreCase, version: int) -> None:
    """However large its number is."""
    await commit(case, a_store("a"))
    await commit(case, a_store("a"))
    ref = MemoryRef(id=MemoryId("a"))

    assert (await case.store.get_version(SCOPE, ref, 2, NOW_US)).version == 2
    with pytest.raises(NotFound):
        await case.store.get_version(SCOPE, ref, version, NOW_US)


async def test_scan_yields_everything_live_once(case: StoreCase) -> None:
    """What the index is rebuilt from: the newest versions, of all scopes."""
    await commit(case, a_store("a"))
    await commit(case, a_store("a"))
    await commit(case, a_store("b"))
    await commit(case, a_store("a", scope=SCOPES[-1]))
    await commit(case, a_delete("b"))

    found = [entry async for batch in case.store.scan() for entry in batch]

    assert [(scope, record.id, record.version) for scope, record in found] == [
        (SCOPE, "a", 2),
        (SCOPES[-1], "a", 1),
    ]


async def test_live_commits_are_told_and_scanned_from_any_on(case: StoreCase) -> None:
    """What an index that kept a copy needs: which of it still live, and what came since."""
    await commit(case, a_store("a"))
    await commit(case, a_store("b"))
    await commit(case, a_store("a"))
    await commit(case, a_store("c", scope=SCOPES[-1]))

    live = await case.store.live_seqs()
    known = int(live[SCOPE][0])
    found = [entry async for batch in case.store.scan(after=known) for entry in batch]

    assert {scope: len(seqs) for scope, seqs in live.items()} == {SCOPE: 2, SCOPES[-1]: 1}
    assert live[SCOPE].tolist() == sorted(live[SCOPE].tolist())
    assert [record.id for _, record in found] == ["a", "c"]


async def test_a_cancelled_commit_is_done_or_not(case: StoreCase) -> None:
    """Its caller is gone; the change is told all the same if it was done."""
    task = asyncio.ensure_future(case.store.commit([a_store()]))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await commit(case, a_store("other"))

    page = await case.store.list_page(SCOPE, Filter(), NOW_US, None, 10)
    told = {change.commit_seq for change in case.changes}
    assert {record.commit_seq for record in page} == told


async def test_a_limit_that_was_lowered_far_is_reached_without_stores(case: StoreCase) -> None:
    """One store that removed a million others would hold up every other caller; what it leaves, upkeep removes."""
    await case.store.commit(
        [a_store(f"m{number}", importance=number) for number in range(MAX_EVICTED + 9)]
    )
    dropped, policy = SCOPES[-2], NamespacePolicy(max_memories=2)
    others = [a_store(name, scope=scope) for name in "abc" for scope in (dropped, SCOPES[-1])]
    await case.store.commit(others)
    await case.store.commit([PolicyWrite(scope, policy, NOW_US) for scope in (dropped, SCOPE)])
    await case.store.commit([DropNamespaceWrite(dropped, NOW_US), a_store("last", importance=-1.0)])

    counts, removed, seqs = [], [], []
    for _ in range(4):
        counts.append((await case.store.stats(SCOPE, NOW_US)).memory_count)
        receipt = await commit(case, EvictWrite(NOW_US, limit=4))
        removed.append((receipt.version, len(case.changes[-1].removed_seqs)))
        seqs.append(receipt.commit_seq)

    assert counts == [10, 6, 2, 2]
    assert removed[:2] == [(4, 4), (4, 4)]
    assert [count for count, _ in removed[2:]] == [0, 0]
    assert seqs[1:] == [case.store.last_commit_seq] * 3  # a look that removes nothing is no commit
    left = await case.store.list_page(SCOPE, Filter(), NOW_US, None, 10)
    assert {record.id for record in left} == {f"m{MAX_EVICTED + 8}", f"m{MAX_EVICTED + 7}"}
    assert (await case.store.stats(SCOPES[-1], NOW_US)).memory_count == 3


async def test_what_a_limit_evicts_makes_room_in_the_quota(case: StoreCase) -> None:
    """A store that a quota would refuse is taken when what goes with it is room enough; what expired goes first."""
    policy = NamespacePolicy(max_memories=3, quota_memories=3, quota_payload_bytes=100)
    await case.store.commit([CreateNamespaceWrite(SCOPE, policy, NOW_US)])
    stored = [a_store(name, payload_json=b"{%33s}" % b"") for name in ("a", "b")]
    await case.store.commit(
        [*stored, a_store("old", payload_json=b"{}", expire_time_us=NOW_US + 1)]
    )

    later = {"now_us": NOW_US + 2, "payload_json": b"{%20s}" % b""}
    await commit(case, a_store("c", importance=2.0, **later))
    after_c = {one.id for one in await case.store.list_page(SCOPE, Filter(), NOW_US, None, 9)}
    await commit(case, a_store("d", importance=3.0, **later))
    after_d = {one.id for one in await case.store.list_page(SCOPE, Filter(), NOW_US, None, 9)}
    [refused] = await case.store.commit([a_store("e", payload_json=b"{%98s}" % b"")])

    assert after_c == {"a", "b", "c"}
    assert after_d == {"b", "c", "d"}
    assert isinstance(refused, QuotaExceeded)
    assert (await case.store.stats(SCOPE, NOW_US)).memory_count == 3


async def test_an_erasure_reaches_what_was_dropped_and_is_not_swept(case: StoreCase) -> None:
    """With versions, links and summaries, beside what took the name since; not what is of others."""
    about: dict[str, Any] = {"metadata": {"user": "ann"}}
    summary = {"metadata": {CONSOLIDATION: "c"}, "text": "what ann said"}
    other = Scope(Tenant("other"), SCOPE.namespace)
    erase = EraseWrite(SCOPE.tenant, "", "user", "ann", NOW_US)
    await commit(case, CreateNamespaceWrite(SCOPE, NamespacePolicy(max_versions=3), NOW_US))
    for write in (
        a_store("mine", **about), a_store("mine", text="again"), a_store("sum", **summary),
        a_link("sum", "mine", type=CONSOLIDATED_FROM), a_store("bobs", metadata={"user": "bob"}),
        a_store("theirs", scope=other, **about), DropNamespaceWrite(SCOPE, NOW_US),
        DropNamespaceWrite(other, NOW_US), a_store("mine", **about),
    ):  # fmt: skip
        await commit(case, write)
    counted = [await case.store.count_subject(SCOPE.tenant, name, "user", "ann")
               for name in ("", SCOPE.namespace, "elsewhere")]  # fmt: skip

    erased = (await commit(case, erase)).erased
    left = [await case.store.count_subject(one.tenant, "", "user", "ann") for one in (SCOPE, other)]
    while (await commit(case, SweepWrite(1))).version:
        pass

    assert counted == [3, 3, 0]
    assert erased is not None
    assert (erased.memory_count, erased.version_count, erased.link_count) == (3, 1, 1)
    assert left == [0, 1]
    assert await case.store.count_subject(other.tenant, "", "user", "ann") == 0
