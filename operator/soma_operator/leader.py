"""Leader election by a Lease: of several operator processes one acts.

Rule 1: whether a foreign Lease has run out is measured on our own monotonic clock, from the moment we saw it change
        last; the wall clocks of two machines are never compared.
Rule 2: the holder stops acting before anybody else may start: it counts from the start of its last successful
        renewal, and gives up at two thirds of the Lease's duration.
Rule 3: who lost the Lease ends its process; a process never becomes a follower again.
Rule 4: who stops in order gives the Lease back, so that the next one starts at once.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from soma_common.errors import (
    AlreadyExists,
    Conflict,
    NotFound,
    Overloaded,
    PermissionRefused,
    Unauthenticated,
)
from soma_common.errors import Unavailable as ApiUnavailable
from soma_operator.core.kinds import LEASE, Manifest
from soma_operator.ports import Cluster

_log = logging.getLogger(__name__)

RELEASE_ATTEMPTS = 3
"""One may meet a renewal that was on its way, one an API server that is busy; more would hold up the end."""

_TRANSIENT = (
    ApiUnavailable,
    Overloaded,
    Conflict,
    AlreadyExists,
    NotFound,
    PermissionRefused,
    Unauthenticated,
)


@dataclass(frozen=True, slots=True)
class Term:
    """How the Lease is held; times in seconds."""

    namespace: str
    name: str
    identity: str
    duration_s: float
    renew_s: float

    @property
    def give_up_after_s(self) -> float:
        """How long the holder acts without a renewal."""
        return self.duration_s * 2 / 3


class Leader:
    """One candidate.

    Args:
        cluster: Where the Lease is.
        term: How it is held.
        clock: Monotonic time, seconds.
        now: Wall time, for people who read the Lease.
    """

    def __init__(
        self,
        cluster: Cluster,
        term: Term,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._term = term
        self._clock = clock
        self._now = now
        self._held: Manifest | None = None
        self._is_candidate = False
        self._renewed_at = 0.0
        self._seen: tuple[str, float] | None = None
        """Resource version of a foreign Lease, and when we saw it first."""

    @property
    def is_leading(self) -> bool:
        """Whether this process may act now; asked before each write."""
        is_fresh = self._clock() < self._renewed_at + self._term.give_up_after_s
        return self._held is not None and is_fresh

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        self._is_candidate = True
        # The Lease is in the API server: only looking tells of its change.
        while not await self._tried(self._try_to_take):  # noqa: ASYNC110
            await asyncio.sleep(self._term.renew_s)
        _log.info("became the leader", extra={"lease": self._term.name})

    async def hold(self) -> None:
        """Renew the Lease; return when it is lost."""
        while self.is_leading:
            await asyncio.sleep(self._term.renew_s)
            left_s = self._renewed_at + self._term.give_up_after_s - self._clock()
            try:
                async with asyncio.timeout(max(left_s, 0.0)):
                    await self._tried(self._try_to_renew)
            except TimeoutError:
                break
        self._held = None
        _log.error("lost the lease", extra={"lease": self._term.name})

    async def release(self) -> None:
        """Give the Lease back, if it is ours; nothing is left to act by then.

        What we hold is not asked: a renewal that was cancelled on its way may have happened, or may happen still.
        """
        self._held = None
        if not self._is_candidate:
            return
        for _ in range(RELEASE_ATTEMPTS):
            if await self._tried(self._try_to_release):
                return

    async def _try_to_release(self) -> bool:
        lease = await self._cluster.read(LEASE, self._term.namespace, self._term.name)
        if lease is not None and lease["spec"].get("holderIdentity") == self._term.identity:
            spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
            await self._write({**lease, "spec": spec})
        return True

    async def _tried(self, attempt: Callable[[], Any]) -> bool:
        try:
            return bool(await attempt())
        except _TRANSIENT as error:
            _log.warning(
                "failed to write the lease", extra={"reason": error.reason, "facts": error.facts}
            )
            return False

    async def _try_to_take(self) -> bool:
        started = self._clock()
        lease = await self._cluster.read(LEASE, self._term.namespace, self._term.name)
        if lease is None:
            self._accept(await self._cluster.create(self._new_lease()), started)
            return True
        if not self._is_free(lease):
            return False
        transitions = lease["spec"].get("leaseTransitions", 0) + 1
        spec = {**self._new_lease()["spec"], "leaseTransitions": transitions}
        self._accept(await self._write({**lease, "spec": spec}), started)
        return True

    def _is_free(self, lease: Manifest) -> bool:
        spec, version = lease["spec"], lease["metadata"]["resourceVersion"]
        if spec.get("holderIdentity") in (None, "", self._term.identity):
            return True
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, self._clock())
        duration_s = spec.get("leaseDurationSeconds") or self._term.duration_s
        return self._clock() > self._seen[1] + duration_s

    async def _try_to_renew(self) -> bool:
        assert self._held is not None
        started = self._clock()
        spec = {**self._held["spec"], "renewTime": self._time()}
        try:
            self._accept(await self._write({**self._held, "spec": spec}), started)
        except Conflict:
            await self._reread(started)
        return True

    async def _reread(self, started: float) -> None:
        """Find out who changed the Lease: an answer of ours that was lost on its way, or a successor."""
        lease = await self._cluster.read(LEASE, self._term.namespace, self._term.name)
        if lease is not None and lease["spec"].get("holderIdentity") == self._term.identity:
            self._held = lease
            return
        self._held = None

    async def _write(self, lease: Manifest) -> Manifest:
        return await self._cluster.replace(lease)

    def _accept(self, lease: Manifest, started: float) -> None:
        self._held = lease
        # From the start of the request: another process may have seen the write any time after it.
        self._renewed_at = started

    def _new_lease(self) -> Manifest:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": self._term.name, "namespace": self._term.namespace},
            "spec": {
                "holderIdentity": self._term.identity,
                "leaseDurationSeconds": max(round(self._term.duration_s), 1),
                "acquireTime": self._time(),
                "renewTime": self._time(),
                "leaseTransitions": 0,
            },
        }

    def _time(self) -> str:
        return self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
