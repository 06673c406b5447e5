"""Storing what a reader found: in batches, repeatable, and with nothing lost in silence.

Repeating an import:
    The request id of every memory is a hash of what is stored, so a second import of the same file is
    a replay that changes nothing. A replay alone does not say that the memory is still what the file
    says: somebody may have overwritten it since. So each replayed one is read back, and is stored
    again where its version moved on.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from somamemory import codec
from somamemory.client import MemoryClient
from somamemory.errors import NotFound, SomaMemoryError
from somamemory.grouping import grouped
from somamemory.importers import Found, Unreadable
from somamemory.model import Receipt

_MAX_BATCH_ITEMS = 256
"""Large enough to share a commit among many, small enough for a smooth progress bar."""

_NO_MEMORY = (ValueError, TypeError, OverflowError, RecursionError)
"""What comes of values that no message can hold: text that is not Unicode, numbers that are none or too large."""

_DEFAULT_MESSAGE_BYTES = 4 * 1024 * 1024
_MESSAGE_RESERVE_BYTES = 4096
_ITEM_RESERVE_BYTES = 128


@dataclass
class Report:
    """What became of an import."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[Unreadable] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many memories were seen."""
        return self.created + self.updated + self.unchanged + len(self.refused)


@dataclass(frozen=True, slots=True)
class _Ready:
    found: Found
    size: int


class Loader:
    """Stores drafts in one namespace and keeps the report."""

    def __init__(
        self,
        client: MemoryClient,
        namespace: str,
        *,
        on_progress: Callable[[Report], None] = lambda _: None,
    ) -> None:
        self.report = Report()
        self._client = client
        self._namespace = namespace
        self._on_progress = on_progress

    def load(self, things: Iterable[Found | Unreadable]) -> None:
        """Store everything that was found.

        Raises:
            SomaMemoryError: A whole batch failed; the report says what was done before.
        """
        limits = self._client.server_info().limits
        most_bytes = (limits.max_message_bytes or _DEFAULT_MESSAGE_BYTES) - _MESSAGE_RESERVE_BYTES
        most_items = min(limits.max_batch_items or _MAX_BATCH_ITEMS, _MAX_BATCH_ITEMS)
        prepared = self._prepared(things, most_bytes)
        batches = grouped(
            prepared, lambda ready: ready.size, most_items=most_items, most_bytes=most_bytes
        )
        for batch in batches:
            self._store([ready.found for ready in batch])
            self._on_progress(self.report)

    def _prepared(self, things: Iterable[Found | Unreadable], most_bytes: int) -> Iterator[_Ready]:
        for thing in things:
            if isinstance(thing, Unreadable):
                self.report.refused.append(thing)
                continue
            try:
                body = codec.draft(thing.draft).SerializeToString(deterministic=True)
            except SomaMemoryError as error:
                self._refuse(thing, error)
                continue
            except _NO_MEMORY as error:
                self.report.refused.append(Unreadable(thing.place, f"is no memory: {error}"))
                continue
            if len(body) + _ITEM_RESERVE_BYTES > most_bytes:
                too_long = f"has {len(body)} bytes, more than one message may have"
                self.report.refused.append(Unreadable(thing.place, too_long))
                continue
            draft = replace(thing.draft, request_id=_request_id(self._namespace, body))
            yield _Ready(Found(draft, thing.place), len(body) + _ITEM_RESERVE_BYTES)

    def _store(self, batch: list[Found]) -> None:
        drafts = [found.draft for found in batch]
        outcomes = self._client.store_batch(drafts, namespace=self._namespace, allow_partial=True)
        for found, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, SomaMemoryError):
                self._refuse(found, outcome)
            elif outcome.replayed:
                self._confirm(found, outcome)
            else:
                self._count(outcome)

    def _confirm(self, found: Found, replayed: Receipt) -> None:
        """Count a replayed memory as unchanged if it is, else store it again over what it became."""
        try:
            current = self._client.get(replayed.id, namespace=self._namespace).version
        except NotFound:
            current = 0
        if current == replayed.version:
            self.report.unchanged += 1
            return
        again = replace(
            found.draft,
            request_id=f"{found.draft.request_id}-{replayed.commit_seq}-{current}",
            expected_version=current,
        )
        self._store_one(Found(again, found.place))

    def _store_one(self, found: Found) -> None:
        [outcome] = self._client.store_batch(
            [found.draft], namespace=self._namespace, allow_partial=True
        )
        if isinstance(outcome, SomaMemoryError):
            self._refuse(found, outcome)
        else:
            self._count(outcome)

    def _count(self, receipt: Receipt) -> None:
        if receipt.version == 1:
            self.report.created += 1
        else:
            self.report.updated += 1

    def _refuse(self, found: Found, error: SomaMemoryError) -> None:
        self.report.refused.append(Unreadable(found.place, str(error)))


def _request_id(namespace: str, body: bytes) -> str:
    whole = hashlib.sha256(len(namespace.encode()).to_bytes(4, "big") + namespace.encode() + body)
    return f"import-{whole.hexdigest()[:40]}"
