"""Who calls. The tenant comes from here and from nowhere else: no request names one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from memory_server.domain.memory import Tenant
from memory_server.domain.quota import UNLIMITED, StorageQuota
from memory_server.transport.context import Context


class AccessScope(StrEnum):
    """What a credential allows; each method asks for one. None of them includes another.

    `backup` reads the memories of all tenants: it is for those who run the server.
    """

    READ = "read"
    WRITE = "write"
    LINK = "link"
    ADMIN = "admin"
    ERASE = "erase"
    BACKUP = "backup"


ALL_SCOPES = frozenset(AccessScope)


@dataclass(frozen=True, slots=True)
class TenantQuota:
    """How much a tenant may ask of this server, None: what the settings say; and how much it may store."""

    requests_per_s: float | None = None
    bytes_per_s: float | None = None
    storage: StorageQuota = UNLIMITED


NO_QUOTA = TenantQuota()


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller who has proved who they are.

    Attributes:
        tenant: Whose memories.
        scopes: What they may.
        name: Name of the credential, for the audit log.
        expires_at_us: End of the credential, microseconds since the epoch; None: it has none.
        credential: Tells credentials of the same name apart; no secret.
    """

    tenant: Tenant
    scopes: frozenset[AccessScope] = ALL_SCOPES
    name: str = ""
    expires_at_us: int | None = None
    credential: str = field(default="", repr=False)


class Authenticator(Protocol):
    """Turns a call's credential into a principal."""

    @property
    def name(self) -> str:
        """How callers prove who they are, for people."""
        ...

    def authenticate(self, context: Context) -> Principal:
        """Return who calls.

        Raises:
            Unauthenticated: The credential is missing or not accepted.
        """
        ...

    def is_current(self, principal: Principal) -> bool:
        """Tell whether the credential would still be accepted; a stream outlives the moment of its check."""
        ...

    def quota(self, tenant: Tenant) -> TenantQuota:
        """Return how much a tenant may ask for and store, as it is now."""
        ...


class SingleTenant:
    """Lets everybody in as the tenant `default`; the server says so when it starts."""

    name = "none"

    def authenticate(self, context: Context) -> Principal:
        """See the protocol."""
        return _EVERYBODY

    def is_current(self, principal: Principal) -> bool:
        """See the protocol."""
        return True

    def quota(self, tenant: Tenant) -> TenantQuota:
        """See the protocol: the settings bound how much is asked for, the namespaces' own quotas what is stored."""
        return NO_QUOTA

    async def watch(self, checked: Callable[[], None]) -> None:
        """There is nothing to watch."""


_EVERYBODY = Principal(Tenant("default"), name="everybody")
