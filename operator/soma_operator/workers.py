"""Workers: take keys from the queue, reconcile them, and tell the queue how it went."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from soma_common.errors import Conflict, Overloaded, SomaError
from soma_operator import traces
from soma_operator.controller import Run
from soma_operator.core.observed import ObjectKey
from soma_operator.metrics import Metrics
from soma_operator.queue import WorkQueue
from soma_operator.writer import fields_of

_log = logging.getLogger(__name__)


class Reconciler(Protocol):
    """What brings one kind of resource from what is to what is wished."""

    async def reconcile(self, key: ObjectKey) -> Run:
        """Do it for one resource; may be repeated and cancelled any time.

        Raises:
            SomaError: The API server did not do its part; to be tried again.
        """
        ...


class Workers:
    """Take keys from the queue and reconcile them; the outermost edge of every reconcile."""

    def __init__(
        self,
        controller: Reconciler,
        queue: WorkQueue,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        timeout_s: float,
    ) -> None:
        self._controller = controller
        self._queue = queue
        self._metrics = metrics
        self._clock = clock
        self._timeout_s = timeout_s

    async def run(self) -> None:
        """Work until the queue is closed; a reconcile that runs then is finished first."""
        while (key := await self._queue.get()) is not None:
            await self.work_on(key)

    async def work_on(self, key: ObjectKey) -> str:
        """Reconcile one key and tell the queue how it went."""
        started = self._clock()
        names = {"k8s.namespace.name": key.namespace, "k8s.object.name": key.name}
        with traces.begin("reconcile", **names) as span:
            result = await self._attempt(key)
            span.set_attribute("soma.result", result)
        self._metrics.reconcile_seconds.labels(result).observe(self._clock() - started)
        return result

    async def _attempt(self, key: ObjectKey) -> str:
        try:
            async with asyncio.timeout(self._timeout_s):
                run = await self._controller.reconcile(key)
        except Conflict as error:
            # The resource changed while we looked at it: the next look sees the change.
            return self._failed(key, error.reason, error, level=logging.DEBUG)
        except Overloaded as error:
            return self._failed(key, error.reason, error, at_least_s=error.retry_after_s)
        except SomaError as error:
            return self._failed(key, error.reason, error)
        except TimeoutError as error:
            return self._failed(key, "ReconcileTimeout", error)
        # A bug that one resource wakes must not stop the others.
        except Exception as error:  # noqa: BLE001
            return self._failed(key, "InternalError", error, level=logging.ERROR)
        if run.result == "gone":
            self._queue.forget(key)
        else:
            self._queue.done(key, requeue_after_s=run.requeue_after_s)
        return run.result

    def _failed(
        self,
        key: ObjectKey,
        reason: str,
        error: Exception,
        *,
        at_least_s: float = 0.0,
        level: int = logging.WARNING,
    ) -> str:
        wait_s = self._queue.failed(key, at_least_s=at_least_s)
        facts = error.facts if isinstance(error, SomaError) else {}
        _log.log(
            level,
            "failed to reconcile",
            extra={
                **fields_of(key),
                "facts": facts,
                "reason": reason,
                "retry_after_s": round(wait_s, 2),
            },
            exc_info=error if level == logging.ERROR else None,
        )
        return "failed"
