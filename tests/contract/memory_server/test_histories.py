"""Watching a store that was made of a copy: what came after the copy is no part of its history."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from memory_server.adapters.embedded.restore import restore
from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.domain.memory import MemoryDraft
from memory_server.usecases import store, watch
from memory_server.usecases.engine import Engine
from soma_common.errors import HistoryLost
from tests.support.engines import an_engine
from tests.support.memories import DIMENSIONS, SCOPE, StoppedClock


@asynccontextmanager
async def over(folder: Path) -> AsyncIterator[Engine]:
    async with an_engine("embedded", folder, HashEmbedder(DIMENSIONS), StoppedClock()) as engine:
        yield engine


async def add(engine: Engine, *ids: str) -> None:
    for id in ids:
        draft = MemoryDraft(b"{}", id=id)
        await store.store(engine, SCOPE, store.StoreCommand(draft))


async def told(engine: Engine, token: str) -> watch.Watched:
    watching = watch.watch(engine, SCOPE, token=token, include_memory=False)
    try:
        return await anext(watching)
    finally:
        await watching.aclose()


@pytest.mark.parametrize("later", [1, 9])
async def test_a_token_of_after_the_copy_is_refused(tmp_path: Path, later: int) -> None:
    """The commits that it has seen are lost, and others have their numbers sooner or later: it would miss these."""
    async with over(tmp_path / "first") as engine:
        await add(engine, "a")
        await engine.store.copy(tmp_path / "copy")
        await add(engine, "b", "c", "d")
        token = (await told(engine, "")).token
    restore(tmp_path / "copy", tmp_path / "second" / "data")
    async with over(tmp_path / "second") as engine:
        await add(engine, *(f"e{number}" for number in range(later)))
        with pytest.raises(HistoryLost):
            await told(engine, token)
        token = (await told(engine, "")).token
    async with over(tmp_path / "second") as engine:
        assert (await told(engine, token)).token


async def test_a_token_of_commits_that_a_store_has_not_is_refused(tmp_path: Path) -> None:
    """Its file was set back by other means than a restore."""
    async with over(tmp_path / "first") as engine:
        await add(engine, "a")
        await engine.store.copy(tmp_path / "copy")
        await add(engine, "b")
        token = (await told(engine, "")).token
    (tmp_path / "copy").rename(tmp_path / "first" / "data" / "memory.sqlite3")
    async with over(tmp_path / "first") as engine:
        with pytest.raises(HistoryLost):
            await told(engine, token)
