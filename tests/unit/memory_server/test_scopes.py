"""Every RPC asks for a scope that fits what it does, and streams as the protos say."""

import os
import re
from pathlib import Path

import pytest

from memory_server.adapters.in_memory.embedder import NoEmbedder
from memory_server.adapters.in_memory.index import InMemoryIndex
from memory_server.adapters.in_memory.store import InMemoryStore
from memory_server.domain.limits import Limits
from memory_server.transport import predecessor
from memory_server.transport.auth import AccessScope
from memory_server.transport.methods import (
    AnyMethod,
    BidiStream,
    ClientStream,
    Method,
    ServerStream,
)
from memory_server.transport.services import methods_by_service
from memory_server.transport.services.admin import ServerFacts
from memory_server.usecases.engine import Engine
from tests.support.fuzzing import Rpc, all_rpcs
from tests.support.memories import StoppedClock

ROOT = Path(__file__).resolve().parents[3]
READS = re.compile(
    r"(Get|BatchGet|List|Recall|RangeSearch|Neighbors|FindPath|Watch|Export|Reflect|Verify|Health)"
)
ENDS = re.compile(r"(Purge|EraseSubject)")
ENGINE = Engine(
    InMemoryStore(),
    InMemoryIndex(),
    NoEmbedder(64),
    StoppedClock(),
    os.urandom,
    Limits(max_message_bytes=1, max_payload_bytes=1, request_id_ttl_s=1, embedding_dimensions=64),
)
"""The methods are only looked at."""

METHODS: dict[str, AnyMethod] = {
    f"/{service}/{name}": method
    for services in (
        methods_by_service(ENGINE, ServerFacts("0", "none")),
        predecessor.methods_by_service(predecessor.PredecessorServicer(ENGINE)),
    )
    for service, methods in services.items()
    for name, method in methods.items()
}
RPCS = list(all_rpcs())


def by_path(rpc: Rpc) -> str:
    return rpc.path


@pytest.mark.parametrize("rpc", RPCS, ids=by_path)
def test_every_rpc_is_served_as_its_proto_says(rpc: Rpc) -> None:
    """The right request, and streams on the right sides."""
    kinds = {(False, False): Method, (False, True): ServerStream,
             (True, False): ClientStream, (True, True): BidiStream}  # fmt: skip
    method = METHODS[rpc.path]

    assert type(method) is kinds[rpc.is_client_streaming, rpc.is_server_streaming]
    assert method.request_type.DESCRIPTOR is rpc.request


@pytest.mark.parametrize("rpc", RPCS, ids=by_path)
def test_every_rpc_asks_for_a_fitting_scope(rpc: Rpc) -> None:
    """What reads asks for `read` and nothing else does; what cannot be undone asks for `erase`."""
    name = rpc.path.rpartition("/")[2]
    scope = METHODS[rpc.path].scope

    assert (scope is AccessScope.READ) == bool(READS.match(name)), scope
    assert (scope is AccessScope.ERASE) == bool(ENDS.match(name)), scope


def test_every_scope_is_documented() -> None:
    """With what it allows."""
    page = (ROOT / "docs/reference/tokens.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))

    assert documented == set(AccessScope)
