"""Send a consistent copy of the whole store while it is written to."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from memory_server.ports import COPY_PREFIX
from memory_server.usecases.engine import Engine

CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What the whole copy must be."""

    size_bytes: int
    sha256: bytes
    commit_seq: int
    memory_count: int


async def backup(engine: Engine) -> AsyncGenerator[bytes | BackupSummary, None]:
    """Yield the bytes of a copy of the store, as it is at one commit, then what they must add up to.

    The copy is made beside the store first: it needs as much free space as the store has content.

    Raises:
        InvalidInput: The store has no file to copy.
        StorageFull, Unavailable: As the store says.
    """
    with tempfile.TemporaryDirectory(prefix=COPY_PREFIX, dir=engine.store.folder) as folder:
        copy = Path(folder) / "copy.sqlite3"
        made = await engine.store.copy(copy)
        digest, size = hashlib.sha256(), 0
        with copy.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                yield chunk
        yield BackupSummary(size, digest.digest(), made.commit_seq, made.memory_count)
