"""Quotas of tenants, for every store: over all their namespaces, and never another's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from memory_server.domain.memory import Receipt, Scope, Tenant
from memory_server.domain.quota import StorageQuota
from memory_server.ports import MemoryStore, StoreWrite
from soma_common.errors import QuotaExceeded
from tests.support.memories import NOW_US, SCOPE, a_delete, a_store
from tests.support.stores import open_embedded, open_in_memory

QUOTA = StorageQuota(memories=3, payload_bytes=100)
OTHER = Scope(SCOPE.tenant, "other")
STRANGER = Scope(Tenant("stranger"), SCOPE.namespace)


@pytest.fixture(params=[open_in_memory, open_embedded], ids=["in_memory", "embedded"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MemoryStore]:
    """Each store, with a quota for one tenant."""

    def quotas(tenant: Tenant) -> StorageQuota:
        return QUOTA if tenant == SCOPE.tenant else StorageQuota()

    opened = await request.param(tmp_path / "data", quotas=quotas)
    yield opened
    await opened.close()


def small(name: str, scope: Scope = SCOPE, size: int = 10, **more: object) -> StoreWrite:
    payload = b'{"a":"' + b"x" * (size - 8) + b'"}'
    return a_store(name, payload_json=payload, **more)._replace(scope=scope)


async def taken(store: MemoryStore, *writes: StoreWrite) -> list[bool]:
    outcomes = await store.commit(writes)
    for outcome in outcomes:
        assert isinstance(outcome, Receipt | QuotaExceeded), outcome
        assert not isinstance(outcome, QuotaExceeded) or outcome.subject == "tenant"
    return [isinstance(outcome, Receipt) for outcome in outcomes]


async def test_all_namespaces_of_a_tenant_count(store: MemoryStore) -> None:
    """Within one group, too; a new namespace is no way around it, and another tenant is not touched."""
    writes = [small("a"), small("b"), small("c", OTHER), small("d", OTHER), small("e")]
    assert await taken(store, *writes) == [True, True, True, False, False]
    third = Scope(SCOPE.tenant, "third")
    assert await taken(store, small("f", third)) == [False]
    assert await store.namespaces(SCOPE.tenant, "", 10) == ["notes", "other"]
    assert await taken(store, *(small(str(n), STRANGER) for n in range(5))) == [True] * 5


async def test_what_goes_makes_room(store: MemoryStore) -> None:
    """A delete, an overwrite by something smaller, and what has expired."""
    await taken(store, small("a", size=60), small("b", size=30))
    assert await taken(store, small("c", size=30)) == [False]
    assert await taken(store, small("a", size=40), small("c", size=30)) == [True, True]
    assert await taken(store, small("d")) == [False]
    await store.commit([a_delete("b")])
    soon = small("d", expire_time_us=NOW_US + 1)
    assert await taken(store, soon) == [True]
    later = small("e")._replace(now_us=NOW_US + 2)
    assert await taken(store, later) == [True]
    assert (await store.stats(SCOPE, NOW_US + 2)).memory_count == 3


async def test_an_overwrite_at_the_quota_is_no_new_memory(store: MemoryStore) -> None:
    """It may be changed as often as its owner likes."""
    await taken(store, small("a"), small("b"), small("c"))
    assert await taken(store, *(small("a") for _ in range(5))) == [True] * 5
