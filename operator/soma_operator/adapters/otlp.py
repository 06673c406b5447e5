"""Spans to a collector, by OpenTelemetry's SDK: OTLP over HTTP, in batches, from a thread of its own.

A trace is a courtesy: a collector that is slow or away holds up nothing, and the SDK drops what does not fit its queue.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from soma_operator.traces import recorded_by

PATH = "/v1/traces"
QUEUE_SIZE = 4096
"""Spans that wait; some 150 of them are a new resource with all its requests."""

INTERVAL_MS = 2000
TIMEOUT_S = 5
"""For one request; at the end of the process it is what traces may hold it up."""


@asynccontextmanager
async def exporting(
    endpoint: str, *, share: float, resource: Mapping[str, str]
) -> AsyncIterator[None]:
    """Record traces and send them to a collector, as long as the context lasts.

    Args:
        endpoint: Address of the collector, without a path. Credentials and the like come from OpenTelemetry's own
            environment variables, such as `OTEL_EXPORTER_OTLP_HEADERS`.
        share: Of the traces that are recorded, in [0, 1]; a trace is recorded as a whole or not at all.
        resource: Who sends: attributes of the resource.
    """
    # Here, because an operator without a collector should not carry them.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

    provider = TracerProvider(
        resource=Resource.create(dict(resource)),
        sampler=ParentBasedTraceIdRatio(share),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + PATH, timeout=TIMEOUT_S)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=QUEUE_SIZE, schedule_delay_millis=INTERVAL_MS)
    )
    try:
        with recorded_by(provider.get_tracer("soma_operator")):
            yield
    finally:
        await asyncio.to_thread(provider.shutdown)
