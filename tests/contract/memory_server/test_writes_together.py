"""Writes that are given together are carried out one after the other, as if each had come alone."""

from memory_server.domain.memory import CALLER_MODEL, MemoryId, MemoryRef, Receipt
from memory_server.ports import EraseWrite
from tests.support.memories import NOW_US, SCOPE, a_delete, a_link, a_request, a_store
from tests.support.stores import StoreCase, commit, links_from


async def test_each_sees_what_those_before_it_did(case: StoreCase) -> None:
    """Stores, links and deletes of the same ids, old ones and new ones."""
    await commit(case, a_store("old"))
    outcomes = await case.store.commit(
        [
            a_store("new", text="one"),
            a_store("old", text="two"),
            a_link("new", "old"),
            a_store("new", text="two", metadata={"n": 1.0}),
            a_store("gone"),
            a_delete("gone"),
            a_store("gone", coordinate=(1.0,)),
            a_store("", coordinate=(1.0,), text="by its coordinate"),
        ]
    )

    assert all(isinstance(each, Receipt) for each in outcomes)
    assert [each.version for each in outcomes if isinstance(each, Receipt)] == [
        *(1, 2, 1, 2),
        *(1, 1, 1, 2),
    ]
    records = [
        await case.store.get(SCOPE, MemoryRef(id=MemoryId(name)), NOW_US)
        for name in ("new", "old", "gone")
    ]
    assert [record.text for record in records] == ["two", "two", "by its coordinate"]
    assert [link.to_id for link in await links_from(case, "new")] == ["old"]
    assert (await case.store.stats(SCOPE, NOW_US)).memory_count == 3


async def test_an_erasure_reaches_the_answers_before_it(case: StoreCase) -> None:
    """A retry that comes with it is told that it was done, and no longer what."""
    store = a_store("tea", metadata={"user": "ann"}, request=a_request("r1"))
    erase = EraseWrite(SCOPE.tenant, SCOPE.namespace, "user", "ann", NOW_US)

    stored, erased, again = await case.store.commit([store, erase, store])

    assert isinstance(stored, Receipt)
    assert isinstance(erased, Receipt)
    assert again == stored._replace(memory_id=MemoryId(""), is_replayed=True)
    assert erased.version == 1


async def test_more_than_one_statement_holds_are_all_there(case: StoreCase) -> None:
    """Each with its values to filter by, its address and its vector."""
    count = 150
    writes = [
        a_store(
            f"m{number}",
            metadata={"n": float(number), "s": "x"},
            coordinate=(float(number),),
            embedding=bytes([0, 0, 128, 63]),
            embedding_model=CALLER_MODEL,
            request=a_request(f"r{number}"),
        )
        for number in range(count)
    ]
    first = await case.store.commit(writes)
    again = await case.store.commit(writes)

    assert [each._replace(is_replayed=True) for each in first if isinstance(each, Receipt)] == again
    for number in range(count):
        record = await case.store.get(SCOPE, MemoryRef(coordinate=(float(number),)), NOW_US)
        assert record.id == f"m{number}"
        assert record.metadata == {"n": float(number), "s": "x"}
        assert record.commit_seq == first[number].commit_seq  # type: ignore[union-attr] # a receipt
