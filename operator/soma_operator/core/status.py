"""From findings to the status that GitOps tools and people read.

Rule 1: `observedGeneration` and everything computed from that generation are published together.
Rule 2: `Reconciling` and `Stalled` exist only while True, and never both.
Rule 3: a condition's time moves only when its status does; nothing in the status beats like a heart.
Rule 4: what may still mend itself is Reconciling until the progress deadline, and Stalled from then on.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from soma_operator.api.v1alpha1 import HTTP_PORT, UpdateStrategy
from soma_operator.core.backup.schedule import backup_fields
from soma_operator.core.conditions import aspects
from soma_operator.core.kinds import Manifest, name_of
from soma_operator.core.observed import Observed
from soma_operator.core.pods import RESTORING, Finding
from soma_operator.core.problems import ROLLING, find_problem
from soma_operator.core.published import Aspect, Status, dated, format_time, parse_time
from soma_operator.core.render.metadata import selector_of
from soma_operator.core.resolve import ResolvedMemory, restored_from
from soma_operator.core.revision import Choice
from soma_operator.core.situation import Situation, capacity_of

CONDITION_TYPES = (
    "Ready",
    "Reconciling",
    "Stalled",
    "Available",
    "StorageReady",
    "SecretsReady",
    "CertificateReady",
    "Monitored",
    "Autoscaled",
    "BackupHealthy",
    "ResizePending",
    "UpdatePending",
    "RolledBack",
    "Hibernated",
    "Paused",
)
"""Every condition that may be published, in the order of publishing."""


LEAVING = Finding("Deleting", "the resource is being deleted")


def opening_status(memory: ResolvedMemory, choice: Choice, observed: Observed) -> Status:
    """Return the first status of a new generation, from before anything was done for it."""
    finding = Finding("Progressing", ROLLING, is_known=False)
    kept = _lasting(observed)
    # Told before they are made: nothing else tells a later look that they are there to be removed.
    known = {aspect.type for aspect in kept}
    kept += [one for one in _unwatched(finding, memory) if one.type not in known]
    fields = {**_kept_fields(observed), **_wished_fields(memory, choice)}
    verdict = _verdict(finding, memory, observed, choice)
    return _document(observed, [*verdict, *kept], fields, "Progressing")


def status_of(situation: Situation) -> Status:
    """Return the status of a resource whose plan was carried out."""
    memory = situation.memory
    problem = find_problem(situation)
    told = aspects(situation)
    verdict, phase = _judged(situation, problem, told)
    fields = {
        **_wished_fields(memory, situation.choice),
        **_revisions(situation, is_good=problem is None),
        **_counters(situation),
        **backup_fields(memory, situation.observed),
    }
    return _document(situation.observed, [*verdict, *told], fields, phase)


def _judged(
    situation: Situation, problem: Finding | None, told: tuple[Aspect, ...]
) -> tuple[list[Aspect], str]:
    """Return what Ready, Reconciling and Stalled say, and the phase."""
    memory, choice = situation.memory, situation.choice
    if memory.is_paused:
        return [
            _held(situation, problem, "Paused", "paused before the wish was fulfilled")
        ], "Paused"
    taken_back = next((one for one in told if one.type == "RolledBack"), None)
    if taken_back is not None and taken_back.status == "True":
        finding = Finding(taken_back.reason, taken_back.message, is_final=True)
        return _verdict(finding, memory, situation.observed, choice), "RolledBack"
    if choice.keeps_wish_waiting and problem is None:
        text = "a change of the spec waits, as spec.updateStrategy says"
        return [Aspect("Ready", "Unknown", "UpdatePending", text)], "UpdatePending"
    verdict = _verdict(problem, memory, situation.observed, choice)
    return verdict, _phase(verdict, memory)


def invalid_status(finding: Finding, observed: Observed) -> Status:
    """Return the status of a resource that cannot be understood; what ran before goes on running."""
    verdict = [
        Aspect("Ready", "False", finding.reason, finding.message),
        Aspect("Stalled", "True", finding.reason, finding.message),
    ]
    return _document(
        observed, [*verdict, *_as_it_was(observed)], _fields_as_they_were(observed), "Stalled"
    )


def held_up_status(problem: Finding, memory: ResolvedMemory, observed: Observed) -> Status:
    """Return the status of a resource whose wish is not known as a whole yet; what ran before goes on running."""
    verdict = _verdict(problem, memory, observed)
    fields = _fields_as_they_were(observed)
    return _document(observed, [*verdict, *_as_it_was(observed)], fields, _phase(verdict, memory))


def deleting_status(observed: Observed, finding: Finding = LEAVING) -> Status:
    """Return the status of a resource that waits for the end of its children, or for its last copy."""
    kept = [aspect for aspect in _published(observed) if aspect.type not in _ABNORMAL]
    if not any(aspect.type == "Ready" for aspect in kept):
        kept.insert(0, Aspect("Ready", "Unknown", "Deleting", "the resource is being deleted"))
    leaving = Aspect("Reconciling", "True", finding.reason, finding.message)
    return _document(observed, [*kept, leaving], _kept_fields(observed), "Deleting")


def deadline_of(status: Status, strategy: UpdateStrategy) -> datetime | None:
    """Return when a change that is under way becomes a stalled one."""
    started = status.get("progressStartedAt")
    if started is None:
        return None
    return parse_time(started) + timedelta(seconds=strategy.progress_deadline_seconds)


def _lasting(observed: Observed) -> list[Aspect]:
    """Return what was told of earlier generations and holds for the next one, too."""
    return [aspect for aspect in _published(observed) if aspect.type not in _OF_A_GENERATION]


def _as_it_was(observed: Observed) -> list[Aspect]:
    """Return what holds as long as nothing is done: what was taken back stays so until another generation."""
    taken_back = [one for one in _published(observed) if one.type == "RolledBack"]
    return [*_lasting(observed), *([] if observed.is_new_generation else taken_back)]


def _fields_as_they_were(observed: Observed) -> Status:
    failed = observed.status.get("failedRevision")
    is_known = failed is not None and not observed.is_new_generation
    return {**_kept_fields(observed), **({"failedRevision": failed} if is_known else {})}


def _unwatched(finding: Finding, memory: ResolvedMemory) -> list[Aspect]:
    """Return conditions of wished children that are not watched."""
    wished = {
        "CertificateReady": memory.spec.tls.cert_manager is not None,
        "Monitored": memory.spec.monitoring.pod_monitor.enabled,
        "Autoscaled": memory.spec.autoscaling.type == "KEDA",
    }
    return [
        Aspect(kind, "Unknown", finding.reason, finding.message)
        for kind, is_wished in wished.items()
        if is_wished
    ]


_ABNORMAL = ("Reconciling", "Stalled")

_OF_A_GENERATION = ("Ready", *_ABNORMAL, "UpdatePending", "RolledBack")
"""Conditions that say nothing about the next generation."""


def _verdict(
    problem: Finding | None,
    memory: ResolvedMemory,
    observed: Observed,
    choice: Choice | None = None,
) -> list[Aspect]:
    if problem is None:
        return [_ready(memory)]
    ready = Aspect(
        "Ready", "False" if problem.is_known else "Unknown", problem.reason, problem.message
    )
    if problem.is_final:
        return [ready, Aspect("Stalled", "True", problem.reason, problem.message)]
    running = None if choice is None else choice.running.name
    started = _progress_started_at(observed, running, problem.reason)
    deadline = deadline_of({"progressStartedAt": started}, memory.spec.update_strategy)
    if deadline is None or observed.now < deadline or problem.is_patient:
        return [ready, Aspect("Reconciling", "True", problem.reason, problem.message)]
    late = _overdue(problem, memory)
    return [
        Aspect("Ready", "False", late.reason, late.message),
        Aspect("Stalled", "True", late.reason, late.message),
    ]


def _overdue(problem: Finding, memory: ResolvedMemory) -> Finding:
    if problem.reason != "Progressing":
        return problem
    seconds = memory.spec.update_strategy.progress_deadline_seconds
    text = f"no success within {seconds} seconds: {problem.message}; see the pods and their events"
    return Finding("ProgressDeadlineExceeded", text)


def _ready(memory: ResolvedMemory) -> Aspect:
    if memory.is_hibernated:
        return Aspect("Ready", "True", "Hibernated", "asleep as wished; the data is kept")
    if memory.replicas.wished == 0:
        return Aspect("Ready", "True", "ScaledToZero", "stopped as wished; the data is kept")
    return Aspect("Ready", "True", "Ready", f"serving on {_address(memory)}")


def _held(situation: Situation, problem: Finding | None, reason: str, message: str) -> Aspect:
    if problem is None and situation.applied.is_complete:
        return _ready(situation.memory)
    return Aspect("Ready", "Unknown", reason, message)


def _phase(verdict: list[Aspect], memory: ResolvedMemory) -> str:
    types = {aspect.type for aspect in verdict}
    if "Stalled" in types:
        return "Stalled"
    if "Reconciling" in types:
        return "Progressing"
    if memory.is_hibernated:
        return "Hibernated"
    return "Stopped" if memory.replicas.wished == 0 else "Ready"


_HELD_UP = (RESTORING, "SecretNotFound", "ClassNotFound")
"""Reasons for which no pod could have begun."""


def _progress_started_at(observed: Observed, running: str | None, reason: str) -> str:
    """Return since when the resource is on its way.

    A new generation starts anew, so does leaving Ready, a revision that has not run before, and the end of what held
    everything up: each is to have the whole time.

    Args:
        observed: What was seen.
        running: Name of the revision that is to run now; None: as before.
        reason: Why the resource is not ready.
    """
    status = observed.status
    started: str | None = status.get("progressStartedAt")
    is_another = running is not None and status.get("currentRevision") not in (None, running)
    told = (observed.condition("Ready") or {}).get("reason")
    is_let_go = told in _HELD_UP and reason not in _HELD_UP
    if observed.is_new_generation or started is None or is_another or is_let_go:
        return format_time(observed.now)
    return started


def _document(
    observed: Observed, found: list[Aspect], fields: Mapping[str, Any], phase: str
) -> Status:
    ordered = sorted(found, key=lambda aspect: CONDITION_TYPES.index(aspect.type))
    status: Status = {
        "observedGeneration": observed.metadata["generation"],
        "phase": phase,
        "conditions": dated(
            ordered, observed.status, observed.metadata["generation"], observed.now
        ),
        **fields,
        "operatorVersion": observed.defaults.operator_version,
    }
    ready = next(aspect for aspect in found if aspect.type == "Ready")
    if phase in ("Progressing", "Stalled", "RolledBack") and ready.status != "True":
        running = fields.get("currentRevision")
        status["progressStartedAt"] = _progress_started_at(observed, running, ready.reason)
    return status


def _published(observed: Observed) -> list[Aspect]:
    return [
        Aspect(one["type"], one["status"], one["reason"], one["message"])
        for one in observed.status.get("conditions", [])
        if one["type"] in CONDITION_TYPES
    ]


_COUNTERS = ("replicas", "readyReplicas", "updatedReplicas", "storage", "backup")
_WISHED = (
    "selector",
    "image",
    "version",
    "endpoints",
    "currentRevision",
    "lastGoodRevision",
    "earlierGoodRevision",
)


def _kept_fields(observed: Observed) -> Status:
    return {
        name: observed.status[name] for name in (*_COUNTERS, *_WISHED) if name in observed.status
    }


def _revisions(situation: Situation, *, is_good: bool) -> Status:
    choice = situation.choice
    has_served = is_good and situation.applied.is_complete and situation.memory.replicas.wished > 0
    last_good, earlier_good = choice.last_good, choice.earlier_good
    if has_served and (last_good is None or last_good.name != choice.running.name):
        last_good, earlier_good = choice.running, last_good
    revisions = {
        "lastGoodRevision": last_good,
        "earlierGoodRevision": earlier_good,
        "failedRevision": choice.failed,
    }
    return {name: revision.name for name, revision in revisions.items() if revision is not None}


def _wished_fields(memory: ResolvedMemory, choice: Choice) -> Status:
    host = f"{memory.name}.{memory.namespace}.svc"
    labels = selector_of(memory.name)
    return {
        "selector": ",".join(f"{name}={value}" for name, value in sorted(labels.items())),
        "currentRevision": choice.running.name,
        "updateRevision": choice.newest.name,
        "image": choice.running.image,
        "version": choice.running.version,
        "endpoints": {"grpc": _address(memory), "http": f"{host}:{HTTP_PORT}"},
    }


def _address(memory: ResolvedMemory) -> str:
    return f"{memory.name}.{memory.namespace}.svc:{memory.spec.service.port}"


def _counters(situation: Situation) -> Status:
    live: Manifest = (situation.deployment or {}).get("status", {})
    counters: Status = {
        name: live.get(name, 0) for name in ("replicas", "readyReplicas", "updatedReplicas")
    }
    storage: Status = {"type": situation.memory.spec.storage.type}
    if situation.claim is not None:
        storage["claimName"] = name_of(situation.claim)
        capacity = capacity_of(situation.claim)
        if capacity is not None:
            storage["capacity"] = capacity
    source = restored_from(situation.observed)
    if source is not None:
        storage["restoredFrom"] = source
    return {**counters, "storage": storage}
