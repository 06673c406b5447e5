"""What a reconcile spent its time on, and how a collector hears of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from soma_common.errors import Unavailable
from soma_operator.adapters.otlp import exporting
from soma_operator.traces import begin, recorded_by, stage, trace_headers
from tests.support.collector import Collector, facts_of

STATUS_ERROR = 2


@contextmanager
def recording(*, always: bool = True) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    sampler = ALWAYS_ON if always else ALWAYS_OFF
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with recorded_by(provider.get_tracer("test")):
        yield exporter
    provider.shutdown()


def named(spans: Sequence[ReadableSpan]) -> dict[str, ReadableSpan]:
    return {one.name: one for one in spans}


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def test_stages_lie_within_each_other() -> None:
    """Every stage names the one around it, and all of them the trace."""
    with recording() as exporter, begin("reconcile", place="here"), stage("apply"):
        with stage("patch services", number=1) as span:
            span.set_attribute("code", 201)
        with stage("patch deployments"):
            pass

    spans = named(exporter.get_finished_spans())
    root, apply = spans["reconcile"], spans["apply"]
    assert root.context is not None
    assert apply.context is not None
    assert parent_of(root) is None
    assert parent_of(apply) == root.context.span_id
    children = (spans["patch services"], spans["patch deployments"])
    assert [parent_of(one) for one in children] == [apply.context.span_id] * 2
    assert {one.context.trace_id for one in spans.values() if one.context} == {
        root.context.trace_id
    }
    assert spans["patch services"].attributes == {"number": 1, "code": 201}
    assert root.attributes == {"place": "here"}


def test_what_ends_a_stage_early_is_its_reason() -> None:
    """An error passes, and is told by its reason; its text may hold anything, and stays away."""
    with (
        recording() as exporter,
        pytest.raises(Unavailable),
        begin("reconcile"),
        stage("observe"),
    ):
        raise Unavailable("a secret sentence")

    spans = exporter.get_finished_spans()
    assert [one.status.description for one in spans] == [Unavailable("").reason] * 2
    assert "secret" not in "".join(one.to_json() for one in spans)


def test_without_a_trace_a_stage_is_nothing() -> None:
    """Nothing is recorded without a tracer, outside of a trace, nor in one that is not recorded."""
    with begin("reconcile") as span, stage("observe"):
        assert not span.is_recording()
        assert trace_headers() == {}
    with recording() as exporter, stage("get leases"):
        assert trace_headers() == {}
    with recording(always=False) as none, begin("reconcile"), stage("observe") as span:
        assert not span.is_recording()

    assert exporter.get_finished_spans() == none.get_finished_spans() == ()


def test_the_trace_goes_on_in_the_api_server() -> None:
    """The header names the trace and the stage that asks."""
    with recording() as exporter, begin("reconcile"), stage("get services"):
        headers = trace_headers()

    asking = named(exporter.get_finished_spans())["get services"].context
    assert asking is not None
    assert list(headers) == ["traceparent"]
    assert headers["traceparent"].startswith(f"00-{asking.trace_id:032x}-{asking.span_id:016x}-")


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A real receiver."""
    with Collector() as collector:
        yield collector


async def test_a_collector_gets_what_was_recorded(collector: Collector) -> None:
    """All of it when the process ends, with who sends it, and errors as such."""
    resource = {"service.name": "test"}
    async with exporting(collector.url + "/", share=1.0, resource=resource):
        with pytest.raises(Unavailable), begin("reconcile"), stage("get pods", n=7):
            raise Unavailable("no")

    [(path, request)] = collector.requests
    spans = {one.name: one for one in collector.spans()}
    assert path == "/v1/traces"
    assert facts_of(request.resource_spans[0].resource)["service.name"] == "test"
    assert spans["get pods"].parent_span_id == spans["reconcile"].span_id
    assert facts_of(spans["get pods"]) == {"n": 7}
    assert spans["get pods"].status.code == STATUS_ERROR


async def test_what_is_to_be_sent_again_is_sent_again(collector: Collector) -> None:
    """An answer that asks for patience loses nothing."""
    collector.codes.append(503)
    async with exporting(collector.url, share=1.0, resource={}):
        with begin("reconcile"):
            pass

    bodies = [request for _, request in collector.requests]
    assert len(bodies) >= 2
    assert bodies[0] == bodies[1]


async def test_no_share_sends_nothing(collector: Collector) -> None:
    """A trace is recorded as a whole or not at all."""
    async with exporting(collector.url, share=0.0, resource={}):
        with begin("reconcile"), stage("apply"):
            pass

    assert collector.requests == []


async def test_a_collector_that_is_away_holds_up_nothing() -> None:
    """What cannot be sent is lost, and the process ends in time."""
    with Collector() as gone:
        url = gone.url
    async with exporting(url, share=1.0, resource={}):
        with begin("reconcile") as span:
            assert span.is_recording()
