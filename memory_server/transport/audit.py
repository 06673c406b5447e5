"""Who changed what: a line for every call that asks for more than to read, never with anything of a payload.

Rules:
    1. A line is written when the outcome is known and before the caller is told. Refused calls have one, too.
    2. What is written of messages is chosen by the names of fields: names, ids, numbers of things. A new field is not
       written until somebody adds it here.
    3. Where writing fails, calls go on; the log and a metric say that lines are missing, and the chain shows no gap
       that is not one.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from memory_server.ports import Clock
from memory_server.transport.auth import Principal
from memory_server.transport.metrics import ServerMetrics
from soma_common.audit_chain import FIRST, chained, line_of
from soma_common.errors import Unavailable

log = logging.getLogger(__name__)

MAX_IDS = 20
"""Ids of one message in a line; beyond them their number tells."""

MAX_CHARACTERS = 256

_WRITTEN = frozenset({"namespace", "request_id", "commit_seq", "replayed", "dry_run", "version"})
_IDS = frozenset({"id", "from_id", "to_id", "memory_id", "source_ids"})
_LOOKED_INTO = frozenset(
    {"ref", "refs", "from_ref", "to_ref", "memory", "receipt", "stored", "start", "items", "results", "memories"}
)  # fmt: skip
_MAX_DEPTH = 4

Write = Callable[[Mapping[str, Any]], None]


class AuditFile:
    """Appends lines to a file, going on with the chain that is in it.

    Raises:
        Unavailable: The file cannot be opened, or what is in it is no chain.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self.number, self.previous = self._end_of_chain(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            cause = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            message = "the audit file cannot be continued"
            raise Unavailable(message, file=str(path), cause=cause) from error

    def write(self, linked: Mapping[str, Any]) -> None:
        """Append one line.

        Raises:
            OSError: It is not, or not wholly, written.
        """
        line = (line_of(linked) + "\n").encode()
        size = os.fstat(self._file).st_size
        if os.write(self._file, line) != len(line):
            os.ftruncate(self._file, size)
            raise OSError("there was room for a part of the line only")

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)

    def _end_of_chain(self, path: Path) -> tuple[int, str]:
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, 1024 * 1024, max(0, size - 1024 * 1024))
        whole = tail[: tail.rfind(b"\n") + 1]
        if len(whole) < len(tail):
            # A crash in the middle of a line: it was never whole, and nobody was told of its outcome.
            os.ftruncate(self._file, size - (len(tail) - len(whole)))
            log.warning("the last audit line was written in part", extra={"file": str(path)})
        if not whole:
            return 0, FIRST
        last = json.loads(whole.splitlines()[-1])
        return int(last["number"]), str(last["hash"])


class AuditTrail:
    """Makes the lines.

    Args:
        clock: Tells when.
        metrics: Counts lines that could not be written.
        file: Where they go. None: to the log, as a chain for each start of the process.
    """

    def __init__(self, clock: Clock, metrics: ServerMetrics, file: AuditFile | None) -> None:
        self._clock = clock
        self._metrics = metrics
        self._write: Write = file.write if file else _write_to_log
        self._number, self._previous = (file.number, file.previous) if file else (0, FIRST)

    def record(
        self, method: str, principal: Principal | None, outcome: str, *messages: Message | None
    ) -> None:
        """Write one line.

        Args:
            method: Full name of the RPC.
            principal: Who called. None: somebody who was not let in.
            outcome: Name of the gRPC status.
            messages: The request and the response, as far as there are any.
        """
        entry: dict[str, Any] = {
            "time_us": self._clock.now_us(),
            "caller": principal.name if principal else "",
            "tenant": principal.tenant if principal else "",
            "method": method,
            "outcome": outcome,
        }
        for message in messages:
            if message is not None:
                _note(message, entry, 0)
        linked = chained(entry, self._number + 1, self._previous)
        try:
            self._write(linked)
        except OSError as error:
            self._metrics.audit_failures.inc()
            log.error("an audit line is missing", extra={"cause": str(error)})  # noqa: TRY400
            return
        self._number, self._previous = linked["number"], linked["hash"]


def _write_to_log(linked: Mapping[str, Any]) -> None:
    log.info("audit", extra={"audit": dict(linked)})


def _note(message: Message, entry: dict[str, Any], depth: int) -> None:
    """Add what may be written of a message."""
    for field, value in message.ListFields():
        if field.message_type is None:
            _note_scalar(field.name, value, entry)
            continue
        if field.message_type.GetOptions().map_entry:
            continue
        each = value if field.is_repeated else [value]
        if field.is_repeated:
            entry[f"{field.name}_count"] = entry.get(f"{field.name}_count", 0) + len(each)
        if field.name in _LOOKED_INTO and depth < _MAX_DEPTH:
            for one in each[:MAX_IDS]:
                _note(one, entry, depth + 1)


def _note_scalar(name: str, value: Any, entry: dict[str, Any]) -> None:
    if name in _IDS:
        _note_ids([value] if isinstance(value, str) else value, entry)
    elif name in _WRITTEN or name.endswith("_count"):
        entry[name] = _short(value)


def _note_ids(ids: Sequence[str], entry: dict[str, Any]) -> None:
    noted: list[str] = entry.setdefault("ids", [])
    for one in map(_short, ids):
        if one not in noted and len(noted) < MAX_IDS:
            noted.append(one)


def _short(value: Any) -> Any:
    """Return a value with a bounded length: refused requests may name anything."""
    return value[:MAX_CHARACTERS] if isinstance(value, str) else value
