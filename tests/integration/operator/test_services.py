"""What clients reach the pods by, on a real API server."""

import pytest

from soma_operator.core.kinds import DEPLOYMENT, SERVICE
from tests.support.kube_api import Refused, Room, eventually


@pytest.mark.usefixtures("operator")
def test_a_headless_service_comes_and_goes_with_the_wish(room: Room) -> None:
    """It has no address of its own, and neither its coming nor its going touches the pods."""
    room.make()
    room.run()
    before = room.child(DEPLOYMENT)["metadata"]["generation"]

    room.edit({"spec": {"service": {"headless": True}}})
    pods = room.child(SERVICE, "mem-pods")
    room.wait_for("Ready", "True")
    room.edit({"spec": {"service": None}})
    eventually(lambda: room.api.read(SERVICE, room.namespace, "mem-pods") is None or None)

    assert pods["spec"]["clusterIP"] == "None"
    assert room.child(SERVICE)["spec"]["clusterIP"] != "None"
    assert room.child(DEPLOYMENT)["metadata"]["generation"] == before


def test_an_age_that_would_never_let_a_call_end_is_refused(room: Room) -> None:
    """Ten seconds are the least."""
    room.make("patient", {"service": {"maxConnectionAgeSeconds": 10}})

    with pytest.raises(Refused, match="maxConnectionAgeSeconds"):
        room.make("hasty", {"service": {"maxConnectionAgeSeconds": 9}})
