"""Copies of a whole store: where they are kept, and how one is made so that it is surely whole."""

import errno
import glob
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Protocol

from somamemory import s3
from somamemory.errors import ServerError, invalid
from somamemory.model import BackupSummary

READ_BYTES = 1024 * 1024
PART_BYTES = 16 * 1024 * 1024
PIECES_OF_A_SIZE = 1000
PART_IS_OVER_S = 86400.0
"""Nobody goes on with a part of a copy that was not written for so long."""

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""What file systems without hard links say, such as those of USB sticks."""


Check = Callable[[Iterable[bytes]], None]
"""Reads what was written; raises when it is not what was to be written."""


class Copy(Protocol):
    """One copy, at its place."""

    def exists(self) -> bool:
        """Return whether there is one."""
        ...

    def write(self, parts: Iterable[bytes], check: Check, *, replace: bool) -> None:
        """Write it, and let it be checked; one that is not whole is not kept.

        Args:
            parts: Its bytes.
            check: Called with what was written, as it is read back.
            replace: Whether it may take the place of another one.
        """
        ...

    def read(self) -> Iterator[bytes]:
        """Read it."""
        ...

    def delete(self) -> None:
        """Remove it; that there is none is success."""
        ...

    def at_hand(self, folder: Path) -> AbstractContextManager[Path]:
        """Give it as a file, as long as the context lasts; one that has to be fetched is put into the folder."""
        ...


@dataclass(frozen=True, slots=True)
class Facts:
    """A copy that was read back and found whole."""

    size_bytes: int
    sha256: str
    commit_seq: int
    memory_count: int | None


def copy_store(
    parts: Iterable[bytes | BackupSummary], copy: Copy, *, replace: bool = False
) -> Facts:
    """Write what a server sends, read it back, and compare both with what the server says of it.

    Args:
        parts: As `MemoryClient.backup` gives them.
        copy: Where to.
        replace: Whether the copy may take the place of another one.

    Raises:
        ServerError: The copy is not whole; it was not kept.
        OSError: The place cannot be written or read.
    """
    sent = _Sent(parts)
    copy.write(sent, sent.compare, replace=replace)
    return sent.facts()


class _Sent:
    """The bytes that a server sends, and at their end what it says of them."""

    def __init__(self, parts: Iterable[bytes | BackupSummary]) -> None:
        self._parts = parts
        self._summary: BackupSummary | None = None

    def __iter__(self) -> Iterator[bytes]:
        """Give the bytes; raise at their end when they are not all, before they take the place of a good copy."""
        digest, size = hashlib.sha256(), 0
        for part in self._parts:
            if isinstance(part, bytes):
                digest.update(part)
                size += len(part)
                yield part
            else:
                self._summary = part
        if not self._is_told(size, digest.digest()):
            raise ServerError(
                "the copy is not whole: what arrived is not what the server says of it"
            )

    def compare(self, kept: Iterable[bytes]) -> None:
        """Read what was kept of it."""
        digest, size = hashlib.sha256(), 0
        for chunk in kept:
            digest.update(chunk)
            size += len(chunk)
        if not self._is_told(size, digest.digest()):
            raise ServerError(
                "the copy is not whole: what was read back is not what the server sent"
            )

    def _is_told(self, size: int, digest: bytes) -> bool:
        told = self._summary
        return told is not None and (told.size_bytes, told.sha256) == (size, digest)

    def facts(self) -> Facts:
        """Return what was compared."""
        told = self._summary
        assert told is not None, "a copy without a summary is refused"
        return Facts(told.size_bytes, told.sha256.hex(), told.commit_seq, told.memory_count)


@dataclass(frozen=True, slots=True)
class FileCopy:
    """A copy in a file."""

    path: Path

    def exists(self) -> bool:
        """Return whether there is such a file."""
        return self.path.exists()

    def write(self, parts: Iterable[bytes], check: Check, *, replace: bool) -> None:
        """Write a file beside it, and give that its name when it is on stable storage and checked."""
        with _naming(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = _new_part(self.path)
        try:
            with _naming(self.path):
                with beside.open("wb") as file:
                    keep_mode(self.path, beside)
                    for part in parts:
                        file.write(part)
                    file.flush()
                    os.fsync(file.fileno())
                check(FileCopy(beside).read())
            self._name(beside, replace=replace)
        finally:
            beside.unlink(missing_ok=True)

    def read(self) -> Iterator[bytes]:
        """Read the file."""
        with self.path.open("rb") as file:
            while chunk := file.read(READ_BYTES):
                yield chunk

    def delete(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def at_hand(self, _folder: Path) -> Iterator[Path]:
        """Give the file itself."""
        yield self.path

    def _name(self, beside: Path, *, replace: bool) -> None:
        """Give a whole copy its name; durable when it returns."""
        if replace:
            beside.replace(self.path)
        else:
            _link(beside, self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _link(beside: Path, path: Path) -> None:
    """Give a file its name, unless something has it by now."""
    try:
        os.link(beside, path)
    except OSError as error:
        if error.errno not in _NO_LINKS or path.exists():
            raise
        beside.rename(path)


def _new_part(path: Path) -> Path:
    """Make a file beside a file that no other process writes: those of containers on one volume have equal ids.

    What a process left there that died is taken away when it is surely over.
    """
    made = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    with _naming(path):
        made.touch(exist_ok=False)
        over = made.stat().st_mtime - PART_IS_OVER_S  # by the clock of the volume
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError):
            if part.stat().st_mtime < over:
                part.unlink()
    return made


def keep_mode(path: Path, beside: Path) -> None:
    """Let only those read what takes a file's place who may read that file."""
    with suppress(OSError):  # There is none, or its file system knows no modes.
        beside.chmod(stat.S_IMODE(path.stat().st_mode))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error of writing, such as a full disk, name the file that the user named."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


