"""The chart gives the operator the rights that it uses, and no more."""

import time
from pathlib import Path

import pytest
import yaml

from soma_operator.core.kinds import (
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    OPTIONAL_KINDS,
    POD_DISRUPTION_BUDGET,
    SOMA_MEMORY,
    SOMA_MEMORY_CLASS,
    Kind,
    Manifest,
)
from tests.support.audit import Trail
from tests.support.backups import SNAPSHOT, TARGET, BackupRoom
from tests.support.kube_api import KubeApi, Room, eventually
from tests.support.operator_process import OperatorProcess, plan
from tests.support.operator_rooms import ACCOUNT, a_room, chart, serve

Right = tuple[str, str, str]
"""API group, resource, verb."""


@pytest.mark.usefixtures("operator")
def test_every_right_is_used_and_none_is_missing(
    api: KubeApi, room: Room, operator_kubeconfig: Path
) -> None:
    """A story that needs all of them uses exactly the rights of the chart, and nothing is denied."""
    trail = Trail(api.plane.audit_log, ACCOUNT)
    story = trail.now()
    for kind in OPTIONAL_KINDS:
        serve(api, kind)
    room.secret("cert")
    room.make(spec=EVERYTHING)
    room.wait_for("Ready", "False", "ClassNotFound")
    gold = {"apiVersion": SOMA_MEMORY.api_version, "kind": SOMA_MEMORY_CLASS.name}
    api.apply({**gold, "metadata": {"name": "of-rights"}, "spec": {}}, "test")
    room.run()
    monitoring = {"logLevel": "Debug", "podMonitor": {"interval": "15s"}}
    room.edit(
        {
            "spec": {
                "monitoring": monitoring,
                "autoscaling": {"targetCPUUtilizationPercentage": 70},
                "tls": {"certManager": {"duration": "720h"}},
            }
        }
    )
    room.wait_for("Reconciling", "True")
    room.run()
    for trigger in ("1", "2"):
        keda = {"triggers": [{"type": "cpu", "metadata": {"value": trigger}}]}
        room.edit({"spec": {"autoscaling": {"type": "KEDA", "keda": keda}}})
        room.wait_for("Autoscaled", "True")
    plan(room.manifest(), "--live", kubeconfig=operator_kubeconfig)
    room.edit({"spec": NOTHING})
    gone = (POD_DISRUPTION_BUDGET, NETWORK_POLICY, HORIZONTAL_POD_AUTOSCALER, *OPTIONAL_KINDS)
    for kind in gone:
        wait_until_gone(room, kind)
    room.run()  # Of three revisions that served the first is not kept.
    for storage_class in ("gold", "silver"):
        room.make("other", {"storage": {"embedded": {"storageClassName": storage_class}}})
        room.wait_for("Ready", "False", name="other")
        api.delete(SOMA_MEMORY, room.namespace, "other")
    copy_and_leave(api, a_room(api))

    used = eventually(lambda: used_rights(trail) if used_rights(trail) >= granted() else None,
                      or_say=lambda: f"never used: {granted() - used_rights(trail)}")  # fmt: skip

    assert used == granted()
    assert denied(story) == set()


def copy_and_leave(api: KubeApi, room: Room) -> None:
    """Tell of a memory with copies: one of them goes, and at the end the memory after its last copy."""
    copies = BackupRoom(room)
    copies.claim("backups")
    keeping = {**SNAPSHOT["backup"], "schedule": "0 0 29 2 *", "retention": {"keepLast": 1}}
    made = room.make(spec={**SNAPSHOT, "backup": keeping})
    room.run()
    for name in ("first", "second"):
        copies.make(name, labels=copies.of_schedule(made))
        copies.finish(copies.job(name))
        copies.wait_phase(name, "Succeeded")
        time.sleep(1.1)  # ages are told in seconds
    copies.finish(copies.job("first", "removal"))
    eventually(lambda: copies.names() == ["second"] or None)
    api.delete(SOMA_MEMORY, room.namespace, "mem")
    last = eventually(lambda: next(iter(set(copies.names()) - {"second"}), None))
    copies.finish(copies.job(last))
    eventually(lambda: api.read(SOMA_MEMORY, room.namespace, "mem") is None or None)


EVERYTHING: Manifest = {
    "className": "of-rights",
    "resources": {"requests": {"cpu": "1"}},
    "autoscaling": {"type": "HPA"},
    "monitoring": {"podMonitor": {"enabled": True}},
    "tls": {
        "mode": "CertManager",
        "secretName": "cert",
        "certManager": {"issuerRef": {"name": "authority"}},
    },
    "service": {"headless": True},
}
"""A wish for all kinds of children."""

NOTHING: Manifest = {
    "autoscaling": None,
    "monitoring": None,
    "tls": None,
    "service": None,
    "networkPolicy": {"enabled": False},
    "podDisruptionBudget": {"enabled": False},
}
"""A change that takes back all that may be missing."""


def wait_until_gone(room: Room, kind: Kind) -> None:
    eventually(lambda: room.api.read(kind, room.namespace, "mem") is None or None)


def denied(trail: Trail) -> set[str]:
    return {
        f"{entry['verb']} {entry['requestURI']}: {entry['responseStatus'].get('message')}"
        for entry in trail.entries()
        if entry["responseStatus"]["code"] in (401, 403)
    }


def granted() -> set[Right]:
    rules = [
        rule
        for manifest in yaml.safe_load_all(chart())
        if manifest and manifest["kind"] in ("Role", "ClusterRole")
        for rule in manifest["rules"]
    ]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used_rights(trail: Trail) -> set[Right]:
    used: set[Right] = set()
    for entry in trail.entries():
        reference = entry["objectRef"]
        parts = [reference["resource"], reference.get("subresource")]
        resource = "/".join(part for part in parts if part)
        group = reference.get("apiGroup", "")
        used.add((group, resource, entry["verb"]))
        if entry["verb"] == "patch" and entry["responseStatus"]["code"] == 201:
            # Server-side apply that makes an object needs the right to create as well.
            used.add((group, resource, "create"))
    return used


@pytest.mark.parametrize("page", ["/livez", "/readyz"])
def test_a_working_operator_is_alive_and_ready(operator: OperatorProcess, page: str) -> None:
    """Both pages answer 200, and name what they looked at."""
    code, text = operator.page(page)

    assert code == 200
    assert "watches: ok" in text


@pytest.mark.usefixtures("operator")
def test_the_metrics_count_the_work(operator: OperatorProcess, room: Room) -> None:
    """Reconciles, requests, queue, leadership and the age of copies are told to Prometheus."""
    room.make(spec={"backup": {"target": TARGET, "schedule": "0 0 1 1 *"}})
    room.run()

    text = operator.page("/metrics")[1]

    assert 'soma_operator_reconcile_seconds_count{result="changed"}' in text
    assert (
        'soma_operator_api_requests_total{code="201",resource="deployments",verb="apply"}' in text
    )
    assert "soma_operator_queue_depth" in text
    assert "soma_operator_is_leader 1.0" in text
    whose = f'{{k8s_name="mem",k8s_namespace="{room.namespace}"}}'
    assert f"soma_operator_backup_verified_timestamp_seconds{whose}" in text
    assert f"soma_operator_backup_healthy{whose} 0.0" in text
