"""Delete memories: one, several, or all that pass a filter."""

from collections.abc import Sequence
from dataclasses import dataclass

from memory_server.domain import validation
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryRecord, MemoryRef, Receipt, Scope
from memory_server.domain.requests import body_digest
from memory_server.domain.validation import Violations
from memory_server.ports import DeleteWrite, RequestKey
from memory_server.usecases.engine import Engine
from memory_server.usecases.read import every_page
from soma_common.errors import Conflict, NotFound, SomaError


@dataclass(frozen=True, slots=True)
class DeleteCommand:
    """One memory that a caller wants to be deleted."""

    ref: MemoryRef
    request_id: str = ""
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge found and deleted; `commit_seq` 0: nothing was deleted."""

    matched_count: int
    deleted_count: int
    commit_seq: int


async def delete(engine: Engine, scope: Scope, command: DeleteCommand) -> Receipt:
    """Delete one memory with its versions and links.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such memory.
        Conflict, RequestIdReused, Overloaded, StorageFull, Unavailable: As the store says.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    _check(found, command)
    found.raise_if_any()
    return await engine.commit_one(_write(engine, scope, command))


async def delete_batch(
    engine: Engine, scope: Scope, commands: Sequence[DeleteCommand]
) -> list[Receipt | SomaError]:
    """Delete several memories; each is acknowledged or refused on its own, in their order.

    Raises:
        InvalidInput: The batch as a whole is not acceptable.
        Overloaded: None was taken.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_batch(found, "items", commands)
    found.raise_if_any()
    outcomes: list[Receipt | SomaError | None] = [_refusal(command) for command in commands]
    good = [place for place, outcome in enumerate(outcomes) if outcome is None]
    writes = [_write(engine, scope, commands[place]) for place in good]
    for place, outcome in zip(good, await engine.commit(writes) if writes else [], strict=True):
        if isinstance(outcome, Exception) and not isinstance(outcome, SomaError):
            raise outcome
        outcomes[place] = outcome
    return [outcome for outcome in outcomes if outcome is not None]


async def purge(
    engine: Engine, scope: Scope, given: Filter, *, dry_run: bool, everything: bool
) -> Purged:
    """Delete every memory that passes a filter, page by page.

    A memory that is written to meanwhile is judged anew; one that is stored meanwhile may stay.

    Raises:
        InvalidInput: With every violation; also for an empty filter that is not confirmed.
        NotFound: There is no such namespace.
        Overloaded, StorageFull, Unavailable: As the store says; what was deleted stays deleted.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_filter(found, given)
    is_confirmed = everything or given != Filter()
    found.require(is_confirmed, "filter", "must not be empty, unless everything is confirmed")
    found.raise_if_any()
    matched = deleted = commit_seq = 0
    async for page in every_page(engine, scope, given):
        matched += len(page)
        if not dry_run:
            receipts = await _delete_page(engine, scope, given, page)
            deleted += len(receipts)
            commit_seq = max([commit_seq, *(receipt.commit_seq for receipt in receipts)])
    return Purged(matched, deleted, commit_seq)


async def _delete_page(
    engine: Engine, scope: Scope, given: Filter, page: Sequence[MemoryRecord]
) -> list[Receipt]:
    receipts = []
    pending = list(page)
    while pending:
        now_us = engine.clock.now_us()
        writes = [
            DeleteWrite(scope, MemoryRef(id=one.id), now_us, read_seq=one.commit_seq)
            for one in pending
        ]
        changed = []
        for record, outcome in zip(pending, await engine.commit(writes), strict=True):
            if isinstance(outcome, Receipt):
                receipts.append(outcome)
            elif isinstance(outcome, Conflict):
                changed.append(record.id)
            elif not isinstance(outcome, NotFound):
                raise outcome
        now = await engine.store.get_by_id(scope, changed)
        pending = [one for one in now.values() if given.passes(one, engine.clock.now_us())]
    return receipts


def _write(engine: Engine, scope: Scope, command: DeleteCommand) -> DeleteWrite:
    digest = body_digest("delete", scope.namespace, command.ref, command.expected_version)
    request = RequestKey(command.request_id, digest) if command.request_id else None
    now_us = engine.clock.now_us()
    return DeleteWrite(scope, command.ref, now_us, request, command.expected_version)


def _check(found: Violations, command: DeleteCommand) -> None:
    validation.check_ref(found, "ref", command.ref)
    validation.check_request_id(found, command.request_id)
    validation.check_expected_version(found, command.expected_version, minimum=1)


def _refusal(command: DeleteCommand) -> SomaError | None:
    found = Violations()
    _check(found, command)
    return found.refusal()