@dataclass(frozen=True, slots=True)
class BucketCopy:
    """A copy in a bucket.

    An object is there whole or not at all; only then can it be read back.
    """

    item: s3.Object
    part_bytes: int = PART_BYTES

    def exists(self) -> bool:
        """Return whether there is such an object."""
        return self.item.exists()

    def write(self, parts: Iterable[bytes], check: Check, *, replace: bool) -> None:
        """Send it in parts of some size, of which one at a time is in memory."""
        if not replace and self.item.exists():
            raise FileExistsError(errno.EEXIST, "there is such an object", self.item.address)
        tag = self._put(parts)
        try:
            check(self.read())
        except BaseException as error:
            # What took an earlier copy's place and could not be read is the only one there is. It was whole when it
            # was sent.
            if not replace or isinstance(error, ServerError):
                self._take_back(tag)
            raise

    def read(self) -> Iterator[bytes]:
        """Read the object."""
        return self.item.read()

    def delete(self) -> None:
        """Remove the object."""
        self.item.delete()

    @contextmanager
    def at_hand(self, folder: Path) -> Iterator[Path]:
        """Fetch it into a file, which goes when the context ends."""
        folder.mkdir(parents=True, exist_ok=True)
        fetched = _new_part(folder / "fetched")
        try:
            with fetched.open("wb") as file:
                # The store's own errors name the object.
                for chunk in self.item.read():
                    with _naming(fetched):
                        file.write(chunk)
                with _naming(fetched):
                    file.flush()
            yield fetched
        finally:
            fetched.unlink(missing_ok=True)

    def _put(self, parts: Iterable[bytes]) -> str:
        """Send it; return the tag of the object that it became."""
        pieces = _pieces(parts, self.part_bytes)
        first = next(pieces, b"")
        second = next(pieces, None)
        return (
            self.item.put(first) if second is None else self._send(chain((first, second), pieces))
        )

    def _take_back(self, tag: str) -> None:
        """Remove what was sent, and not what somebody else wrote over it: that may be a good copy."""
        with suppress(OSError):
            if tag and self.item.tag() == tag:
                self.item.delete()

    def _send(self, pieces: Iterable[bytes]) -> str:
        upload = self.item.begin()
        try:
            tags = [
                self.item.put_part(upload, number, piece)
                for number, piece in enumerate(pieces, start=1)
            ]
            return self.item.complete(upload, tags)
        except BaseException:
            # Parts that nobody completes cost money for ever.
            with suppress(OSError):
                self.item.abort(upload)
            raise


def _pieces(parts: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Give the same bytes in pieces, which grow: a store takes ten thousand of them at most."""
    held, given = bytearray(), iter(parts)
    for number in count():
        wished = size * (1 + number // PIECES_OF_A_SIZE)
        for part in given:
            held += part
            if len(held) >= wished:
                break
        else:
            break
        yield bytes(held[:wished])
        del held[:wished]
    if held:
        yield bytes(held)


def copy_at(place: str, environment: Mapping[str, str]) -> Copy:
    """Return the copy at a place: the path of a file, or `s3://bucket/key`.

    Args:
        place: What the user names.
        environment: Tells where buckets are.

    Raises:
        InvalidArgument: It is no place.
    """
    scheme, separator, rest = place.partition("://")
    if not separator:
        return FileCopy(Path(place))
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise invalid("PLACE", "must be the path of a file, or s3://bucket/key")
    return BucketCopy(s3.Object(s3.store_from(environment), bucket, key))
