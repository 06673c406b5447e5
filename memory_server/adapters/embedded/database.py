"""The SQLite file: opened once, by one server, in the right mode and schema."""

import contextlib
import fcntl
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO, TypeVar

from memory_server.ports import COPY_PREFIX
from soma_common.errors import CorruptData, InvalidInput, SomaError, StorageFull, Unavailable

SCHEMA_VERSION = 4
"""Kept in SQLite's `user_version`. A newer file than the program is refused, never touched; an older one is migrated
by the scripts `migrate_<from>_to_<to>.sql`, each in one transaction."""

Result = TypeVar("Result")

FILE_NAME = "memory.sqlite3"
INDEX_FOLDER = "index"
HISTORY_FILE = "history"
"""Beside the store, if it was made of a copy: the number of its history. In the store itself, copies would have it."""

PART_NAME = "memory.part"
"""What a restore writes before the store is there whole."""

BUSY_TIMEOUT_MS = 5000
_PAGE_CACHE_KIB = 16384


@dataclass(frozen=True, slots=True)
class Database:
    """An open store folder: the lock that keeps others out, and the facts fixed when it was made."""

    path: Path
    synchronous: str
    lock: IO[bytes]
    page_key: bytes
    signing_seed: bytes
    history_id: int

    def connect(self, *, is_writer: bool = False) -> sqlite3.Connection:
        """Return a new connection; a reader cannot write."""
        connection = _connect(self.path, self.synchronous)
        if not is_writer:
            connection.execute("PRAGMA query_only = ON")
        return connection

    def free_bytes(self) -> int:
        """Return how much room the volume has."""
        return shutil.disk_usage(self.path.parent).free

    def is_log_empty(self) -> bool:
        """Tell whether the write-ahead log holds nothing, not even what was deleted."""
        log = self.path.with_name(f"{self.path.name}-wal")
        return not log.exists() or not log.stat().st_size

    def release(self) -> None:
        """Let another server have the folder."""
        self.lock.close()


class StoreLocked(Unavailable):
    """Another server holds the folder; in a cluster it is often about to leave."""

    reason = "StoreLocked"


def open_database(folder: Path, *, synchronous: str, dimensions: int) -> Database:
    """Open the store in `folder`, or make it.

    Raises:
        StoreLocked: Another server holds the folder.
        Unavailable: It cannot be read or written, or a restore into it was not finished.
        InvalidInput: The store was made with another dimension, or by a newer program.
        CorruptData: The file is not a store.
    """
    lock = _lock(folder)
    path = folder / FILE_NAME
    try:
        _tidy(folder, path)
        connection = _connect(path, synchronous)
        try:
            facts = _prepare(connection, dimensions)
            _empty_log(connection)
            history_id = _history_id(folder)
        finally:
            connection.close()
    except OSError as error:
        lock.close()
        raise _unwritable(folder, error) from error
    except (sqlite3.Error, SomaError) as error:
        lock.close()
        raise sqlite_error(error) if isinstance(error, sqlite3.Error) else error from None
    page_key, signing_seed = (bytes.fromhex(facts[name]) for name in ("page_key", "signing_seed"))
    return Database(path, synchronous, lock, page_key, signing_seed, history_id)


def read_only_uri(path: Path) -> str:
    """Return the address by which SQLite reads a file; `?`, `#` and `%` of a name are written otherwise in it."""
    return f"{path.absolute().as_uri()}?mode=ro"


def sqlite_error(error: sqlite3.Error) -> SomaError:
    """Return our error for one of SQLite's; the name of SQLite's code is a fact of it."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if name.startswith("SQLITE_FULL"):
        mend = "the disk is full: nothing was written; free space or grow the volume"
        return StorageFull(mend, code=name)
    # Python's own complaint about a text that is none has no code of SQLite's.
    is_no_text = str(error).startswith("Could not decode")
    if is_no_text or name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return CorruptData("the store file is damaged: restore it from a backup", code=name)
    return Unavailable("the store does not accept this now", code=name)


def guarded(read: Callable[[], Result]) -> Result:
    """Read, with our errors for SQLite's.

    Raises:
        SomaError: SQLite does not give it.
    """
    try:
        return read()
    except sqlite3.Error as error:
        failure = sqlite_error(error)
        raise failure from error


def make_folder(folder: Path) -> None:
    """Make a data folder that nobody else may look into: it holds all tenants' memories, and keys that sign.

    One that is there stays as its owner wants it.

    Raises:
        OSError: It cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _lock(folder: Path) -> IO[bytes]:
    try:
        make_folder(folder)
        lock = (folder / "LOCK").open("wb")
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        message = "another server has this data folder open; stop it, or choose another folder"
        raise StoreLocked(message, folder=str(folder)) from error
    return lock


def _unwritable(folder: Path, error: OSError) -> Unavailable:
    reason = os.strerror(error.errno or 0)
    return Unavailable("the data folder cannot be written", folder=str(folder), cause=reason)


def _tidy(folder: Path, path: Path) -> None:
    """Take away what a process left behind when it died: copies that were sent, and the rest of a restore.

    Raises:
        Unavailable: A restore was not finished; an empty store must not take its place.
    """
    part = folder / PART_NAME
    if part.exists() and not path.exists():
        message = "a restore into the data folder was not finished: do it again, or remove its rest"
        raise Unavailable(message, rest=str(part))
    part.unlink(missing_ok=True)
    for copy in folder.glob(f"{COPY_PREFIX}*"):
        shutil.rmtree(copy)


def _history_id(folder: Path) -> int:
    try:
        return int.from_bytes((folder / HISTORY_FILE).read_bytes())
    except FileNotFoundError:
        return 0


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA foreign_keys = ON")
    # A deleted payload is overwritten with zeros, not only unlinked.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")
    return connection


def _prepare(connection: sqlite3.Connection, dimensions: int) -> dict[str, str]:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        message = "the store was written by a newer server; start that one, or restore a backup"
        raise InvalidInput(message, store_schema=version, server_schema=SCHEMA_VERSION)
    if version == 0:
        _create(connection, dimensions)
    for old in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
        _run_script(connection, f"migrate_{old}_to_{old + 1}.sql", old + 1)
    facts = dict(connection.execute("SELECT name, value FROM meta"))
    if facts["embedding_dimensions"] != str(dimensions):
        message = "the store has embeddings of another dimension; set embedding_dimensions to it"
        raise InvalidInput(message, store=facts["embedding_dimensions"], settings=dimensions)
    return facts


def _empty_log(connection: sqlite3.Connection) -> None:
    """Take a log over that a server left behind when it died, before anybody reads; what it deleted goes with it."""
    with contextlib.suppress(
        sqlite3.OperationalError
    ):  # a full disk: then as soon as there is room
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _create(connection: sqlite3.Connection, dimensions: int) -> None:
    facts = {
        "commit_seq": "0",
        "embedding_dimensions": str(dimensions),
        "history_floor": "0",
        "page_key": secrets.token_hex(32),
        "signing_seed": secrets.token_hex(32),
    }
    _run_script(connection, "schema.sql", SCHEMA_VERSION, facts)


def _run_script(
    connection: sqlite3.Connection, name: str, version: int, facts: Mapping[str, str] | None = None
) -> None:
    """Run one of our scripts in one transaction: a crash leaves the store as it was, or as it is to be."""
    script = resources.files(__package__).joinpath(name).read_text("utf-8")
    try:
        connection.executescript(f"BEGIN IMMEDIATE; {script}")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", (facts or {}).items())
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
