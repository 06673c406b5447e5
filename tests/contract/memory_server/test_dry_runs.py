"""What a dry run of an import tells, and what it costs, over both engines."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest

from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.usecases.engine import Engine
from memory_server.usecases.movement import ConflictPolicy, Importer, ImportOptions, MovedMemory
from tests.support.engines import ENGINES, an_engine
from tests.support.memories import DIMENSIONS, SCOPE, StoppedClock, a_draft


class Compared(tuple[float, ...]):
    """A coordinate that counts how often any of its kind is compared."""

    __slots__ = ()
    times: ClassVar[int] = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return super().__eq__(other)

    def __hash__(self) -> int:
        return super().__hash__()


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """Each engine, empty."""
    async with an_engine(
        request.param, tmp_path, HashEmbedder(DIMENSIONS), StoppedClock()
    ) as running:
        yield running


def moved(id: str, *coordinate: float) -> MovedMemory:
    return MovedMemory(a_draft(id=id, coordinate=Compared(coordinate)))


async def test_a_dry_run_looks_once_for_what_is_at_a_coordinate(engine: Engine) -> None:
    """However many memories it has promised: it does not hold the loop up."""
    importer = Importer(engine, SCOPE, ImportOptions(dry_run=True))
    Compared.times = 0

    progress = await importer.take([moved(f"m{n}", float(n)) for n in range(500)], [])

    assert progress.stored_count == 500
    assert Compared.times < 5000


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_memory_that_moves_leaves_its_coordinate(engine: Engine, dry_run: bool) -> None:
    """Another may come there, in a dry run and in the real one; where it is now, none may."""
    options = ImportOptions(ConflictPolicy.OVERWRITE, dry_run=dry_run)
    importer = Importer(engine, SCOPE, options)
    moves = [moved("a", 1.0), moved("a", 2.0), moved("b", 1.0), moved("c", 2.0), moved("a", 2.0)]

    progress = await importer.take(moves, [])

    assert progress.stored_count == 4
    assert [(reject.position, reject.id) for reject in progress.rejects] == [(3, "c")]
