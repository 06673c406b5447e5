"""A memory that comes with its versions is written with all of them or not at all, for every store."""

from pathlib import Path

import pytest

from memory_server.domain.filters import Filter
from memory_server.domain.limits import MAX_RESPONSE_BYTES
from memory_server.domain.memory import MemoryId, MemoryRef, MemoryVersion, Receipt
from memory_server.domain.policy import NamespacePolicy
from memory_server.ports import CreateNamespaceWrite, StoreWrite
from soma_common.errors import Conflict, NotFound, QuotaExceeded
from tests.support.memories import NOW_US, SCOPE, a_record, a_store
from tests.support.stores import StoreCase, open_embedded

TEA = MemoryRef(id=MemoryId("tea"))


def with_versions(count: int, size: int = 2, **more: object) -> StoreWrite:
    """Return a write of a memory with so many older versions, a microsecond apart; the current one has a size."""
    older = tuple(
        a_record(
            text=f"v{n}", payload_json=b"{}", update_time_us=NOW_US + n, coordinate=(float(n),)
        )
        for n in range(1, count + 1)
    )
    payload = b"{" + b" " * (size - 2) + b"}"
    write = a_store(
        text="now", payload_json=payload, update_time_us=NOW_US + count + 1, older=older
    )
    return write._replace(**more)  # type: ignore[arg-type]


async def versions(case: StoreCase) -> list[MemoryVersion]:
    return await case.store.versions(SCOPE, TEA, NOW_US, before=1000, limit=100)


async def test_versions_come_with_their_memory(case: StoreCase) -> None:
    """Numbered and dated in a row, each under a commit of its own; the index hears of the current one alone."""
    [receipt] = await case.store.commit([with_versions(2)])
    [after] = await case.store.commit([a_store("other")])

    assert isinstance(receipt, Receipt)
    assert isinstance(after, Receipt)
    found = await versions(case)
    assert [
        (one.record.version, one.record.text, one.record.commit_seq, one.supersede_time_us)
        for one in found
    ] == [
        (3, "now", receipt.commit_seq, None),
        (2, "v2", receipt.commit_seq - 1, NOW_US + 3),
        (1, "v1", receipt.commit_seq - 2, NOW_US + 2),
    ]
    assert {one.record.create_time_us for one in found} == {NOW_US}
    assert after.commit_seq > receipt.commit_seq == receipt.version
    told = [change.added.text for change in case.changes if change.added is not None]
    assert told == ["now", "green tea"]
    assert case.store.last_commit_seq == after.commit_seq
    # The coordinates of versions of the past are nobody's.
    with pytest.raises(NotFound):
        await case.store.get(SCOPE, MemoryRef(coordinate=(2.0,)), NOW_US)


async def test_versions_go_on_after_those_that_are_there(case: StoreCase) -> None:
    """What was current becomes a version of the past before them, and no more are kept than the policy says."""
    policy = NamespacePolicy(max_versions=2)
    await case.store.commit([CreateNamespaceWrite(SCOPE, policy, NOW_US), a_store(text="first")])
    [receipt] = await case.store.commit([with_versions(3)])
    found = [(one.record.version, one.record.text) for one in await versions(case)]
    [again] = await case.store.commit([with_versions(1)])

    assert isinstance(receipt, Receipt)
    assert isinstance(again, Receipt)
    assert (receipt.version, found) == (5, [(5, "now"), (4, "v3"), (3, "v2")])
    assert [one.record.text for one in await versions(case)] == ["now", "v1", "now"]
    assert [one.record.version for one in await versions(case)] == [7, 6, 5]


async def test_a_refusal_leaves_nothing_of_a_memory_with_versions(case: StoreCase) -> None:
    """Neither a quota that the current version breaks nor a conflict writes any version; older ones count for none."""
    quota = NamespacePolicy(quota_payload_bytes=50)
    await case.store.commit([CreateNamespaceWrite(SCOPE, quota, NOW_US)])
    [refused] = await case.store.commit([with_versions(2, size=51)])
    assert isinstance(refused, QuotaExceeded)
    with pytest.raises(NotFound):
        await case.store.get(SCOPE, TEA, NOW_US)

    [receipt] = await case.store.commit([with_versions(40, size=50)])
    [conflict] = await case.store.commit([with_versions(2, expected_version=0)])

    assert isinstance(receipt, Receipt)
    assert isinstance(conflict, Conflict)
    assert (await case.store.get(SCOPE, TEA, NOW_US)).version == 41


async def test_a_moment_knows_each_memory_once(case: StoreCase) -> None:
    """Also where an import dates what it writes before what it overwrites: the last version counts."""
    await case.store.commit([with_versions(4), a_store("other", update_time_us=NOW_US)])
    await case.store.commit([a_store("tea", text="imported over", update_time_us=NOW_US + 2)])
    texts = {}
    for after in (0, 1, 2, 9):
        records = await case.store.as_of(SCOPE, NOW_US + after, NOW_US)
        seqs = await case.store.as_of_seqs(SCOPE, NOW_US + after, NOW_US)
        by_seq = await case.store.versions_by_seq(SCOPE, [*seqs, 10**6])
        texts[after] = {record.id: record.text for record in records}
        assert len(texts[after]) == len(records)
        assert {record.commit_seq: record for record in records} == by_seq

    assert texts == {
        0: {"other": "green tea"},
        1: {"other": "green tea", "tea": "v1"},
        2: {"other": "green tea", "tea": "imported over"},
        9: {"other": "green tea", "tea": "imported over"},
    }


@pytest.mark.parametrize(
    ("most_bytes", "expected"),
    [(0, []), (2000, []), (3500, ["v4", "v5"]), (1 << 20, ["v1", "v2", "v3", "v4", "v5"])],
)
async def test_a_snapshot_has_the_latest_versions_that_fit(
    case: StoreCase, most_bytes: int, expected: list[str]
) -> None:
    """The memory itself in any case, and how many versions were left out."""
    await case.store.commit([with_versions(5)])

    async with case.store.snapshot(SCOPE) as held:
        pages = held.memories(Filter(), NOW_US, with_versions=True, most_bytes=most_bytes)
        [memory] = [memory async for page in pages for memory in page]

    assert memory.record.text == "now"
    assert [version.record.text for version in memory.versions] == expected
    assert memory.left_out_count == 5 - len(expected)


@pytest.mark.parametrize("are_kept", [True, False])
async def test_a_page_of_a_snapshot_is_read_by_its_size(tmp_path: Path, are_kept: bool) -> None:
    """However many memories and versions there are, no more is in memory at once than two messages take."""
    size = MAX_RESPONSE_BYTES // 8
    store = await open_embedded(tmp_path / "data")
    for number in range(20):
        writes = [a_store(f"m{number}", payload_json=bytes(size)) for _ in range(1 + are_kept)]
        await store.commit(writes)

    async with store.snapshot(SCOPE) as held:
        pages = [page async for page in held.memories(Filter(), NOW_US, with_versions=True)]

    assert [memory.record.id for page in pages for memory in page] == [f"m{n}" for n in range(20)]
    for page in pages:
        older = [version.record for memory in page for version in memory.versions]
        sizes = [len(record.payload_json) for record in (*older, *(one.record for one in page))]
        assert sum(sizes) <= 2 * MAX_RESPONSE_BYTES
    assert len(pages) < 10
    await store.close()
