"""Tell of changes as they are committed."""

import asyncio
import struct
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from memory_server.domain import validation
from memory_server.domain.memory import ChangeType, LoggedChange, MemoryRecord, Scope
from memory_server.domain.pages import page_token, read_page_token
from memory_server.domain.refusals import history_lost
from memory_server.domain.validation import Violations
from memory_server.usecases.engine import Engine

BATCH = 500
HEARTBEAT_S = 15.0
"""After this long without a change a newer token is sent: it keeps the stream, and the token, from getting old."""

_POSITION = struct.Struct(">qqq")
EVERYTHING_OF_A_COMMIT = 2**62


@dataclass(frozen=True, slots=True)
class Watched:
    """One change with the token that goes on after it; no change: only a newer token."""

    token: str
    change: LoggedChange | None = None
    record: MemoryRecord | None = None


async def watch(
    engine: Engine, scope: Scope, *, token: str, include_memory: bool
) -> AsyncGenerator[Watched, None]:
    """Yield every change of a namespace from now on, or from a token on, for as long as the caller listens.

    Raises:
        InvalidInput: With every violation; also for a token of another namespace.
        NotFound: There is no such namespace.
        HistoryLost: What happened since the token is no longer kept, or the namespace or the store is another one.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    found.raise_if_any()
    question = repr(("watch", scope))
    after = (engine.store.last_commit_seq, EVERYTHING_OF_A_COMMIT)
    born_us = (await engine.store.namespace(scope)).create_time_us
    # A store that was made of a copy has other commits under the numbers of those that came after the copy.
    born = born_us ^ engine.store.history_id
    if token:
        raw = read_page_token(
            token,
            question=question,
            key=engine.store.page_key,
            field="resume_token",
            source="resume_token of a change of the same namespace",
        )
        told, *position = _POSITION.unpack(raw)
        if told != born or position[0] > engine.store.last_commit_seq:
            raise history_lost()
        after = (position[0], position[1])

    def named(position: tuple[int, int]) -> str:
        raw = _POSITION.pack(born, *position)
        return page_token(raw, question=question, key=engine.store.page_key)

    yield Watched(named(after))
    while True:
        # Asked for before the look, so that a change in between wakes us all the same.
        waiting = asyncio.ensure_future(engine.changed.wait())
        try:
            reached = engine.store.last_commit_seq
            changes = await _look(engine, scope, after, born_us)
            for change in changes:
                after = (change.commit_seq, change.position)
                record = await _record(engine, scope, change) if include_memory else None
                yield Watched(named(after), change, record)
            if not changes:
                after = max(after, (reached, EVERYTHING_OF_A_COMMIT))
                if not (await asyncio.wait({waiting}, timeout=HEARTBEAT_S))[0]:
                    yield Watched(named(after))
        finally:
            waiting.cancel()


async def _look(
    engine: Engine, scope: Scope, after: tuple[int, int], born_us: int
) -> list[LoggedChange]:
    if (await engine.store.namespace(scope)).create_time_us != born_us:
        raise history_lost()
    return await engine.store.changes(scope, after, BATCH)


async def _record(engine: Engine, scope: Scope, change: LoggedChange) -> MemoryRecord | None:
    if change.type is not ChangeType.STORED:
        return None
    found = (await engine.store.get_by_seq(scope, [change.commit_seq])).get(change.commit_seq)
    # It is gone for every caller, though nobody has swept it away yet.
    return None if found is None or found.is_expired(engine.clock.now_us()) else found
