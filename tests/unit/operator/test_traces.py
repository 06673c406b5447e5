"""What a reconcile spent its time on, and how a collector hears of it."""

import itertools
from collections.abc import Iterator

import pytest

from soma_common.errors import Unavailable
from soma_operator.adapters.otlp import BATCH, CAPACITY, OtlpExporter, exporting
from soma_operator.metrics import Metrics
from soma_operator.traces import Span, Tracer, note, stage, trace_headers
from tests.support.collector import Collector, facts_of


class Recorded:
    """A tracer whose time and ids are counted."""

    def __init__(self, share: float = 1.0) -> None:
        self.spans: list[Span] = []
        self.numbers = itertools.count(1)
        self.tracer = Tracer(
            self.spans.append,
            share=share,
            now_ns=lambda: next(self.numbers) * 1000,
            random_bits=lambda _bits: next(self.numbers),
        )

    def names(self) -> list[str]:
        return [one.name for one in self.spans]


def test_stages_lie_within_each_other() -> None:
    """Every stage names the one around it, and all of them the trace."""
    recorded = Recorded()

    with recorded.tracer.trace("reconcile", place="here"), stage("apply"):
        with stage("patch services", number=1):
            note(code=201)
        with stage("patch deployments"):
            pass

    inner, second, outer, root = recorded.spans
    assert recorded.names() == ["patch services", "patch deployments", "apply", "reconcile"]
    assert [inner.parent_id, second.parent_id] == [outer.span_id, outer.span_id]
    assert (outer.parent_id, root.parent_id) == (root.span_id, 0)
    assert {one.trace_id for one in recorded.spans} == {root.trace_id}
    assert root.begin_ns < outer.begin_ns < inner.begin_ns < inner.end_ns < outer.end_ns
    assert (inner.facts, root.facts) == ({"number": 1, "code": 201}, {"place": "here"})


def test_what_ends_a_stage_early_is_its_reason() -> None:
    """An error passes, and is told by its reason; its text may hold anything, and stays away."""
    recorded = Recorded()

    with (
        pytest.raises(Unavailable),
        recorded.tracer.trace("reconcile"),
        stage("observe"),
    ):
        raise Unavailable("a secret sentence")

    assert [one.error for one in recorded.spans] == [Unavailable("").reason] * 2


def test_without_a_trace_a_stage_is_nothing() -> None:
    """Nothing is recorded outside of a trace, nor in one that is not recorded."""
    none = Recorded(share=0.0)

    with stage("observe"):
        note(code=200)
        assert trace_headers() == {}
    with none.tracer.trace("reconcile") as span, stage("observe"):
        assert span is None
        assert trace_headers() == {}

    assert none.spans == []


def test_the_trace_goes_on_in_the_api_server() -> None:
    """The header names the trace and the stage that asks."""
    recorded = Recorded()

    with recorded.tracer.trace("reconcile"), stage("get services"):
        headers = trace_headers()

    asking = recorded.spans[0]
    assert headers == {"traceparent": f"00-{asking.trace_id:032x}-{asking.span_id:016x}-01"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A real receiver."""
    with Collector() as collector:
        yield collector


def a_span(number: int = 1, **facts: str | int) -> Span:
    return Span(f"span {number}", 255, number, 0, 1_000, 2_000, facts)


async def sent(collector: Collector, spans: list[Span], times: int = 1) -> OtlpExporter:
    async with exporting(collector.url + "/", {"service.name": "test"}, Metrics()) as exporter:
        for span in spans:
            exporter.take(span)
        for _ in range(times):
            await exporter.flush(5.0)
    return exporter


async def test_spans_have_the_form_of_the_protocol(collector: Collector) -> None:
    """Ids in hexadecimal, numbers of 64 bits as text, attributes with their types."""
    child = Span("get pods", 255, 2, 1, 1_000, 2_000, {"http.request.method": "GET", "n": 7})
    child.error = "Unavailable"

    await sent(collector, [a_span(), child])

    [(path, content_type, body)] = collector.requests
    root, request = collector.spans()
    assert (path, content_type) == ("/v1/traces", "application/json")
    assert facts_of(body["resourceSpans"][0]["resource"]) == {"service.name": "test"}
    assert (root["traceId"], root["spanId"], root["kind"]) == ("0" * 30 + "ff", "0" * 15 + "1", 1)
    assert "parentSpanId" not in root
    assert (root["startTimeUnixNano"], root["endTimeUnixNano"]) == ("1000", "2000")
    assert (request["parentSpanId"], request["kind"]) == ("0" * 15 + "1", 3)
    assert request["status"] == {"code": 2, "message": "Unavailable"}
    assert request["attributes"][1] == {"key": "n", "value": {"intValue": "7"}}


async def test_what_is_to_be_sent_again_is_sent_again(collector: Collector) -> None:
    """An answer that asks for patience loses nothing; the next POST has the same spans."""
    collector.codes.append(503)

    await sent(collector, [a_span()], times=2)

    first, second = collector.requests
    assert first == second


async def test_what_is_refused_is_lost_and_counted(collector: Collector) -> None:
    """A collector that does not want something gets it once."""
    collector.codes.append(400)

    exporter = await sent(collector, [a_span()], times=2)

    assert len(collector.requests) == 1
    assert exporter._metrics.spans_lost._value.get() == 1


async def test_many_spans_are_sent_by_batches(collector: Collector) -> None:
    """No request is larger than a batch, and none is left."""
    await sent(collector, [a_span(number) for number in range(1, 2 * BATCH + 2)])

    scopes = [body["resourceSpans"][0]["scopeSpans"][0] for *_, body in collector.requests]
    assert [len(scope["spans"]) for scope in scopes] == [BATCH, BATCH, 1]


async def test_a_collector_that_is_away_holds_up_nothing() -> None:
    """The oldest spans are lost, and counted; what waits is bounded."""
    metrics = Metrics()
    with Collector() as gone:
        url = gone.url
    async with exporting(url, {}, metrics) as exporter:
        for number in range(1, CAPACITY + 11):
            exporter.take(a_span(number))
        await exporter.flush(5.0)

        assert len(exporter._waiting) == CAPACITY
        assert exporter._waiting[0].span_id == 11
    assert metrics.spans_lost._value.get() == 10
