"""How GitOps tools read a SomaMemory: kstatus, which Flux rests on, and Argo CD by our own health check."""

import re
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from soma_dev.argocd import FILE, FOLDER
from soma_dev.paths import ROOT
from soma_operator.api.v1alpha1 import REJECT_ANNOTATION
from soma_operator.api.v1alpha1.backup import SomaMemoryBackup
from soma_operator.core.kinds import DEPLOYMENT, PERSISTENT_VOLUME_CLAIM, Manifest, kind_of
from soma_operator.core.observed import Observed
from soma_operator.core.plan import Applied
from soma_operator.core.published import format_time
from soma_operator.core.reconcile import Decision, Outcome, conclude, decide
from tests.support.gitops import Health, kstatus
from tests.support.lua import run_lua
from tests.support.somamemories import (
    DEFAULTS,
    NOW,
    a_somamemory,
    conditions_of,
    name_of_revision,
    observed_of,
    rendered,
    settled,
)

HEALTH = ROOT / FOLDER / "health.lua"
ACTIONS = ROOT / FOLDER / "actions"


def argo(resource: Manifest) -> str:
    answer = run_lua(HEALTH, resource)
    assert answer["message"]
    return str(answer["status"])


def but(kind: object, **status: object) -> tuple[Manifest, ...]:
    """Return settled children, one with another status."""
    children = deepcopy(settled())
    for child in children:
        if kind_of(child) == kind:
            child["status"] = {**child.get("status", {}), **status}
    return children


def told(observed: Observed, *, is_complete: bool = True) -> Manifest:
    """Return the resource with the status that the operator publishes."""
    decision = decide(observed)
    if isinstance(decision, Outcome):
        outcome = decision
    else:
        assert isinstance(decision, Decision)
        done = Applied(observed.children, (), (), is_complete=is_complete)
        outcome = conclude(observed, decision, done)
    return {**observed.resource, "status": outcome.status or dict(observed.status)}


def served(**status: Any) -> Manifest:
    """Return the status of a resource that serves, with differences."""
    return {**told(observed_of(children=settled()))["status"], **status}


