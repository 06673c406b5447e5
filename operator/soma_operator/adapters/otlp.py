"""Spans to a collector, by OTLP over HTTP in its JSON form: one POST now and then.

Rule 1: a trace is a courtesy. A collector that is slow or away holds up nothing; the oldest spans are lost and counted.
Rule 2: what the collector asks to be sent again is sent again; what it refuses is not.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

import aiohttp

from soma_operator.core.kinds import Manifest
from soma_operator.metrics import Metrics
from soma_operator.traces import Fact, Span

_log = logging.getLogger(__name__)

PATH = "/v1/traces"
CAPACITY = 4096
"""Spans that wait; some 150 of them are a new resource with all its requests."""

BATCH = 512
INTERVAL_S = 2.0
TIMEOUT_S = 5.0
LAST_TIMEOUT_S = 1.0
"""For what is left when the process ends: it must not be held up."""

_AGAIN = frozenset({429, 502, 503, 504})
"""Answers after which the protocol wants the same to be sent again."""

_INTERNAL, _CLIENT = 1, 3
"""Kinds of spans: work of our own, a request of ours."""

_ERROR = 2


class OtlpExporter:
    """Sends spans; see `exporting`.

    Args:
        session: What requests are made with.
        url: Of the collector, with the path.
        resource: Who sends: attributes of the resource.
        metrics: Counts what was lost.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        resource: Mapping[str, str],
        metrics: Metrics,
    ) -> None:
        self._session = session
        self._url = url
        self._resource = dict(resource)
        self._metrics = metrics
        self._waiting: deque[Span] = deque(maxlen=CAPACITY)

    def take(self, span: Span) -> None:
        """Let a span wait for the next POST."""
        if len(self._waiting) == CAPACITY:
            self._metrics.spans_lost.inc()
        self._waiting.append(span)

    async def run(self) -> None:
        """Send what waits, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self.flush(TIMEOUT_S)

    async def flush(self, timeout_s: float) -> None:
        """Send all that waits; what is to be sent again waits on."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if not await self._sent(batch, timeout_s):
                # In front, where they were; what came meanwhile may have taken their room.
                room = CAPACITY - len(self._waiting)
                self._metrics.spans_lost.inc(max(len(batch) - room, 0))
                self._waiting.extendleft(reversed(batch[max(len(batch) - room, 0) :]))
                return

    async def _sent(self, batch: list[Span], timeout_s: float) -> bool:
        """Send a batch; return whether it is done with, be it taken or lost."""
        try:
            async with self._session.post(
                self._url,
                data=json.dumps(as_request(batch, self._resource)),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as answer:
                code = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("failed to send traces", extra={"reason": type(error).__name__})
            return False
        if code in _AGAIN:
            _log.warning("failed to send traces", extra={"reason": "again", "code": code})
            return False
        if code >= 300:
            _log.warning("failed to send traces", extra={"reason": "refused", "code": code})
            self._metrics.spans_lost.inc(len(batch))
        return True


@asynccontextmanager
async def exporting(
    endpoint: str, resource: Mapping[str, str], metrics: Metrics
) -> AsyncIterator[OtlpExporter]:
    """Send spans to the collector at an address without a path, as long as the context lasts."""
    async with aiohttp.ClientSession(trust_env=True) as session:
        exporter = OtlpExporter(session, endpoint.rstrip("/") + PATH, resource, metrics)
        running = asyncio.create_task(exporter.run(), name="traces")
        try:
            yield exporter
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await exporter.flush(LAST_TIMEOUT_S)


def as_request(spans: Iterable[Span], resource: Mapping[str, str]) -> Manifest:
    """Return an ExportTraceServiceRequest: ids in hexadecimal, 64-bit numbers as text, as OTLP's JSON wants them."""
    scope = {"scope": {"name": "soma_operator"}, "spans": [_span(one) for one in spans]}
    return {
        "resourceSpans": [
            {"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scope]}
        ]
    }


def _span(span: Span) -> Manifest:
    told: Manifest = {
        "traceId": f"{span.trace_id:032x}",
        "spanId": f"{span.span_id:016x}",
        "name": span.name,
        "kind": _CLIENT if "http.request.method" in span.facts else _INTERNAL,
        "startTimeUnixNano": str(span.begin_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.facts),
    }
    if span.parent_id:
        told["parentSpanId"] = f"{span.parent_id:016x}"
    if span.error is not None:
        told["status"] = {"code": _ERROR, "message": span.error}
    return told


def _attributes(facts: Mapping[str, Fact]) -> list[Manifest]:
    return [
        {
            "key": key,
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for key, value in facts.items()
    ]
