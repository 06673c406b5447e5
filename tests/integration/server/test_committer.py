"""The committer on a real file: groups share an fsync, and one bad write harms nobody else."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from memory_server.adapters.embedded import committer
from memory_server.adapters.embedded.committer import IDLE_S, Committer
from memory_server.adapters.embedded.database import BUSY_TIMEOUT_MS
from memory_server.domain.memory import Receipt
from soma_common.errors import Overloaded, Unavailable
from tests.support.memories import NOW_US, SCOPE, a_delete, a_store
from tests.support.stores import StoreCase, open_embedded


async def test_concurrent_writes_share_commits(tmp_path: Path) -> None:
    """Of 400 stores at once, many are in each group."""
    groups: list[int] = []
    store = await open_embedded(
        tmp_path / "data", observe=lambda count, _seconds: groups.append(count)
    )
    await asyncio.gather(*(store.commit([a_store(f"m{number}")]) for number in range(400)))
    await store.close()

    assert sum(groups) == 400
    assert len(groups) < 100


async def test_a_write_that_sqlite_refuses_fails_alone(tmp_path: Path) -> None:
    """Its neighbours in the group are committed, told to the index and acknowledged."""
    case = StoreCase(await open_embedded(tmp_path / "data"))
    poison = a_store("poison", payload_json=cast("Any", "text, not bytes"))
    writes = [a_store("before"), poison, a_store("after")]

    before, refused, after = await case.store.commit(writes)

    assert isinstance(refused, Unavailable)
    assert isinstance(before, Receipt)
    assert isinstance(after, Receipt)
    assert [change.added.id for change in case.changes if change.added] == ["before", "after"]
    assert (await case.store.stats(SCOPE, NOW_US)).memory_count == 2
    await case.store.close()


async def test_a_bug_in_a_write_does_not_stop_the_committer(tmp_path: Path) -> None:
    """Its caller gets the exception; its neighbours and the next write are committed."""
    store = await open_embedded(tmp_path / "data")
    broken = a_store("broken", metadata=cast("Any", {"set": {1}}))

    outcomes = await store.commit([a_store("before"), broken])
    later = await store.commit([a_store("fine")])

    assert [type(outcome) for outcome in outcomes + later] == [Receipt, TypeError, Receipt]
    await store.close()


async def test_more_writes_than_the_queue_holds_are_refused(tmp_path: Path) -> None:
    """At once and with a time to retry; those that were taken are committed."""
    store = await open_embedded(tmp_path / "data", queue_size=50)
    calls = [store.commit([a_store(f"m{number}")]) for number in range(200)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Overloaded)]
    taken = len(outcomes) - len(refused)

    assert refused
    assert refused[0].retry_after_s > 0
    assert (await store.stats(SCOPE, NOW_US)).memory_count == taken >= 50
    await store.close()


async def test_closing_finishes_what_was_accepted(tmp_path: Path) -> None:
    """Every write that was taken before the close is acknowledged; later ones are refused."""
    store = await open_embedded(tmp_path / "data")
    accepted = [asyncio.ensure_future(store.commit([a_store(f"m{n}")])) for n in range(100)]
    await asyncio.sleep(0)
    await store.close()
    receipts = await asyncio.gather(*accepted)

    assert all(isinstance(batch[0], Receipt) for batch in receipts)
    with pytest.raises(Unavailable):
        await store.commit([a_store("late")])


async def test_a_reader_who_holds_the_log_holds_up_no_writes(tmp_path: Path) -> None:
    """An export may stay open for long; the housekeeping between writes gives up at once and comes again."""
    kept_house = asyncio.Event()
    store = await open_embedded(
        tmp_path / "data", observe=lambda count, _seconds: None if count else kept_house.set()
    )
    await store.commit([a_store("before")])
    async with store.snapshot(SCOPE):
        await store.commit([a_store("after")])
        kept_house.clear()
        async with asyncio.timeout(IDLE_S + 0.6 * BUSY_TIMEOUT_MS / 1000):
            await kept_house.wait()
    await store.close()


@pytest.mark.parametrize("pause_s", [0.0, 0.02], ids=["without a pause", "with pauses"])
async def test_writes_put_the_housekeeping_off_for_a_while_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pause_s: float
) -> None:
    """Whoever goes on writing, what was deleted before leaves the log; every write is done."""
    monkeypatch.setattr(committer, "MOST_PUT_OFF_S", 0.1)
    store = await open_embedded(tmp_path / "data")
    await store.commit([a_store("gone")])
    deleted_seq = receipt_of(await store.commit([a_delete("gone")])).commit_seq
    count = 0

    async def write_on(name: str) -> None:
        nonlocal count
        while store.scrubbed_seq < deleted_seq:
            receipt_of(await store.commit([a_store(f"{name}-{count}")]))
            count += 1
            await asyncio.sleep(pause_s)

    async with asyncio.timeout(5):
        await asyncio.gather(*(write_on(f"writer-{number}") for number in range(3)))

    assert (await store.stats(SCOPE, NOW_US)).memory_count == count > 3
    await store.close()


async def test_an_erasure_does_not_wait_long_for_a_reader(tmp_path: Path) -> None:
    """What a reader holds stays in the log, and the store says so until it is emptied."""
    store = await open_embedded(tmp_path / "data")
    await store.commit([a_store("before")])
    async with store.snapshot(SCOPE):
        await store.commit([a_delete("before")])
        writing = asyncio.create_task(store.commit([a_store("during")]))
        assert not await store.scrub(0.05)
        await writing
        assert store.scrubbed_seq < store.last_commit_seq
    assert await store.scrub(5.0)
    assert store.scrubbed_seq == store.last_commit_seq
    scrubbing = asyncio.create_task(store.scrub(5.0))
    await asyncio.sleep(0)
    await store.close()

    assert await scrubbing
    assert not await store.scrub(5.0)


async def test_emptying_the_log_and_writing_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where writes were about to begin when an erasure came: each has a commit of its own, and all are durable."""
    for name in ("_keep_house", "_settle"):
        monkeypatch.setattr(Committer, name, slowly(getattr(Committer, name)))
    store = await open_embedded(tmp_path / "data")
    writing = []
    for number in range(6):
        writing.append(asyncio.ensure_future(store.commit([a_store(f"m{number}")])))
        await asyncio.sleep(0)
        scrubbing = asyncio.ensure_future(store.scrub(0.01))
        await asyncio.sleep(0.02)
        writing.append(asyncio.ensure_future(store.commit([a_store(f"n{number}")])))
        await scrubbing
    receipts = [receipt for outcome in writing for receipt in await outcome]
    await store.check()
    await store.close()

    assert all(isinstance(receipt, Receipt) for receipt in receipts), receipts
    assert sorted(receipt.commit_seq for receipt in receipts) == list(range(1, 13))  # type: ignore[union-attr]
    reopened = await open_embedded(tmp_path / "data")
    assert (await reopened.stats(SCOPE, NOW_US)).memory_count == 12
    await reopened.close()


def receipt_of(outcomes: Sequence[Receipt | Exception]) -> Receipt:
    """Return the receipt of the only write of a commit."""
    (receipt,) = outcomes
    assert isinstance(receipt, Receipt)
    return receipt


def slowly(work: Callable[..., object]) -> Callable[..., object]:
    """Return work that takes a while, as it does on a slow disk."""

    def slow(*args: object) -> object:
        time.sleep(0.03)
        return work(*args)

    return slow
