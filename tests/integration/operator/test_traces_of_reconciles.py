"""The operator tells a collector what each reconcile spent its time on."""

from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.collector import Collector, facts_of
from tests.support.kube_api import Room, eventually
from tests.support.operator_rooms import an_operator

STAGES = {"observe", "decide", "publish", "apply", "conclude"}


def test_each_stage_of_a_reconcile_is_told(
    operator_kubeconfig: Path, room: Room, tmp_path: Path
) -> None:
    """A trace for each look at a resource, with its stages and the requests in them, whole and without loose ends."""
    with Collector() as collector:
        with an_operator(operator_kubeconfig, tmp_path, otlp_endpoint=collector.url) as operator:
            operator.wait_leading()
            room.make()
            room.run()
            eventually(lambda: first_look(collector, room))
            assert operator.stop() == 0

        traces = eventually(lambda: first_look(collector, room))
        spans = collector.spans()

    ids = {one.span_id for one in spans}
    assert all(one.parent_span_id in ids for one in spans if one.parent_span_id)
    [root] = [one for one in traces if one.name == "reconcile"]
    assert {one.name for one in traces if one.parent_span_id == root.span_id} == STAGES
    [apply] = [one for one in traces if one.name == "apply"]
    made = [one for one in traces if one.parent_span_id == apply.span_id]
    assert "apply deployments" in {one.name for one in made}
    assert {facts_of(one)["http.response.status_code"] for one in made} == {201}
    assert {one.name for one in spans if not one.parent_span_id} == {"reconcile"}


def first_look(collector: Collector, room: Room) -> list[Span] | None:
    """Return the spans of the trace in which the children were made, once it is there as a whole."""
    spans = collector.spans()
    roots = [
        one.trace_id
        for one in spans
        if one.name == "reconcile"
        and facts_of(one)["k8s.namespace.name"] == room.namespace
        and facts_of(one)["soma.result"] == "changed"
    ]
    found = [[one for one in spans if one.trace_id == trace] for trace in roots]
    made = [one for one in found if any(span.name == "apply deployments" for span in one)]
    return made[0] if made else None
