"""Whether a call is worked on now: slots that tenants share fairly, and rates that each tenant has for itself.

Rules:
    1. A tenant may hold slots only up to `GREED` times those that are free. One tenant alone gets to
       GREED / (GREED + 1) of all, k greedy ones to equal shares, and something stays free for whoever comes next,
       without anybody counting who is active (dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions on
       Networking 6, 1998).
    2. A rate is a bucket that refills all the time and holds `BURST_S` of it. What was refused is not charged: a caller
       that keeps knocking is let in as soon as one that waits.
    3. A call is refused before anything is done for it, and told when to come again. Within a stream nothing is
       refused: it is read more slowly.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from memory_server.domain.memory import Tenant
from memory_server.transport.auth import Principal, TenantQuota
from memory_server.transport.metrics import ServerMetrics, TenantCalls
from soma_common.errors import Overloaded, QuotaExceeded

GREED = 8
BURST_S = 1.0
RETRY_AFTER_S = 0.2
_ROUNDING_S = 1e-9


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """What the settings decide about load.

    Attributes:
        max_concurrent_rpcs: Unary calls worked on at once.
        max_concurrent_streams: Streaming calls open at once.
        is_shared: Several tenants call, so that none may have all slots.
        requests_per_s: Of one tenant; messages of streams count as requests. None: as many as it likes.
        bytes_per_s: Of one tenant's requests. None: as many as it likes.
    """

    max_concurrent_rpcs: int
    max_concurrent_streams: int
    is_shared: bool = False
    requests_per_s: float | None = None
    bytes_per_s: float | None = None


class Bucket:
    """Allows a rate with bursts; keeps one number."""

    __slots__ = ("_full_at",)

    def __init__(self) -> None:
        self._full_at = 0.0

    def wait_s(self, amount: float, rate: float, now: float) -> float:
        """Return how long until the amount may be taken, seconds; 0: now.

        What is larger than a burst waits for a full bucket.
        """
        need_s = min(amount / rate, BURST_S)
        wait_s = self._full_at - now + need_s - BURST_S
        return wait_s if wait_s > _ROUNDING_S else 0.0

    def take(self, amount: float, rate: float, now: float) -> None:
        """Take an amount; what is larger than a burst makes the next wait for longer."""
        self._full_at = max(self._full_at, now) + amount / rate


class _Tenant:
    """What one tenant has at the moment."""

    __slots__ = ("bytes", "calls", "counts", "requests", "streams")

    def __init__(self, counts: TenantCalls) -> None:
        self.calls = 0
        self.streams = 0
        self.requests = Bucket()
        self.bytes = Bucket()
        self.counts = counts


class Admission:
    """Lets calls and streams in and out; belongs to the event loop.

    Args:
        options: The limits.
        metrics: Counts what was refused.
        now: A clock that never goes back, seconds; the event loop's.
        quota: Tells a tenant's, which wins over the limits. It may change at any time: a stream is open for long.
    """

    def __init__(
        self,
        options: AdmissionOptions,
        metrics: ServerMetrics,
        now: Callable[[], float],
        quota: Callable[[Tenant], TenantQuota],
    ) -> None:
        self._options = options
        self._quota = quota
        self._metrics = metrics
        self._now = now
        # As many as the file of tokens has ever named.
        self._tenants: dict[Tenant, _Tenant] = {}
        self.calls = 0
        self.streams = 0
        metrics.rpcs_in_progress.set_function(lambda: self.calls)
        metrics.streams_open.set_function(lambda: self.streams)

    def enter_call(self, principal: Principal) -> None:
        """Let a unary call in; `leave_call` must follow.

        Raises:
            Overloaded: There is no slot for it.
            QuotaExceeded: The tenant has used up its rate.
        """
        tenant = self._tenant(principal)
        self._require_slot(tenant, tenant.calls, self.calls, self._options.max_concurrent_rpcs)
        self._require_rate(tenant, principal)
        tenant.counts.admitted.inc()
        tenant.calls += 1
        self.calls += 1

    def take_bytes(self, principal: Principal, size: int) -> None:
        """Charge a unary call for its request.

        Raises:
            QuotaExceeded: The tenant has used up its rate.
        """
        rate = self._rates(principal)[1]
        if not rate:
            return
        tenant, now = self._tenant(principal), self._now()
        if wait_s := tenant.bytes.wait_s(size, rate, now):
            raise self._limited(tenant, principal, wait_s, "bytes_per_s")
        tenant.bytes.take(size, rate, now)

    def leave_call(self, principal: Principal) -> None:
        """Give the slot of a call back."""
        self._tenants[principal.tenant].calls -= 1
        self.calls -= 1

    def enter_stream(self, principal: Principal) -> None:
        """Let a stream in; `leave_stream` must follow.

        Raises:
            Overloaded: There is no slot for it.
            QuotaExceeded: The tenant has used up its rate.
        """
        tenant = self._tenant(principal)
        most = self._options.max_concurrent_streams
        self._require_slot(tenant, tenant.streams, self.streams, most)
        self._require_rate(tenant, principal)
        tenant.counts.admitted.inc()
        tenant.streams += 1
        self.streams += 1

    def leave_stream(self, principal: Principal) -> None:
        """Give the slot of a stream back."""
        self._tenants[principal.tenant].streams -= 1
        self.streams -= 1

    async def pace(self, principal: Principal, message_bytes: int) -> None:
        """Wait until the tenant's rates allow one more message of a stream."""
        tenant = self._tenant(principal)
        for place, bucket, amount in (
            (0, tenant.requests, 1),
            (1, tenant.bytes, message_bytes),
        ):
            while rate := self._rates(principal)[place]:
                wait_s = bucket.wait_s(amount, rate, self._now())
                if not wait_s:
                    bucket.take(amount, rate, self._now())
                    break
                await asyncio.sleep(wait_s)

    def _tenant(self, principal: Principal) -> _Tenant:
        tenant = self._tenants.get(principal.tenant)
        if tenant is None:
            counts = self._metrics.tenant_calls(principal.tenant)
            tenant = self._tenants[principal.tenant] = _Tenant(counts)
        return tenant

    def _require_slot(self, tenant: _Tenant, held: int, taken: int, size: int) -> None:
        free = size - taken
        # What the call would leave free counts; the last slot is for whoever has none.
        is_greedy = self._options.is_shared and held > 0 and held >= GREED * (free - 1)
        if free <= 0 or is_greedy:
            self._metrics.shed.inc()
            tenant.counts.shed.inc()
            message = "too many calls are worked on"
            raise Overloaded(message, retry_after_s=RETRY_AFTER_S)

    def _require_rate(self, tenant: _Tenant, principal: Principal) -> None:
        rate = self._rates(principal)[0]
        if not rate:
            return
        now = self._now()
        if wait_s := tenant.requests.wait_s(1, rate, now):
            raise self._limited(tenant, principal, wait_s, "requests_per_s")
        tenant.requests.take(1, rate, now)

    def _limited(
        self, tenant: _Tenant, principal: Principal, wait_s: float, quota: str
    ) -> QuotaExceeded:
        tenant.counts.limited.inc()
        return QuotaExceeded(
            "the tenant has used up its rate",
            subject=f"tenant:{principal.tenant}",
            retry_after_s=wait_s,
            quota=quota,
        )

    def _rates(self, principal: Principal) -> tuple[float | None, float | None]:
        quota = self._quota(principal.tenant)
        return (
            quota.requests_per_s or self._options.requests_per_s,
            quota.bytes_per_s or self._options.bytes_per_s,
        )
