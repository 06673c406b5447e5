"""Whatever comes over the wire: an answer or a refusal, in time, within bounds, and never INTERNAL.

The RPCs are those of the descriptors, so a new one is tried as soon as it is in the protos; one that the server does
not serve fails here.
"""

import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from somamemory import MemoryClient
from tests.support.fuzzing import Rpc, all_rpcs, messages
from tests.support.server_process import ServerProcess

FINE = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    # A `min_commit_seq` that is not there yet, or a text that the embedder does not take.
    grpc.StatusCode.UNAVAILABLE,
}
"""Each with its details; without them it was not our server that spoke."""

TIMEOUT_S = 30.0
DETAILS_KEY = "grpc-status-details-bin"
STREAM_S = 0.2
"""How long a stream of responses is listened to; some have no end."""

MAX_GROWTH_KIB = 300 * 1024
RPCS = list(all_rpcs())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a few memories; at the end it must be well, and must not have grown or met a bug."""
    folder: Path = tmp_path_factory.mktemp("fuzz") / "data"
    with ServerProcess(folder, embedding_dimensions=64) as running:
        with MemoryClient(running.address) as client:
            for name in ("a", "b"):
                client.store({"text": f"green tea {name}"}, namespace="notes", id=name)
            client.link("a", "b", namespace="notes", type="similar")
        before_kib = running.rss_kib()
        yield running
        assert running.rss_kib() - before_kib < MAX_GROWTH_KIB
        bugs = [line for line in running.log().splitlines() if '"ERROR"' in line]
        assert [json.loads(line)["message"] for line in bugs] == []
        with grpc.insecure_channel(running.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as made:
        yield made


def outcome(channel: grpc.Channel, rpc: Rpc, requests: Sequence[bytes]) -> grpc.StatusCode:
    """Make one call of whatever kind; return how it ended. That a stream goes on is fine."""
    has_end = not rpc.is_server_streaming
    timeout_s = TIMEOUT_S if has_end else STREAM_S
    given_requests: Any = iter(requests) if rpc.is_client_streaming else requests[0]
    kind = f"{'stream' if rpc.is_client_streaming else 'unary'}_{'unary' if has_end else 'stream'}"
    call: Any = getattr(channel, kind)(rpc.path)
    began = time.monotonic()
    try:
        answer = call(given_requests, timeout=timeout_s)
        if not has_end:
            for _response in answer:
                pass
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        if not has_end and code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return grpc.StatusCode.OK
        # Whose clock is ahead, resets the stream when its time is over.
        is_over = not has_end and time.monotonic() - began > 0.9 * STREAM_S
        if (
            is_over
            and code is grpc.StatusCode.CANCELLED
            and "RST_STREAM" in (error.details() or "")
        ):
            return grpc.StatusCode.OK
        trailing: Any = error.trailing_metadata() or ()
        has_details = any(each.key == DETAILS_KEY for each in trailing)
        return code if has_details else grpc.StatusCode.UNKNOWN
    return grpc.StatusCode.OK


def by_path(rpc: Rpc) -> str:
    return rpc.path


@pytest.mark.parametrize("rpc", RPCS, ids=by_path)
def test_random_bytes_are_never_an_internal_error(channel: grpc.Channel, rpc: Rpc) -> None:
    """Alone, and within a stream after a message that was fine."""
    seed = int.from_bytes(os.urandom(4), "big")
    source = random.Random(seed)
    for _ in range(25):
        noise = source.randbytes(source.randint(0, 60))
        assert outcome(channel, rpc, [noise]) in FINE, (seed, noise)
        assert outcome(channel, rpc, [b"", noise, b""]) in FINE, (seed, noise)


@pytest.mark.parametrize("rpc", RPCS, ids=by_path)
def test_odd_fields_are_never_an_internal_error(channel: grpc.Channel, rpc: Rpc) -> None:
    """Fields out of range, of every type, in all combinations, several messages of them to a stream."""
    many = st.lists(messages(rpc.request), min_size=1, max_size=3 if rpc.is_client_streaming else 1)

    @settings(
        max_examples=25 if rpc.is_server_streaming else 120,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # a failure shows the request; shrinking would take minutes
    )
    @given(many)
    def call(requests: list[Message]) -> None:
        raw = [request.SerializeToString() for request in requests]
        assert outcome(channel, rpc, raw) in FINE, requests

    call()
