"""Moving, summing up, judging and erasing memories."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from somamemory.errors import SomaMemoryError
from somamemory.model.memories import Draft, Memory, Receipt, Version
from somamemory.model.values import Ref


class ConflictPolicy(StrEnum):
    """What becomes of a memory that meets another one at its id or coordinate."""

    REFUSE = "refuse"
    SKIP = "skip"
    OVERWRITE = "overwrite"


@dataclass(frozen=True)
class Moved:
    """A memory as it moves."""

    memory: Memory
    embedding: bytes = b""
    """Little-endian float32; empty: not sent, or none."""
    versions: tuple[Version, ...] = ()
    """Older ones, oldest first."""


@dataclass(frozen=True)
class ExportSummary:
    """The end of an export; the versions that were left out would have made a message too large."""

    commit_seq: int
    memory_count: int
    link_count: int
    left_out_version_count: int = 0


@dataclass(frozen=True)
class Reject:
    """A memory or link that was not taken: its position in the whole import, its id, and why."""

    position: int
    id: str
    error: SomaMemoryError


@dataclass(frozen=True)
class ImportProgress:
    """What became of an import until now."""

    stored_count: int
    skipped_count: int
    linked_count: int
    rejected_count: int
    commit_seq: int
    rejects: tuple[Reject, ...] = ()
    """Those since the progress before."""


@dataclass(frozen=True)
class Summary:
    """A memory that a caller made, and what it sums up."""

    draft: Draft
    sources: Sequence[Ref]


@dataclass(frozen=True)
class Consolidated:
    """One summary that was written, would be, or was there already."""

    id: str
    text: str
    source_ids: tuple[str, ...]
    created: bool


@dataclass(frozen=True)
class Consolidation:
    """What a consolidation did; its id undoes it. `truncated`: there are more than `memories` lists."""

    id: str
    memories: tuple[Consolidated, ...]
    commit_seq: int
    truncated: bool = False


@dataclass(frozen=True)
class Judged:
    """What an outcome did: a receipt, the importance now, and the id of the correction, if any."""

    receipt: Receipt
    importance: float
    correction_id: str


@dataclass(frozen=True)
class ErasureReceipt:
    """Proof of an erasure, signed by the store: counts and digests, nothing of what was erased."""

    message: bytes
    """The receipt as `soma.memory.v1.ErasureReceipt`: what the signature is about."""
    id: str
    erase_time: datetime | None
    memory_count: int
    version_count: int
    link_count: int
    swept: tuple[str, ...]
    pending: tuple[str, ...]
    """What the server still sweeps by itself, because something read what was there before; `verify_erasure` tells
    when it is done."""
    public_key: bytes


@dataclass(frozen=True)
class Verification:
    """Whether a receipt is authentic, how much of the subject is there now, and what is still to be swept."""

    authentic: bool
    remaining_count: int
    pending: tuple[str, ...] = ()
