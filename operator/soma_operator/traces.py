"""Traces: what a reconcile spends its time on, stage by stage, by OpenTelemetry.

Until a collector is named (`adapters.otlp`), the tracer is OpenTelemetry's own that records nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import (
    INVALID_SPAN,
    NoOpTracer,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from soma_common.errors import SomaError

Fact = str | int

_NOTHING: Tracer = NoOpTracer()
_propagator = TraceContextTextMapPropagator()
_tracer = _NOTHING


@contextmanager
def recorded_by(tracer: Tracer) -> Iterator[None]:
    """Let a tracer record, as long as the context lasts; one at a time in a process."""
    global _tracer  # noqa: PLW0603 - like a logger: what is deep inside asks for it
    _tracer = tracer
    try:
        yield
    finally:
        _tracer = _NOTHING


@contextmanager
def begin(name: str, **facts: Fact) -> Iterator[Span]:
    """Record a trace and, within the context, its stages."""
    with _span(name, SpanKind.INTERNAL, facts) as span:
        yield span


@contextmanager
def stage(name: str, kind: SpanKind = SpanKind.INTERNAL, **facts: Fact) -> Iterator[Span]:
    """Record a stage of the trace that this task is in; outside of one, nothing."""
    if not get_current_span().get_span_context().is_valid:
        yield INVALID_SPAN
        return
    with _span(name, kind, facts) as span:
        yield span


def trace_headers() -> dict[str, str]:
    """Return the headers that let another party's trace go on from here (W3C Trace Context)."""
    headers: dict[str, str] = {}
    _propagator.inject(headers)
    return headers


@contextmanager
def _span(name: str, kind: SpanKind, facts: dict[str, Fact]) -> Iterator[Span]:
    with _tracer.start_as_current_span(
        name, kind=kind, attributes=facts, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except BaseException as error:
            # Its text may hold anything, and stays here.
            reason = error.reason if isinstance(error, SomaError) else type(error).__name__
            span.set_status(Status(StatusCode.ERROR, reason))
            raise
