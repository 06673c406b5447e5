"""An operator for single namespaces has rights in these alone, and they are enough."""

from pathlib import Path

import pytest

from soma_operator.adapters.access import of_kubeconfig
from soma_operator.core.kinds import POD_DISRUPTION_BUDGET
from tests.support.audit import Trail
from tests.support.kube_api import KubeApi, Refused, Room, eventually, path_of
from tests.support.operator_rooms import (
    a_room,
    an_operator,
    apply_chart,
    chart,
    kubeconfig_of_the_operator,
)


@pytest.mark.parametrize("count", [1, 2], ids=["one namespace", "two namespaces"])
def test_rights_in_the_served_namespaces_are_enough(
    api: KubeApi, tmp_path: Path, count: int
) -> None:
    """With the chart's rights for these namespaces memories become ready; nothing is denied or asked elsewhere."""
    home, elsewhere = a_room(api), a_room(api)
    served = [a_room(api) for _ in range(count)]
    names = ",".join(room.namespace for room in served)
    values = (f"watchNamespaces={{{names}}}", "crds.install=false")
    apply_chart(api.plane, chart(home.namespace, *values))
    kubeconfig = kubeconfig_of_the_operator(api, tmp_path / "config", home.namespace)
    account = f"system:serviceaccount:{home.namespace}:soma-operator"
    trail = Trail(api.plane.audit_log, account)
    elsewhere.make()

    operator = an_operator(
        kubeconfig, tmp_path, namespace=home.namespace, watch_namespaces=names, resync_s=1
    )
    with operator:
        operator.wait_leading()
        for room in served:
            room.make()
            room.run()
            room.edit({"spec": {"podDisruptionBudget": {"enabled": False}}})
            wait_until_gone(room)

    entries = list(trail.entries())
    assert [one for one in entries if one["responseStatus"]["code"] in (401, 403)] == []
    touched = {one["objectRef"].get("namespace") for one in entries} - {None}
    assert touched == {home.namespace, *(room.namespace for room in served)}
    assert elsewhere.status() == {"observedGeneration": -1}


def test_rights_end_at_the_served_namespace(api: KubeApi, tmp_path: Path) -> None:
    """The account of such an operator can neither read nor write in another namespace."""
    home, served, elsewhere = a_room(api), a_room(api), a_room(api)
    values = (f"watchNamespaces={{{served.namespace}}}", "crds.install=false")
    apply_chart(api.plane, chart(home.namespace, *values))
    path = kubeconfig_of_the_operator(api, tmp_path / "config", home.namespace)
    account = KubeApi(api.plane, _token(path))

    assert account.find(POD_DISRUPTION_BUDGET, served.namespace) == []
    with pytest.raises(Refused) as caught:
        account.request("GET", path_of(POD_DISRUPTION_BUDGET, elsewhere.namespace))
    assert caught.value.code == 403


def wait_until_gone(room: Room) -> None:
    def look() -> bool | None:
        return room.api.read(POD_DISRUPTION_BUDGET, room.namespace, "mem") is None or None

    eventually(look)


def _token(kubeconfig: Path) -> str:
    token = of_kubeconfig(kubeconfig).bearer()
    assert token is not None
    return token
