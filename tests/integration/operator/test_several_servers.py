"""Several servers of one memory, which a storage for many will allow: what is rendered for them, on real controllers.

The API server has the controllers of Deployments and of disruption; the kubelet is played, one pod at a time.
"""

from collections.abc import Iterator

import pytest

from soma_dev.control_plane import HOUSEKEEPING, control_plane
from soma_operator.core.kinds import DEPLOYMENT
from soma_operator.core.published import condition
from tests.support.kube_api import KubeApi, Refused, eventually
from tests.support.operator_rooms import a_room, install
from tests.support.several_servers import DEADLINE_S, SERVERS, Several
from tests.support.somamemories import conditions_of


@pytest.fixture(scope="module")
def acting_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """An API server with the controllers that make pods of Deployments and count disruptions."""
    acting = ("deployment-controller", "replicaset-controller", "disruption-controller")
    folder = tmp_path_factory.mktemp("acting")
    with control_plane(folder, controllers=(*HOUSEKEEPING, *acting)) as plane:
        yield install(plane)


@pytest.fixture
def several(acting_api: KubeApi) -> Iterator[Several]:
    """A memory of three servers that serve."""
    room = a_room(acting_api)
    made = Several(room)
    made.apply("1")
    made.serve_all()
    yield made
    room.clear()


def test_servers_are_replaced_one_after_the_other(several: Several) -> None:
    """All through a roll-out as many serve as are wished for; the status counts, and is Ready at its end only."""
    old = several.ready()
    several.apply("2")
    told = []
    for _ in range(SERVERS):
        eventually(lambda: len(several.pods()) == SERVERS + 1 or None)
        several.settled()
        assert len(several.ready()) == SERVERS
        told.append(condition(several.status(), "Ready"))
        several.let_one_serve()
        eventually(lambda: len(several.ready()) == SERVERS or None)
        several.settled()

    assert not old & several.ready()
    assert [one["reason"] for one in told if one] == ["Progressing"] * SERVERS
    assert [one["message"][:9] for one in told if one] == [f"{n} of 3 po" for n in (1, 2, 3)]
    assert conditions_of(several.status())["Ready"] == ("True", "Ready")


def test_a_release_that_does_not_come_up_stops_at_its_first_server(several: Several) -> None:
    """The others are not touched, and going back takes away the one that never served."""
    old = several.ready()
    several.apply("2")
    eventually(lambda: len(several.pods()) == SERVERS + 1 or None)
    eventually(lambda: is_late(several) or None, timeout_s=DEADLINE_S + 20)

    assert several.ready() == old
    several.apply("1")
    eventually(lambda: len(several.pods()) == SERVERS or None)
    several.settled()
    assert several.ready() == old
    assert conditions_of(several.status())["Ready"] == ("True", "Ready")


def is_late(several: Several) -> bool:
    """Return whether the Deployment's controller has given the roll-out up."""
    live = several.room.child(DEPLOYMENT)
    progressing = condition(live.get("status", {}), "Progressing")
    return progressing is not None and progressing["reason"] == "ProgressDeadlineExceeded"


def test_a_drain_takes_one_server_at_a_time(several: Several) -> None:
    """The second one goes when the first one has a successor that serves."""
    first, second, _ = sorted(several.ready())
    eventually(lambda: evicted(several, first) or None)

    with pytest.raises(Refused) as caught:
        several.evict(second)
    assert caught.value.code == 429
    assert "disruption budget" in caught.value.message

    several.let_one_serve()
    eventually(lambda: evicted(several, second) or None)


def evicted(several: Several, name: str) -> bool:
    """Evict a pod; return whether that was allowed, for the budget is counted a moment later."""
    try:
        several.evict(name)
    except Refused as refusal:
        if refusal.code != 429:
            raise
        return False
    return True
