"""What a reconcile would change, in words for people."""

from collections.abc import Iterator
from typing import Any

from soma_operator.core.backup.restore import restore_problem
from soma_operator.core.conditions import aspects
from soma_operator.core.difference import differences
from soma_operator.core.kinds import DEPLOYMENT, Manifest, kind_of, name_of
from soma_operator.core.observed import Observed
from soma_operator.core.plan import Applied, Apply
from soma_operator.core.reconcile import Decision
from soma_operator.core.render.metadata import APPLIED_HASH_ANNOTATION
from soma_operator.core.situation import Situation

LONGEST_VALUE = 60
"""Characters of a value that are shown."""

TOLD = (
    "UpdatePending",
    "RolledBack",
    "Paused",
    "SecretsReady",
    "CertificateReady",
    "Monitored",
    "Autoscaled",
)
"""Conditions that tell why something does not happen."""


def explain(decision: Decision, observed: Observed) -> Iterator[str]:
    """Give the lines of a report: each write with the fields that differ, what becomes of the pods, and why."""
    for action in decision.plan.actions:
        if isinstance(action, Apply):
            yield from _applied(action.manifest, observed)
        else:
            yield f"- delete {_named(action.live)}"
    for obstacle in decision.plan.obstacles:
        what = "is still being deleted" if obstacle.is_leaving else "belongs to something else"
        yield f"! {_named(obstacle.manifest)} cannot be written: the one of that name {what}"
    yield from _notes(decision, observed)


def _applied(manifest: Manifest, observed: Observed) -> Iterator[str]:
    live = observed.child(kind_of(manifest), name_of(manifest))
    if live is None:
        yield f"+ create {_named(manifest)}"
        return
    yield f"~ change {_named(manifest)}"
    for one in differences(live, manifest):
        if not one.path.endswith(APPLIED_HASH_ANNOTATION):
            yield f"    {one.path}: {_shown(one.live)} -> {_shown(one.wished)}"


def _notes(decision: Decision, observed: Observed) -> Iterator[str]:
    applied = Applied(observed.children, (), (), is_complete=decision.is_complete)
    situation = Situation(decision.memory, observed, applied, decision.choice)
    for aspect in aspects(situation):
        if aspect.type in TOLD and not (
            aspect.type in ("SecretsReady", "CertificateReady", "Monitored")
            and aspect.status == "True"
        ):
            yield f"! {aspect.type}: {aspect.message}"
    unrestored = restore_problem(decision.memory, observed)
    if unrestored is not None:
        yield f"! no server starts yet: {unrestored.message}"
    live = observed.child(DEPLOYMENT, decision.memory.name)
    template = None if live is None else live["spec"]["template"]
    is_replaced = template is not None and any(
        differences(template, decision.choice.running.template)
    )
    if is_replaced and decision.memory.replicas.wished and not decision.memory.is_paused:
        yield "! new pods: the server is away while its pod is replaced"


def _named(manifest: Manifest) -> str:
    return f"{manifest['kind']} {name_of(manifest)}"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
