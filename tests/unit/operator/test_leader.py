"""Of several candidates one acts."""

import asyncio
import contextlib

import pytest

from soma_common.errors import PermissionRefused, SomaError, Unauthenticated, Unavailable
from soma_operator.adapters.in_memory import InMemoryCluster
from soma_operator.core.kinds import LEASE, Kind
from soma_operator.leader import Leader, Term
from tests.support.somamemories import NOW


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    """The clock of all candidates."""
    return Time()


@pytest.fixture
def cluster() -> InMemoryCluster:
    """Where the Lease is."""
    return InMemoryCluster()


def candidate(cluster: InMemoryCluster, time: Time, identity: str) -> Leader:
    term = Term("default", "operator", identity, duration_s=15.0, renew_s=0.001)
    return Leader(cluster, term, clock=time, now=lambda: NOW)


async def acquires(leader: Leader) -> bool:
    """Try for a moment."""
    try:
        async with asyncio.timeout(0.05):
            await leader.acquire()
    except TimeoutError:
        return False
    return True


async def holder(cluster: InMemoryCluster) -> str:
    lease = await cluster.read(LEASE, "default", "operator")
    assert lease is not None
    return str(lease["spec"]["holderIdentity"])


async def test_one_of_two_leads(cluster: InMemoryCluster, time: Time) -> None:
    """The first candidate leads, the second waits."""
    one, two = (candidate(cluster, time, name) for name in ("one", "two"))

    assert await acquires(one)
    assert not await acquires(two)
    assert (one.is_leading, two.is_leading) == (True, False)


async def test_a_silent_leader_is_followed_after_its_time(
    cluster: InMemoryCluster, time: Time
) -> None:
    """The follower counts on its own clock, from its own first look."""
    one, two = (candidate(cluster, time, name) for name in ("one", "two"))
    await acquires(one)
    time.now += 1000
    assert not await acquires(two)  # however old the Lease looks: only now it was seen

    time.now += 15.1
    assert await acquires(two)

    assert await holder(cluster) == "two"
    assert not one.is_leading


async def test_the_leader_stops_before_anybody_follows(
    cluster: InMemoryCluster, time: Time
) -> None:
    """Without a renewal the leader's own patience ends before the Lease does."""
    one, two = (candidate(cluster, time, name) for name in ("one", "two"))
    await acquires(one)
    await acquires(two)

    time.now += 10.1

    assert not one.is_leading
    assert not await acquires(two)


@pytest.mark.parametrize(
    "error", [Unavailable("no answer"), Unauthenticated("not this token"), PermissionRefused("no")]
)
async def test_holding_ends_when_renewals_fail(
    cluster: InMemoryCluster, time: Time, error: SomaError
) -> None:
    """A leader that cannot reach the API server, or is not let in, gives up in order."""
    one = candidate(cluster, time, "one")
    await acquires(one)

    def unreachable(_verb: str, _kind: Kind) -> None:
        time.now += 1.0
        raise error

    cluster.before = unreachable
    await one.hold()

    assert not one.is_leading


async def test_holding_goes_on_through_a_short_silence(
    cluster: InMemoryCluster, time: Time
) -> None:
    """A few failed renewals inside the patience change nothing."""
    one = candidate(cluster, time, "one")
    await acquires(one)
    failures = [None, None, None]

    def flaky(verb: str, _kind: Kind) -> None:
        time.now += 1.0
        if verb == "update" and failures:
            failures.pop()
            raise Unavailable("no answer")

    cluster.before = flaky
    holding = asyncio.ensure_future(one.hold())
    await asyncio.sleep(0.1)

    assert not holding.done()
    assert one.is_leading
    holding.cancel()


async def test_a_stolen_lease_is_not_taken_back(cluster: InMemoryCluster, time: Time) -> None:
    """Who finds a successor in the Lease ends."""
    one = candidate(cluster, time, "one")
    await acquires(one)
    lease = await cluster.read(LEASE, "default", "operator")
    assert lease is not None
    await cluster.replace({**lease, "spec": {**lease["spec"], "holderIdentity": "two"}})

    await one.hold()

    assert await holder(cluster) == "two"


async def test_a_renewal_whose_answer_was_lost_is_recognised(
    cluster: InMemoryCluster, time: Time
) -> None:
    """A write of our own that we did not hear of does not end the leadership."""
    one = candidate(cluster, time, "one")
    await acquires(one)
    lease = await cluster.read(LEASE, "default", "operator")
    assert lease is not None
    await cluster.replace({**lease, "spec": {**lease["spec"], "renewTime": "later"}})

    holding = asyncio.ensure_future(one.hold())
    await asyncio.sleep(0.05)

    assert not holding.done()
    holding.cancel()


async def test_a_lease_given_back_is_free_at_once(cluster: InMemoryCluster, time: Time) -> None:
    """After an orderly end nobody waits."""
    one, two = (candidate(cluster, time, name) for name in ("one", "two"))
    await acquires(one)
    await acquires(two)

    await one.release()

    assert await acquires(two)
    lease = await cluster.read(LEASE, "default", "operator")
    assert lease is not None
    assert lease["spec"]["leaseTransitions"] == 1


async def test_a_renewal_on_its_way_does_not_keep_the_lease(
    cluster: InMemoryCluster, time: Time
) -> None:
    """A renewal that was cancelled and happened all the same is overtaken, early or late."""
    one = candidate(cluster, time, "one")
    await acquires(one)
    renewals = [None]

    async def renew() -> None:
        lease = await cluster.read(LEASE, "default", "operator")
        assert lease is not None
        await cluster.replace({**lease, "spec": {**lease["spec"], "renewTime": "later"}})

    await renew()

    def land_late(verb: str, _kind: Kind) -> None:
        if verb == "update" and renewals:
            renewals.pop()
            # In memory nothing waits: one step runs the whole renewal.
            with contextlib.suppress(StopIteration):
                renew().send(None)

    cluster.before = land_late
    await one.release()

    assert renewals == []
    assert await holder(cluster) == ""


async def test_a_lease_that_was_taken_unheard_is_given_back(
    cluster: InMemoryCluster, time: Time
) -> None:
    """Cancelled between the API server's yes and our hearing of it, a candidate leaves no Lease behind."""
    one = candidate(cluster, time, "one")

    await acquires(candidate(cluster, time, "one"))  # the same process, whose ears were closed
    two = candidate(cluster, time, "two")
    cluster.before = refuse_updates
    assert await acquires(one) is False

    cluster.before = lambda _verb, _kind: None
    await one.release()

    assert await acquires(two)


def refuse_updates(verb: str, _kind: Kind) -> None:
    if verb == "update":
        raise Unavailable("no answer")


async def test_what_is_not_held_is_not_given_back(cluster: InMemoryCluster, time: Time) -> None:
    """A follower's end leaves the leader's Lease alone."""
    one, two = (candidate(cluster, time, name) for name in ("one", "two"))
    await acquires(one)

    await two.release()

    assert await holder(cluster) == "one"
