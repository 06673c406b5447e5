"""The chart gives the operator the rights that it uses, and no more."""

import pytest
import yaml

from soma_operator.core.kinds import POD_DISRUPTION_BUDGET, SOMA_MEMORY
from tests.support.audit import Trail
from tests.support.kube_api import KubeApi, Room, eventually
from tests.support.operator_process import OperatorProcess
from tests.support.operator_rooms import ACCOUNT, chart

Right = tuple[str, str, str]
"""API group, resource, verb."""


@pytest.mark.usefixtures("operator")
def test_every_right_is_used_and_none_is_missing(api: KubeApi, room: Room) -> None:
    """A story that needs all of them uses exactly the rights of the chart, and nothing is denied."""
    trail = Trail(api.plane.audit_log, ACCOUNT)
    room.make()
    room.run()
    room.edit({"spec": {"podDisruptionBudget": {"enabled": False}}})
    eventually(lambda: api.read(POD_DISRUPTION_BUDGET, room.namespace, "mem") is None or None)
    for storage_class in ("gold", "silver"):
        room.make("other", {"storage": {"embedded": {"storageClassName": storage_class}}})
        room.wait_for("Ready", "False", name="other")
        api.delete(SOMA_MEMORY, room.namespace, "other")

    used = eventually(lambda: used_rights(trail) if used_rights(trail) >= granted() else None,
                      or_say=lambda: f"never used: {granted() - used_rights(trail)}")  # fmt: skip

    assert used == granted()
    denied = [entry for entry in trail.entries() if entry["responseStatus"]["code"] in (401, 403)]
    assert denied == []


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
    """Reconciles, requests, queue and leadership are told to Prometheus."""
    room.make()
    room.run()

    text = operator.page("/metrics")[1]

    assert 'soma_operator_reconcile_seconds_count{result="changed"}' in text
    assert (
        'soma_operator_api_requests_total{code="201",resource="deployments",verb="apply"}' in text
    )
    assert "soma_operator_queue_depth" in text
    assert "soma_operator_is_leader 1.0" in text
