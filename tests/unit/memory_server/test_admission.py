"""Admission: slots are shared so that nobody starves, rates are kept, refusals cost nothing."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_server.domain.memory import Tenant
from memory_server.transport.admission import GREED, Admission, AdmissionOptions, Bucket
from memory_server.transport.auth import NO_QUOTA, Principal, TenantQuota
from memory_server.transport.metrics import MAX_TENANT_LABELS, ServerMetrics
from soma_common.errors import Overloaded, QuotaExceeded, SomaError


class Turned:
    """A clock of seconds that the test turns."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def now(self) -> float:
        return self.now_s


def caller(name: str) -> Principal:
    return Principal(Tenant(name))


def no_quota(_tenant: Tenant) -> TenantQuota:
    return NO_QUOTA


def an_admission(
    clock: Turned | None = None,
    quota: Callable[[Tenant], TenantQuota] = no_quota,
    **options: object,
) -> Admission:
    given_options = {"max_concurrent_rpcs": 100, "max_concurrent_streams": 100, **options}
    return Admission(
        AdmissionOptions(**given_options),  # type: ignore[arg-type]
        ServerMetrics({"service": "test"}),
        (clock or Turned()).now,
        quota,
    )


def enter_until_refused(admission: Admission, who: Principal) -> int:
    for count in range(1000):
        try:
            admission.enter_call(who)
        except Overloaded:
            return count
    raise AssertionError("nothing was ever refused")


def test_one_tenant_alone_may_have_every_slot() -> None:
    """Without others there is nobody to keep a slot for."""
    assert enter_until_refused(an_admission(), caller("default")) == 100


@pytest.mark.parametrize("size", [2, 3, 8, 9, 10, 100, 512])
def test_a_greedy_tenant_leaves_slots_for_others(size: int) -> None:
    """It gets eight ninths, and a newcomer is let in at once, however few slots there are."""
    admission = an_admission(is_shared=True, max_concurrent_rpcs=size)
    greedy, newcomer = caller("greedy"), caller("newcomer")
    held = enter_until_refused(admission, greedy)

    assert held == pytest.approx(size * GREED / (GREED + 1), abs=1)
    admission.enter_call(newcomer)


def test_a_single_slot_is_given_to_whoever_comes() -> None:
    """There is nothing to share."""
    assert (
        enter_until_refused(an_admission(is_shared=True, max_concurrent_rpcs=1), caller("a")) == 1
    )


def test_two_greedy_tenants_end_with_equal_shares() -> None:
    """The first one's share shrinks as its calls end, and grows no more."""
    admission = an_admission(is_shared=True)
    first, second = caller("first"), caller("second")
    held = {first: enter_until_refused(admission, first), second: 0}
    for _ in range(500):
        admission.leave_call(first)
        held[first] -= 1
        for who in (first, second):
            try:
                admission.enter_call(who)
                held[who] += 1
            except Overloaded:
                pass

    assert abs(held[first] - held[second]) <= 2
    assert sum(held.values()) <= 100


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=400))
def test_slots_are_never_lost_nor_given_twice(steps: list[tuple[int, bool]]) -> None:
    """Whatever comes and goes: never more than there are, and all are free in the end."""
    admission = an_admission(is_shared=True, max_concurrent_rpcs=20)
    tenants = [caller(f"t{number}") for number in range(6)]
    held = [0] * 6
    for number, enters in steps:
        if enters:
            try:
                admission.enter_call(tenants[number])
                held[number] += 1
            except Overloaded:
                assert admission.calls
        elif held[number]:
            admission.leave_call(tenants[number])
            held[number] -= 1
        assert admission.calls == sum(held) <= 20
    for number, count in enumerate(held):
        for _ in range(count):
            admission.leave_call(tenants[number])

    assert admission.calls == 0


def refusals(admission: Admission, who: Principal, count: int) -> Iterator[SomaError | None]:
    for _ in range(count):
        try:
            admission.enter_call(who)
            admission.leave_call(who)
            yield None
        except SomaError as error:
            yield error


def test_a_rate_allows_a_burst_and_then_says_when() -> None:
    """A second's worth at once; the time to retry is right, not a moment early or much too late."""
    clock = Turned()
    admission = an_admission(clock, requests_per_s=10.0)
    outcomes = list(refusals(admission, caller("acme"), 12))

    assert [outcome is None for outcome in outcomes] == [True] * 10 + [False] * 2
    refused = outcomes[-1]
    assert isinstance(refused, QuotaExceeded)
    assert refused.subject == "tenant:acme"
    assert refused.retry_after_s is not None
    clock.now_s += refused.retry_after_s * 0.9
    assert next(refusals(admission, caller("acme"), 1)) is not None
    clock.now_s += 0.1 + refused.retry_after_s * 0.1
    assert next(refusals(admission, caller("acme"), 1)) is None


