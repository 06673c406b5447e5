"""The stores that must keep the promises of their port."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stores import StoreCase, open_embedded, open_in_memory


@pytest.fixture(params=[open_in_memory, open_embedded], ids=["in_memory", "embedded"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreCase]:
    """Each store, empty."""
    store = await request.param(tmp_path / "data")
    yield StoreCase(store)
    await store.close()
