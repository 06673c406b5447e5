"""Making a store of a copy: checked first, put in place whole or not at all."""

import hashlib
import os
import secrets
import shutil
import sqlite3
from pathlib import Path

from memory_server.adapters.embedded.database import (
    FILE_NAME,
    HISTORY_FILE,
    INDEX_FOLDER,
    PART_NAME,
    SCHEMA_VERSION,
    make_folder,
    read_only_uri,
    sqlite_error,
)
from soma_common.errors import AlreadyExists, CorruptData, InvalidInput, NotFound, Unavailable

_READ_BYTES = 1024 * 1024

NAME_FILE = "restored-from"
"""Beside the store: what the copy is called that it was made of."""


def is_restored(folder: Path, name: str) -> bool:
    """Return whether the store in a folder was made of the copy of this name."""
    try:
        return (folder / FILE_NAME).exists() and (folder / NAME_FILE).read_text() == name
    except FileNotFoundError:
        return False


def refuse_to_replace(folder: Path) -> None:
    """Let no copy be fetched for a folder that takes none; what was begun there may be ended.

    Raises:
        AlreadyExists: There is a store in the folder.
    """
    if (folder / FILE_NAME).exists() and not (folder / PART_NAME).exists():
        raise _taken(folder)


def restore(copy: Path, folder: Path, sha256: bytes | None = None, name: str | None = None) -> int:
    """Make a store in `folder` of a copy, which stays as it is.

    Where it died before, it is to be called again: it goes on, or finds that all was done.

    Args:
        copy: What a backup gave.
        folder: Where the store is to be; made when missing.
        sha256: Digest that the copy must have. None: it is not compared.
        name: What the copy is called; kept beside the store, for `is_restored`.

    Returns:
        The last commit in it.

    Raises:
        NotFound: There is no copy.
        AlreadyExists: There is a store in the folder; it is not touched.
        CorruptData: The copy is not what was written, or no store.
        InvalidInput: The copy was made by a newer server.
        Unavailable: The folder cannot be written.
    """
    if not copy.is_file():
        raise NotFound("there is no such copy", kind="file", name=str(copy))
    if sha256 is not None and _digest(copy) != sha256:
        raise CorruptData("the copy is not what was written: its digest is another one")
    commit_seq = _checked(copy)
    target, part = folder / FILE_NAME, folder / PART_NAME
    if target.exists() and part.exists() and target.samefile(part) and _same(copy, target):
        part.unlink()  # the last time got so far
        return commit_seq
    if target.exists():
        raise _taken(folder)
    try:
        make_folder(folder)
        _clear(folder)
        _keep_name(folder, name)
        _begin_history(folder)
        _put(copy, part, target)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        message = "the data folder cannot be written"
        raise Unavailable(message, folder=str(folder), cause=reason) from error
    return commit_seq


def _taken(folder: Path) -> AlreadyExists:
    message = "there is a store in the data folder; choose an empty one"
    return AlreadyExists(message, folder=str(folder))


def _checked(copy: Path) -> int:
    """Return the last commit in a copy, after reading all of it."""
    try:
        connection = sqlite3.connect(f"{read_only_uri(copy)}&immutable=1", uri=True)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                message = "the copy was made by a newer server; restore it with that one"
                raise InvalidInput(message, copy_schema=version, server_schema=SCHEMA_VERSION)
            found = connection.execute("PRAGMA integrity_check").fetchall()
            if found != [("ok",)]:
                raise CorruptData("the copy is damaged", first=str(found[0][0]))
            row = connection.execute("SELECT value FROM meta WHERE name = 'commit_seq'").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise CorruptData("the copy is not a store", code=sqlite_error(error).reason) from error
    return int(row[0])


def _clear(folder: Path) -> None:
    """Remove what belonged to a store that is gone: its log would be taken for the new one's, and its index, too."""
    for suffix in ("-wal", "-shm"):
        (folder / f"{FILE_NAME}{suffix}").unlink(missing_ok=True)
    shutil.rmtree(folder / INDEX_FOLDER, ignore_errors=True)


def _keep_name(folder: Path, name: str | None) -> None:
    # Before the store itself: a store that is there was made of the copy whose name is there.
    (folder / NAME_FILE).unlink(missing_ok=True)
    if name is not None:
        _write(folder / NAME_FILE, name.encode())


def _begin_history(folder: Path) -> None:
    """Tell what is committed from now on from what was committed after the copy, and is lost."""
    _write(folder / HISTORY_FILE, (secrets.randbits(63) or 1).to_bytes(8))


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _put(copy: Path, part: Path, target: Path) -> None:
    """Copy a file so that the target is there whole, also after a crash, or not at all."""
    with copy.open("rb") as source, part.open("wb") as file:
        shutil.copyfileobj(source, file, _READ_BYTES)
        file.flush()
        os.fsync(file.fileno())
    # A hard link, because a rename would replace a store that another process has made meanwhile.
    os.link(part, target)
    part.unlink()
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _same(copy: Path, target: Path) -> bool:
    return _digest(copy) == _digest(target)


def _digest(copy: Path) -> bytes:
    with copy.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