def test_knocking_does_not_put_admittance_off() -> None:
    """A caller that was refused ten thousand times is let in when one that waited would be."""
    clock = Turned()
    admission = an_admission(clock, requests_per_s=1.0)
    outcomes = list(refusals(admission, caller("busy"), 10_000))
    clock.now_s += 1.0

    assert outcomes.count(None) == 1
    assert next(refusals(admission, caller("busy"), 1)) is None


def test_a_tenants_rate_is_its_own() -> None:
    """One tenant's use is not another's, and the file of tokens wins over the settings."""
    quotas = {Tenant("large"): TenantQuota(requests_per_s=50.0)}
    admission = an_admission(quota=lambda tenant: quotas.get(tenant, NO_QUOTA), requests_per_s=10.0)
    small, large = caller("small"), caller("large")

    assert list(refusals(admission, small, 100)).count(None) == 10
    assert list(refusals(admission, large, 100)).count(None) == 50


def test_bytes_count_too() -> None:
    """One large request is let in and paid off afterwards; a rate of bytes alone limits no number of calls."""
    clock = Turned()
    admission = an_admission(clock, bytes_per_s=100.0)
    who = caller("acme")
    admission.take_bytes(who, 1000)
    with pytest.raises(QuotaExceeded) as refused:
        admission.take_bytes(who, 10)

    assert refused.value.facts["quota"] == "bytes_per_s"
    assert refused.value.retry_after_s == pytest.approx(9.1)
    clock.now_s += 9.2
    admission.take_bytes(who, 10)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 30)), max_size=60),
    st.floats(0.5, 100),
)
def test_no_pattern_of_calls_beats_the_rate(steps: list[tuple[float, float]], rate: float) -> None:
    """Whenever one comes: no more is taken than a burst, the time's worth, and the last piece."""
    bucket, now, taken, largest = Bucket(), 50.0, 0.0, 0.0
    for pause_s, amount in steps:
        now += pause_s
        if not bucket.wait_s(amount, rate, now):
            bucket.take(amount, rate, now)
            taken += amount
            largest = max(largest, amount)

    assert taken <= rate * (now - 50.0 + 1.0) + largest + 1e-6


async def test_a_stream_is_slowed_down_and_not_refused() -> None:
    """Messages beyond the rate wait for their time."""
    clock = Turned()
    admission = an_admission(clock, requests_per_s=1000.0)
    who = caller("acme")
    admission.enter_stream(who)
    for _ in range(999):  # and the stream itself
        await admission.pace(who, 0)
    pacing = asyncio.ensure_future(admission.pace(who, 0))
    await asyncio.sleep(0.02)
    is_held_back = not pacing.done()
    clock.now_s += 1.0
    await pacing

    assert is_held_back


async def test_a_new_rate_reaches_streams_that_are_open() -> None:
    """A lower one holds the next message back, a higher one lets the one after it in."""
    clock = Turned()
    quotas = {Tenant("acme"): TenantQuota(requests_per_s=1_000_000.0)}
    admission = an_admission(clock, quota=quotas.__getitem__)
    who = caller("acme")
    admission.enter_stream(who)
    await admission.pace(who, 0)
    quotas[Tenant("acme")] = TenantQuota(requests_per_s=100.0)
    for _ in range(99):
        await admission.pace(who, 0)
    pacing = asyncio.ensure_future(admission.pace(who, 0))
    await asyncio.sleep(0.05)
    is_held_back = not pacing.done()
    quotas[Tenant("acme")] = NO_QUOTA
    await pacing

    assert is_held_back


def test_tenants_beyond_the_limit_share_their_series() -> None:
    """However many there are, the number of series is bounded."""
    metrics = ServerMetrics({"service": "test"})
    admission = Admission(AdmissionOptions(10, 10), metrics, Turned().now, no_quota)
    for number in range(MAX_TENANT_LABELS + 50):
        admission.enter_call(caller(f"t{number}"))
        admission.leave_call(caller(f"t{number}"))

    name, labels = "soma_server_tenant_rpcs_total", {"tenant": "other", "outcome": "admitted"}
    assert metrics.registry.get_sample_value(name, labels) == 50