LATE = {"observedGeneration": 1, "progressStartedAt": format_time(NOW), "conditions": []}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the contract.

    Attributes:
        verdict: What Ready, Reconciling and Stalled say; absent ones are not there.
    """

    name: str
    resource: Manifest
    verdict: dict[str, str]
    kstatus: Health
    argo: str
    conditions: set[str] = field(default_factory=set)


def row(
    name: str,
    observed: Observed,
    verdict: dict[str, str],
    health: Health,
    argo_health: str,
    *conditions: str,
) -> Row:
    return Row(name, told(observed), verdict, health, argo_health, set(conditions))


UNDER_WAY = {"Ready": "False", "Reconciling": "True"}
UNKNOWN = {"Ready": "Unknown", "Reconciling": "True"}
FAILED = {"Ready": "False", "Stalled": "True"}
DONE = {"Ready": "True"}

PAUSED = {"paused": True}
ASLEEP = {"hibernated": True}

CONTRACT = [
    row("just applied", observed_of(children=rendered()), UNKNOWN, "InProgress", "Progressing"),
    row(
        "rolling",
        observed_of(children=but(DEPLOYMENT, readyReplicas=0)),
        UNDER_WAY,
        "InProgress",
        "Progressing",
    ),
    row(
        "waiting for its volume",
        observed_of(children=but(PERSISTENT_VOLUME_CLAIM, phase="Pending")),
        UNDER_WAY,
        "InProgress",
        "Progressing",
    ),
    row("converged", observed_of(children=settled()), DONE, "Current", "Healthy"),
    row(
        "down after it was ready",
        observed_of(a_somamemory(status=served()), children=but(DEPLOYMENT, readyReplicas=0)),
        UNDER_WAY,
        "InProgress",
        "Progressing",
    ),
    row(
        "down for longer than the deadline",
        observed_of(
            a_somamemory(status=LATE), children=but(DEPLOYMENT, readyReplicas=0), later_s=600
        ),
        FAILED,
        "Failed",
        "Degraded",
    ),
    row(
        "a spec of another schema",
        observed_of(a_somamemory(spec={"replicas": "many"}), children=settled()),
        FAILED,
        "Failed",
        "Degraded",
    ),
    row(
        "its volume lost",
        observed_of(children=but(PERSISTENT_VOLUME_CLAIM, phase="Lost")),
        FAILED,
        "Failed",
        "Degraded",
    ),
    row(
        "paused when converged",
        observed_of(a_somamemory(spec=PAUSED), children=settled()),
        DONE,
        "Current",
        "Suspended",
        "Paused",
    ),
    row(
        "paused on the way",
        observed_of(a_somamemory(spec=PAUSED), children=rendered()),
        {"Ready": "Unknown"},
        "InProgress",
        "Suspended",
        "Paused",
    ),
    row(
        "asleep",
        observed_of(a_somamemory(spec=ASLEEP), children=settled(a_somamemory(spec=ASLEEP))),
        DONE,
        "Current",
        "Suspended",
        "Hibernated",
    ),
    row(
        "scaled to zero",
        observed_of(
            a_somamemory(spec={"replicas": 0}), children=settled(a_somamemory(spec={"replicas": 0}))
        ),
        DONE,
        "Current",
        "Healthy",
    ),
    row(
        "a new release waits",
        replace(
            observed_of(a_somamemory(status=served()), children=settled()),
            defaults=replace(DEFAULTS, server_image="registry.test/server:2"),
        ),
        DONE,
        "Current",
        "Healthy",
        "UpdatePending",
    ),
    row(
        "a supervised change waits",
        observed_of(
            a_somamemory(
                spec={
                    "updateStrategy": {"type": "Supervised"},
                    "monitoring": {"logLevel": "Debug"},
                },
                status=served(),
                generation=2,
            ),
            children=settled(),
        ),
        {"Ready": "Unknown"},
        "InProgress",
        "Suspended",
        "UpdatePending",
    ),
    row(
        "a revision is rejected",
        observed_of(
            a_somamemory(
                spec={"monitoring": {"logLevel": "Debug"}},
                annotations={
                    REJECT_ANNOTATION: name_of_revision(spec={"monitoring": {"logLevel": "Debug"}})
                },
                status=served(),
                generation=2,
            ),
            children=settled(),
        ),
        FAILED,
        "Failed",
        "Degraded",
        "RolledBack",
    ),
    row(
        "being deleted",
        observed_of(a_somamemory(status=served(), is_deleting=True), children=settled()),
        {"Ready": "True", "Reconciling": "True"},
        "Terminating",
        "Progressing",
    ),
    Row("never seen", a_somamemory(), {}, "InProgress", "Progressing"),
    Row(
        "an older generation seen",
        a_somamemory(generation=2, status=served()),
        {"Ready": "True"},
        "InProgress",
        "Progressing",
    ),
]


@pytest.mark.parametrize("line", CONTRACT, ids=lambda line: line.name)
def test_each_situation_is_read_as_agreed(line: Row) -> None:
    """The table of the contract: the verdict, what kstatus makes of it, and what Argo CD does."""
    conditions = conditions_of({"conditions": [], **line.resource["status"]})

    verdict = {
        kind: conditions[kind][0]
        for kind in ("Ready", "Reconciling", "Stalled")
        if kind in conditions
    }
    assert verdict == line.verdict
    assert kstatus(line.resource) == line.kstatus
    assert argo(line.resource) == line.argo
    assert line.conditions <= set(conditions)


AGREES = {
    "Terminating": {"Progressing"},
    "InProgress": {"Progressing", "Suspended"},
    "Failed": {"Degraded"},
    "Current": {"Healthy", "Suspended"},
}
"""What Argo CD may say of what kstatus says; only it knows that somebody holds a resource."""


@given(
    kinds=st.dictionaries(
        st.sampled_from(["Ready", "Reconciling", "Stalled", "Paused", "UpdatePending"]),
        st.sampled_from(["True", "False", "Unknown"]),
    ),
    seen=st.integers(0, 1),
    is_deleting=st.booleans(),
)
def test_both_tools_agree_on_any_status(
    kinds: dict[str, str], seen: int, is_deleting: bool
) -> None:
    """Whatever conditions there are, no tool waits for what the other takes for done or failed."""
    holds = {kind for kind, status in kinds.items() if status == "True"}
    if (
        "Ready" not in kinds
        or {"Reconciling", "Stalled"} <= holds
        or (holds & {"Paused"} and "Stalled" in holds)
    ):
        return  # Never published: the status is tested for it.
    conditions = [
        {"type": kind, "status": status, "message": "so"} for kind, status in kinds.items()
    ]
    status = {"observedGeneration": seen, "conditions": conditions}
    resource = a_somamemory(status=status, is_deleting=is_deleting)

    assert argo(resource) in AGREES[kstatus(resource)]


def test_a_resource_without_status_is_in_progress() -> None:
    """An application that was just synced does not pass its wave before the operator has looked."""
    resource = a_somamemory()
    del resource["status"]

    assert argo(resource) == "Progressing"


def act(name: str, resource: Manifest) -> dict[str, str]:
    """Return the annotations after an action, and check that it changed nothing else."""
    after = run_lua(ACTIONS / f"{name}.lua", resource)
    annotations = after["metadata"].pop("annotations", {})
    before = deepcopy(resource)
    before["metadata"].pop("annotations", None)
    assert {**after, "status": None} == {**before, "status": None}
    return dict(annotations)


def offered(resource: Manifest) -> set[str]:
    actions = run_lua(ACTIONS / "discovery.lua", resource)
    return {name for name, action in actions.items() if not action.get("disabled")}


@pytest.mark.parametrize(
    ("there", "back", "annotation", "value"),
    [
        ("pause", "resume", "memory.soma.sh/reconcile", "disabled"),
        ("hibernate", "wake", "memory.soma.sh/hibernated", "true"),
    ],
)
def test_actions_come_in_pairs(there: str, back: str, annotation: str, value: str) -> None:
    """Each action that holds a resource is offered until it is done, and then its opposite is."""
    before = a_somamemory()

    annotations = act(there, before)

    assert annotations == {annotation: value}
    after = a_somamemory(annotations=annotations)
    assert {there, back} & offered(before) == {there}
    assert {there, back} & offered(after) == {back}
    assert act(back, after) == {}


def test_a_restart_is_a_time() -> None:
    """Each restart is another value, and other annotations stay."""
    annotations = act("restart", a_somamemory(annotations={"team": "a"}))

    assert annotations["team"] == "a"
    assert annotations["memory.soma.sh/restartedAt"].endswith("Z")
    assert "restart" in offered(a_somamemory())


def test_an_approval_names_what_waits() -> None:
    """The action is offered while something waits, and the operator then lets that run."""
    waiting = next(line.resource for line in CONTRACT if line.name == "a new release waits")

    annotations = act("approve-update", waiting)

    assert annotations == {"memory.soma.sh/approved-revision": waiting["status"]["updateRevision"]}
    assert "approve-update" in offered(waiting)
    assert "approve-update" not in offered(a_somamemory(status=served()))


def test_a_way_back_is_offered_where_there_is_one() -> None:
    """What runs is rejected by name; then nothing but the undoing of it is offered."""
    names = {"currentRevision": "new", "updateRevision": "new", "lastGoodRevision": "new"}
    first = a_somamemory(status=served() | names)
    status = served() | names | {"earlierGoodRevision": "old"}
    before = a_somamemory(status=status)
    failing = a_somamemory(status=served() | names | {"lastGoodRevision": "old"})

    annotations = act("rollback", before)

    assert annotations == {"memory.soma.sh/rejected-revision": "new"}
    back = {"currentRevision": "old", "lastGoodRevision": "old", "failedRevision": "new"}
    after = a_somamemory(annotations=annotations, status=served() | names | back)
    ours = {"rollback", "undo-rollback"}
    assert [ours & offered(one) for one in (first, before, failing, after)] == [
        set(),
        {"rollback"},
        {"rollback"},
        {"undo-rollback"},
    ]
    assert act("undo-rollback", after) == {}


@pytest.mark.parametrize("name", ["memory", "a" * 39 + "-b", "a" * 63])
def test_a_copy_is_a_resource_of_its_own(name: str) -> None:
    """Kept where the schedule's are; it is offered where that is said, and the memory stays as it is."""
    target = {"type": "Volume", "volume": {"claimName": "backups"}}
    memory = a_somamemory(name, spec={"backup": {"target": target}})

    (made,) = run_lua(ACTIONS / "backup.lua", memory)

    resource = made["resource"]
    assert made["operation"] == "create"
    assert (resource["apiVersion"], resource["kind"]) == (memory["apiVersion"], "SomaMemoryBackup")
    assert resource["metadata"]["namespace"] == memory["metadata"]["namespace"]
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", resource["metadata"]["name"])
    spec = SomaMemoryBackup.model_validate({"spec": resource["spec"]}).spec
    assert spec.memory_ref.name == name
    assert spec.target.model_dump(by_alias=True, exclude_defaults=True, mode="json") == target
    assert "backup" in offered(memory)
    assert "backup" not in offered(a_somamemory())


def test_argo_cd_is_told_all_of_it() -> None:
    """The patch of Argo CD's ConfigMap holds the very scripts that were tested."""
    data = yaml.safe_load((ROOT / FILE).read_text())["data"]

    actions = yaml.safe_load(data["resource.customizations.actions.memory.soma.sh_SomaMemory"])
    assert data["resource.customizations.health.memory.soma.sh_SomaMemory"] == HEALTH.read_text()
    assert actions["discovery.lua"] == (ACTIONS / "discovery.lua").read_text()
    scripts = {one["name"]: one["action.lua"] for one in actions["definitions"]}
    assert scripts == {
        path.stem: path.read_text() for path in ACTIONS.glob("*.lua") if path.stem != "discovery"
    }
    assert set(scripts) == set(run_lua(ACTIONS / "discovery.lua", a_somamemory()))
