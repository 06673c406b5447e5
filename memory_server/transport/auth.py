"""Who calls. The tenant comes from here and from nowhere else: no request names one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import grpc

from memory_server.domain.memory import Tenant

Context = grpc.aio.ServicerContext[Any, Any]


class AccessScope(StrEnum):
    """What a credential allows; each method asks for one. None of them includes another."""

    READ = "read"
    WRITE = "write"
    LINK = "link"
    ADMIN = "admin"
    ERASE = "erase"


ALL_SCOPES = frozenset(AccessScope)


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller who has proved who they are."""

    tenant: Tenant
    scopes: frozenset[AccessScope] = ALL_SCOPES


class Authenticator(Protocol):
    """Turns a call's credential into a principal."""

    @property
    def name(self) -> str:
        """How callers prove who they are, for people."""
        ...

    def authenticate(self, context: Context) -> Principal:
        """Return who calls.

        Raises:
            PermissionRefused: The credential is missing or not accepted.
        """
        ...


class SingleTenant:
    """Lets everybody in as the tenant `default`; the server says so when it starts."""

    name = "none"

    def authenticate(self, context: Context) -> Principal:
        """See the protocol."""
        return Principal(Tenant("default"))
