"""Traces: what a reconcile spent its time on, stage by stage.

While traces are off, a stage is one look at a context variable: nothing is measured, nothing is kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from soma_common.errors import SomaError

Fact = str | int

_TRACE_BITS, _SPAN_BITS = 128, 64


@dataclass(slots=True)
class Span:
    """One stage of one trace.

    Attributes:
        trace_id: The same in all stages of a trace.
        parent_id: Of the stage around it; 0: none.
        begin_ns, end_ns: Wall time, nanoseconds since 1970.
        error: Reason of what ended it early; None: nothing did.
    """

    name: str
    trace_id: int
    span_id: int
    parent_id: int
    begin_ns: int
    end_ns: int = 0
    facts: dict[str, Fact] = field(default_factory=dict)
    error: str | None = None


class Tracer:
    """Makes spans, and hands on those that ended.

    Args:
        sink: Takes every span that ended; must be quick.
        share: Of the traces that are recorded, in [0, 1]; a trace is recorded as a whole or not at all.
        now_ns: Wall time.
        random_bits: Random numbers of so many bits.
    """

    def __init__(
        self,
        sink: Callable[[Span], None],
        *,
        share: float,
        now_ns: Callable[[], int],
        random_bits: Callable[[int], int],
    ) -> None:
        self._sink = sink
        self._most = share * 2**_SPAN_BITS
        self._now_ns = now_ns
        self._random_bits = random_bits

    @contextmanager
    def trace(self, name: str, **facts: Fact) -> Iterator[Span | None]:
        """Record a trace and, within the context, its stages; None: this one is not recorded."""
        if self._random_bits(_SPAN_BITS) >= self._most:
            yield None
            return
        with self._span(name, self._id(_TRACE_BITS), 0, facts) as span:
            yield span

    @contextmanager
    def stage(self, name: str, around: Span, **facts: Fact) -> Iterator[None]:
        """Record a stage of a trace."""
        with self._span(name, around.trace_id, around.span_id, facts):
            yield

    @contextmanager
    def _span(
        self, name: str, trace_id: int, parent_id: int, facts: dict[str, Fact]
    ) -> Iterator[Span]:
        span = Span(name, trace_id, self._id(_SPAN_BITS), parent_id, self._now_ns(), facts=facts)
        token = _active.set((self, span))
        try:
            yield span
        except BaseException as error:
            span.error = error.reason if isinstance(error, SomaError) else type(error).__name__
            raise
        finally:
            _active.reset(token)
            span.end_ns = self._now_ns()
            self._sink(span)

    def _id(self, bits: int) -> int:
        # Zero means that there is none.
        return self._random_bits(bits) or 1


_active: ContextVar[tuple[Tracer, Span] | None] = ContextVar("active", default=None)
"""What is recorded in this task, and the stage that it is in."""


@contextmanager
def stage(name: str, **facts: Fact) -> Iterator[None]:
    """Record a stage of what this task records; else do nothing."""
    active = _active.get()
    if active is None:
        yield
        return
    tracer, around = active
    with tracer.stage(name, around, **facts):
        yield


def note(**facts: Fact) -> None:
    """Add facts to the stage that this task is in."""
    active = _active.get()
    if active is not None:
        active[1].facts.update(facts)


def trace_headers() -> dict[str, str]:
    """Return the headers that let another party's trace go on from here (W3C Trace Context)."""
    active = _active.get()
    if active is None:
        return {}
    span = active[1]
    return {"traceparent": f"00-{span.trace_id:032x}-{span.span_id:016x}-01"}
