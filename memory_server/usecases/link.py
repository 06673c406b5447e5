"""Write and remove links."""

import dataclasses
import math
from dataclasses import dataclass

from memory_server.domain import limits, validation
from memory_server.domain.memory import MemoryLink, MemoryRef, Metadata, Receipt, Scope
from memory_server.domain.requests import body_digest
from memory_server.domain.validation import Violations
from memory_server.ports import LinkWrite, RequestKey, UnlinkWrite
from memory_server.usecases.engine import Engine

DEFAULT_TYPE = "related"

FOLLOWS, PART_OF = "follows", "part_of"
DERIVED_TYPES = frozenset({FOLLOWS, PART_OF})
"""Types of the links that the server derives; callers may write links of these types, too."""


@dataclass(frozen=True, slots=True)
class LinkCommand:
    """One link that a caller wants to be written; `type` empty means `related`."""

    from_ref: MemoryRef
    to_ref: MemoryRef
    type: str
    weight: float
    metadata: Metadata
    request_id: str = ""
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class UnlinkCommand:
    """Which link a caller wants to be removed; `type` empty means all from the one to the other."""

    from_ref: MemoryRef
    to_ref: MemoryRef
    type: str = ""
    request_id: str = ""


async def link(engine: Engine, scope: Scope, command: LinkCommand) -> Receipt:
    """Write one link, or overwrite the one with the same ends and type.

    Raises:
        InvalidInput: With every violation.
        NotFound: The namespace or one of the ends does not exist.
        Conflict, RequestIdReused, Overloaded, StorageFull, Unavailable: As the store says.
    """
    _check_link(scope, command)
    metadata = sorted(command.metadata.items())
    bare = dataclasses.replace(command, metadata={})
    digest = body_digest("link", scope.namespace, bare, metadata)
    write = LinkWrite(
        scope,
        command.from_ref,
        command.to_ref,
        command.type or DEFAULT_TYPE,
        command.weight,
        command.metadata,
        engine.clock.now_us(),
        RequestKey(command.request_id, digest) if command.request_id else None,
        command.expected_version,
    )
    return await engine.commit_one(write)


async def unlink(engine: Engine, scope: Scope, command: UnlinkCommand) -> Receipt:
    """Remove the links from one memory to another; the receipt's version counts them.

    Raises:
        InvalidInput: With every violation.
        NotFound: The namespace, one of the ends or the link does not exist.
        RequestIdReused, Overloaded, StorageFull, Unavailable: As the store says.
    """
    found = Violations()
    _check_ends(found, scope, command)
    found.raise_if_any()
    digest = body_digest("unlink", scope.namespace, dataclasses.replace(command, request_id=""))
    request = RequestKey(command.request_id, digest) if command.request_id else None
    now_us = engine.clock.now_us()
    return await engine.commit_one(
        UnlinkWrite(scope, command.from_ref, command.to_ref, command.type, now_us, request)
    )


def check_edge(found: Violations, path: str, edge: MemoryLink) -> None:
    """Check a link whose ends are named by their ids."""
    for name, end in (("from_id", edge.from_id), ("to_id", edge.to_id)):
        validation.check_name(found, f"{path}.{name}", end, limits.MAX_ID_BYTES)
    validation.check_name(found, f"{path}.type", edge.type, limits.MAX_LINK_TYPE_BYTES)
    _check_weight(found, f"{path}.weight", edge.weight)
    validation.check_metadata(found, f"{path}.metadata", edge.metadata)


def _check_weight(found: Violations, path: str, weight: float) -> None:
    found.require(math.isfinite(weight) and weight >= 0, path, "must be finite and not negative")


def _check_link(scope: Scope, command: LinkCommand) -> None:
    found = Violations()
    _check_ends(found, scope, command)
    _check_weight(found, "weight", command.weight)
    validation.check_metadata(found, "metadata", command.metadata)
    validation.check_expected_version(found, command.expected_version)
    found.raise_if_any()


def _check_ends(found: Violations, scope: Scope, command: LinkCommand | UnlinkCommand) -> None:
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "from_ref", command.from_ref)
    validation.check_ref(found, "to_ref", command.to_ref)
    if command.type:
        validation.check_name(found, "type", command.type, limits.MAX_LINK_TYPE_BYTES)
    validation.check_request_id(found, command.request_id)
