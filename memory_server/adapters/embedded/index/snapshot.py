"""The kept copy of the index on disk, which makes a start fast. It is a cache: never needed, and never trusted.

Rules:
    1. A copy that is not whole, not of this store, or not of this form is not used; the index is made from the store.
    2. The copy holds no memory that was removed: with the first removal that it covers, the file goes.
    3. It is written beside the old one, flushed, and moved into its place: there is a whole copy, or none.
    4. What is not used does not stay: no removal would take it away, because none is known to be covered by it.

The file is a line of JSON (what it is of, and where each array lies), then the arrays. It is mapped, not read: vectors
stay in the page cache, from where the system may drop them.
"""

import hashlib
import json
import mmap
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memory_server.adapters.embedded.index.columns import Arrays

FORM = 3
"""Form of the file, and meaning of what is in it: how texts become words and vectors. Another is not used."""

_ALIGNED = 64
_HEADER_BYTES = 16


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a copy holds: the arrays of each partition by (tenant, namespace), up to a commit."""

    commit_seq: int
    partitions: Mapping[tuple[str, str], Arrays]


class SnapshotFile:
    """The copy of one store.

    Args:
        path: Where it is kept.
        store: Names the store that it is of; not written as it is.
        model: Names what else the index was made with.
    """

    def __init__(self, path: Path, store: bytes, model: str) -> None:
        self._path = path
        self._beside = path.with_suffix(".new")
        self._identity = [FORM, hashlib.sha256(store).hexdigest(), model]

    def drop(self) -> None:
        """Remove the copy, and what there is of one that is being written."""
        self._beside.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def write(self, snapshot: Snapshot) -> None:
        """Keep a copy; an error leaves none, and is the caller's to tell.

        Raises:
            OSError: The volume does not take it.
        """
        self._path.parent.mkdir(exist_ok=True)
        try:
            with self._beside.open("wb") as file:
                _write(file, snapshot, self._identity)
                file.flush()
                os.fsync(file.fileno())
            self._beside.replace(self._path)
        except OSError:
            self.drop()
            raise

    def opened(self) -> Snapshot | None:
        """Return the copy at a start; one that may not be used goes, and what a crash left of one half written."""
        self._beside.unlink(missing_ok=True)
        snapshot = self.read()
        if snapshot is None:
            self.drop()
        return snapshot

    def read(self) -> Snapshot | None:
        """Return the copy; None: there is none that may be used."""
        try:
            with self._path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return _read(mapped, self._identity)
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            # Whatever is wrong with it: the store has everything.
            return None


def _write(file: Any, snapshot: Snapshot, identity: list[object]) -> None:
    listed: list[dict[str, object]] = []
    places: list[tuple[int, np.ndarray[Any, Any]]] = []
    size = 0
    for (tenant, namespace), arrays in snapshot.partitions.items():
        entries = {}
        for name, array in arrays.items():
            contiguous = np.ascontiguousarray(array)
            entries[name] = [contiguous.dtype.str, contiguous.shape, size]
            places.append((size, contiguous))
            size += -(-contiguous.nbytes // _ALIGNED) * _ALIGNED
        listed.append({"tenant": tenant, "namespace": namespace, "arrays": entries})
    header = json.dumps(
        {"of": identity, "commit_seq": snapshot.commit_seq, "partitions": listed}
    ).encode()
    header += b" " * (-(len(header) + _HEADER_BYTES) % _ALIGNED)
    # The checksum comes last, into the room that is left for it.
    file.write(len(header).to_bytes(8, "little") + bytes(8))
    file.write(header)
    checksum = zlib.crc32(header)
    for _, array in places:
        data = array.view(np.uint8).reshape(-1).data if array.nbytes else b""
        padding = bytes(-array.nbytes % _ALIGNED)
        file.write(data)
        file.write(padding)
        checksum = zlib.crc32(padding, zlib.crc32(data, checksum))
    file.seek(8)
    file.write(checksum.to_bytes(8, "little"))


def _read(mapped: mmap.mmap, identity: list[object]) -> Snapshot | None:
    length = int.from_bytes(mapped[:8], "little")
    checksum = int.from_bytes(mapped[8:_HEADER_BYTES], "little")
    view = memoryview(mapped)
    if zlib.crc32(view[_HEADER_BYTES:]) != checksum:
        return None
    # All of it was read for the checksum; what is never asked for need not stay.
    mapped.madvise(mmap.MADV_DONTNEED)
    header = json.loads(mapped[_HEADER_BYTES : _HEADER_BYTES + length])
    if header["of"] != identity:
        return None
    start = _HEADER_BYTES + length
    partitions = {
        (entry["tenant"], entry["namespace"]): {
            name: np.frombuffer(
                mapped, np.dtype(dtype), int(np.prod(shape)), start + offset
            ).reshape(shape)
            for name, (dtype, shape, offset) in entry["arrays"].items()
        }
        for entry in header["partitions"]
    }
    return Snapshot(header["commit_seq"], partitions)
