"""Take in how well a memory served: its importance follows, and what is right instead is linked to it."""

import contextlib
import hashlib
import math
import sys
from dataclasses import dataclass
from functools import partial

from memory_server.domain import validation
from memory_server.domain.memory import (
    MemoryDraft,
    MemoryId,
    MemoryKind,
    MemoryRecord,
    MemoryRef,
    Receipt,
    Scope,
)
from memory_server.domain.requests import first_outcome_digest, outcome_digest
from memory_server.domain.validation import Violations
from memory_server.ports import RequestKey
from memory_server.usecases import link, store, update
from memory_server.usecases.engine import Engine
from soma_common.errors import Conflict, NotFound

CORRECTS = "corrects"
"""Type of the link from a correction to what it corrects."""

STEP = 0.25
"""Share of its size by which a full outcome moves the importance; four misleading answers bring 1 down to about 0.3."""

ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """How well a memory served, from -1 to 1, and what is right instead, if anything."""

    ref: MemoryRef
    value: float
    correction: MemoryDraft | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """The receipt and the importance of the judged memory, 0 if it is gone; and the id of its correction, if any."""

    receipt: Receipt
    importance: float
    correction_id: str


async def report(engine: Engine, scope: Scope, outcome: Outcome) -> Judged:
    """Store the correction, link it, then move the importance: each step is safe to repeat by the request id.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such memory.
        RequestIdReused: The request id is that of another outcome, correction or value.
        Conflict, AlreadyExists, QuotaExceeded, Overloaded, StorageFull, Unavailable: As the store says.
    """
    _check(engine, scope, outcome)
    request = _request_key(scope, outcome)
    if request and (known := await engine.store.replayed(scope.tenant, request)):
        return await _answered_again(engine, scope, outcome, known)
    judged = await engine.store.get(scope, outcome.ref, engine.clock.now_us())
    correction_id = ""
    if outcome.correction is not None:
        _check_that_it_stays(judged, outcome.correction)
        correction_id = await _correct(engine, scope, outcome, judged)
    for attempt in range(ATTEMPTS):
        record = await engine.store.get_whole(scope, outcome.ref, engine.clock.now_us())
        importance = moved_importance(record.importance, outcome.value)
        changed = record._replace(importance=importance)
        try:
            receipt = await update.write_version(engine, scope, record, changed, request)
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
            continue
        return Judged(receipt, importance, correction_id)
    raise AssertionError("the last attempt returns or raises")


def moved_importance(importance: float, outcome: float) -> float:
    """Return a raw importance after an outcome in [-1, 1]; it grows with good outcomes and shrinks with bad ones.

    It stays finite, however often it grows: what is infinite cannot be compared with anything in a ranking.
    """
    moved = importance + STEP * outcome * max(abs(importance), 1.0)
    return max(-sys.float_info.max, min(moved, sys.float_info.max))


def _check_that_it_stays(judged: MemoryRecord, correction: MemoryDraft) -> None:
    found = Violations()
    message = "must be another memory's than the judged one's, which stays as it is"
    found.require(correction.id != judged.id, "correction.id", message)
    is_elsewhere = correction.coordinate is None or correction.coordinate != judged.coordinate
    found.require(is_elsewhere, "correction.coordinate", message)
    found.raise_if_any()


async def _answered_again(engine: Engine, scope: Scope, outcome: Outcome, known: Receipt) -> Judged:
    """Return the answer to an outcome of which every step was carried out before, whatever has become of it since."""
    correction_id, importance = "", 0.0
    if outcome.correction is not None:
        key = store.request_key(scope, _correction(outcome, outcome.correction))
        stored = await engine.store.replayed(scope.tenant, key) if key else None
        correction_id = stored.memory_id if stored else ""
    with contextlib.suppress(NotFound):
        judged = await engine.store.get(scope, outcome.ref, engine.clock.now_us())
        importance = judged.importance
    return Judged(known, importance, correction_id)


async def _correct(engine: Engine, scope: Scope, outcome: Outcome, judged: MemoryRecord) -> str:
    assert outcome.correction is not None
    stored = await store.store(engine, scope, _correction(outcome, outcome.correction))
    ends = MemoryRef(id=MemoryId(stored.memory_id)), MemoryRef(id=judged.id)
    edge = link.LinkCommand(*ends, CORRECTS, 1.0, {}, _request_id(outcome, "link"))
    await link.link(engine, scope, edge)
    return stored.memory_id


def _correction(outcome: Outcome, draft: MemoryDraft) -> store.StoreCommand:
    return store.StoreCommand(draft, _request_id(outcome, "correction"))


def _request_key(scope: Scope, outcome: Outcome) -> RequestKey | None:
    if not outcome.request_id:
        return None
    body = (scope.namespace, outcome.ref, outcome.value)
    digest = outcome_digest(*body, outcome.correction)
    request_id = _request_id(outcome, "importance")
    return RequestKey(request_id, digest, partial(first_outcome_digest, *body))


def _request_id(outcome: Outcome, step: str) -> str:
    """Return the request id of one step; none when the caller gave none."""
    if not outcome.request_id:
        return ""
    return hashlib.sha256(f"{step}:{outcome.request_id}".encode()).hexdigest()


def _check(engine: Engine, scope: Scope, outcome: Outcome) -> None:
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "ref", outcome.ref)
    is_right = math.isfinite(outcome.value) and -1 <= outcome.value <= 1
    found.require(is_right, "outcome", "must be from -1 to 1")
    if outcome.correction is not None:
        validation.check_draft(found, outcome.correction, engine.limits, "correction")
        is_semantic = outcome.correction.kind == MemoryKind.SEMANTIC
        found.require(is_semantic, "correction.kind", "must be semantic, or not set")
    validation.check_request_id(found, outcome.request_id)
    found.raise_if_any()
