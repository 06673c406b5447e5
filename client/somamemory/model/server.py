"""Facts about the server."""

from dataclasses import dataclass

from somamemory.model.memories import Durability


@dataclass(frozen=True)
class Limits:
    """What the server refuses beyond."""

    max_message_bytes: int
    max_payload_bytes: int
    max_text_bytes: int
    max_batch_items: int
    max_top_k: int
    max_page_size: int
    max_coordinate_dimensions: int
    max_link_depth: int
    request_id_ttl_s: int


@dataclass(frozen=True)
class ServerInfo:
    """The server's facts."""

    version: str
    store: str
    durability: Durability
    embedding_model: str
    embedding_dimensions: int
    limits: Limits
    commit_seq: int
    tenant: str
    authentication: str
    """`none` means that anybody is the tenant `default`."""


@dataclass(frozen=True)
class BackupSummary:
    """What the whole copy of a store must be.

    Attributes:
        commit_seq: The copy holds this commit and all before it.
        memory_count: Memories in the copy, of all tenants. None: the server is older and does not say.
    """

    size_bytes: int
    sha256: bytes
    commit_seq: int
    memory_count: int | None = None
