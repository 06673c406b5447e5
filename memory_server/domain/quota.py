"""How much may be stored: of a namespace by its policy, of a tenant by whoever runs the server."""

from collections.abc import Callable
from dataclasses import dataclass

from memory_server.domain.memory import Tenant
from soma_common.errors import QuotaExceeded


@dataclass(frozen=True, slots=True)
class Usage:
    """What is stored, or what a write would add; kept versions are not counted."""

    memories: int
    payload_bytes: int

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.memories + other.memories, self.payload_bytes + other.payload_bytes)

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.memories - other.memories, self.payload_bytes - other.payload_bytes)


@dataclass(frozen=True, slots=True)
class StorageQuota:
    """The most that may be stored; 0: no quota."""

    memories: int = 0
    payload_bytes: int = 0

    @property
    def is_unlimited(self) -> bool:
        """Whether it is no quota."""
        return not (self.memories or self.payload_bytes)

    def allows(self, usage: Usage) -> bool:
        """Tell whether so much may be stored."""
        return not (
            0 < self.memories < usage.memories or 0 < self.payload_bytes < usage.payload_bytes
        )


UNLIMITED = StorageQuota()

TenantQuotas = Callable[[Tenant], StorageQuota]
"""Tells how much a tenant may store now; asked at each store."""


def no_quotas(_tenant: Tenant) -> StorageQuota:
    """Let everybody store without end."""
    return UNLIMITED


@dataclass(frozen=True, slots=True)
class Allowance:
    """A quota, whose it is, and what it would be used for."""

    subject: str
    quota: StorageQuota
    usage: Usage

    @property
    def is_kept(self) -> bool:
        """Whether the quota allows the usage."""
        return self.quota.allows(self.usage)

    def require(self, freed: Usage) -> None:
        """Check the quota, given what can be freed.

        Raises:
            QuotaExceeded: It would be more all the same.
        """
        usage = self.usage - freed
        if 0 < self.quota.memories < usage.memories:
            message = "as many memories are stored as the quota allows"
            raise QuotaExceeded(message, subject=self.subject, quota=self.quota.memories)
        if 0 < self.quota.payload_bytes < usage.payload_bytes:
            message = "as many payload bytes are stored as the quota allows"
            raise QuotaExceeded(message, subject=self.subject, quota=self.quota.payload_bytes)
