"""The audit trail: a line for every change and every refusal, nothing of a payload, a chain that shows tampering."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from memory_server.transport.audit import AuditFile, AuditTrail
from memory_server.transport.auth import Principal
from memory_server.transport.metrics import ServerMetrics
from soma.memory.v1 import memory_pb2, memory_service_pb2, memory_service_pb2_grpc
from soma_common.audit_chain import FIRST, chained, line_of, verify
from soma_common.errors import Unavailable
from soma_common.tokens import new_token, token_hash
from tests.support.memories import StoppedClock
from tests.support.server_process import ServerProcess

SECRET = "canary-4711"
TOKENS = {"writer": new_token(), "reader": new_token()}


def a_server(folder: Path) -> ServerProcess:
    entries = [
        {
            "name": name,
            "tenant": "acme",
            "scopes": ["read", "write"] if name == "writer" else ["read"],
            "sha256": token_hash(token),
        }
        for name, token in TOKENS.items()
    ]
    tokens = folder / "tokens.json"
    tokens.write_text(json.dumps({"tokens": entries}))
    return ServerProcess(
        folder / "data", auth_tokens_file=tokens, audit="file", audit_file=folder / "audit.jsonl",
        embedder="none",
    )  # fmt: skip


def a_draft(name: str) -> memory_pb2.MemoryDraft:
    payload = json.dumps({"text": SECRET}).encode()
    return memory_pb2.MemoryDraft(
        id=name, payload_json=payload, text=SECRET, metadata={SECRET: memory_pb2.MetadataValue(text=SECRET)}
    )  # fmt: skip


def a_store(name: str) -> memory_service_pb2.StoreRequest:
    return memory_service_pb2.StoreRequest(
        namespace="notes", memory=a_draft(name), request_id=f"request-{name}"
    )


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def work(server: ServerProcess, turn: str = "") -> None:
    """Write, read, and be refused."""
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = memory_service_pb2_grpc.MemoryServiceStub(channel)
        writer, reader, nobody = (
            {"metadata": [("authorization", f"Bearer {token}")]}
            for token in (TOKENS["writer"], TOKENS["reader"], new_token())
        )
        stub.Store(a_store(f"{turn}a"), **writer)
        items = [memory_service_pb2.StoreItem(memory=a_draft(f"{turn}{name}")) for name in "bc"]
        batch = memory_service_pb2.StoreBatchRequest(namespace="notes", items=items)
        stub.StoreBatch(batch, **writer)
        ref = memory_pb2.MemoryRef(id=f"{turn}a")
        stub.Get(memory_service_pb2.GetRequest(namespace="notes", ref=ref), **reader)
        stub.Delete(memory_service_pb2.DeleteRequest(namespace="notes", ref=ref), **writer)
        for caller in (reader, nobody):
            assert code_of(lambda caller=caller: stub.Store(a_store("d"), **caller)) in (  # type: ignore[misc]
                grpc.StatusCode.PERMISSION_DENIED,
                grpc.StatusCode.UNAUTHENTICATED,
            )


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_change_and_every_refusal_has_a_line(tmp_path: Path) -> None:
    """Who, what, which, with what outcome; reading has none, and nothing of a payload is in any; a restart goes on."""
    path = tmp_path / "audit.jsonl"
    server = a_server(tmp_path)
    with server:
        work(server)
    seen = [
        (line["caller"], line["method"].rpartition("/")[2], line["outcome"])
        for line in lines_of(path)
    ]
    with server:
        work(server, turn="again-")
    lines = lines_of(path)

    assert seen == [
        ("writer", "Store", "OK"),
        ("writer", "StoreBatch", "OK"),
        ("writer", "Delete", "OK"),
        ("reader", "Store", "PERMISSION_DENIED"),
        ("", "Store", "UNAUTHENTICATED"),
    ]
    first, batch = lines[0], lines[1]
    assert (first["tenant"], first["namespace"], first["ids"]) == ("acme", "notes", ["a"])
    assert (first["request_id"], first["commit_seq"]) == ("request-a", 1)
    assert (batch["items_count"], batch["ids"]) == (2, ["b", "c"])
    assert SECRET not in path.read_text()
    assert verify(path.read_text().splitlines())[0] == 10
    assert path.stat().st_mode & 0o077 == 0


@pytest.fixture
def lines() -> list[str]:
    made, previous = [], FIRST
    for number in range(1, 6):
        linked = chained({"outcome": "OK", "ids": [f"m{number}"]}, number, previous)
        previous = linked["hash"]
        made.append(line_of(linked))
    return made


@pytest.mark.parametrize(
    ("tamper", "place"),
    [
        (lambda lines: [*lines[:2], lines[2].replace("m3", "m9"), *lines[3:]], "line 3"),
        (lambda lines: [*lines[:2], *lines[3:]], "line 3"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1"),
        (lambda lines: [*lines[:4], lines[3], lines[4]], "line 5"),
        (lambda lines: [*lines[:3], "{}", *lines[3:]], "line 4"),
        (lambda lines: [*lines[:3], "no json", *lines[3:]], "line 4"),
        (lambda lines: lines[1:], "line 1"),
    ],
)
def test_tampering_is_found_where_it_is(
    lines: list[str], tamper: Callable[[list[str]], list[str]], place: str
) -> None:
    """Changed, taken out, exchanged, doubled, put in between."""
    assert verify(lines)[0] == 5
    with pytest.raises(ValueError, match=place):
        verify(tamper(lines))


def test_the_command_checks_a_file(tmp_path: Path, lines: list[str]) -> None:
    """By its exit code and a sentence."""
    path = tmp_path / "audit.jsonl"
    command = [sys.executable, "-m", "soma_common.audit_chain", str(path)]
    outcomes = []
    for content in (lines, lines[1:]):
        path.write_text("".join(f"{line}\n" for line in content))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        outcomes.append((done.returncode, "5 lines hold" in done.stdout, "line 1" in done.stderr))

    assert outcomes == [(0, True, False), (1, False, True)]


def test_a_line_that_a_crash_cut_short_is_dropped(tmp_path: Path, lines: list[str]) -> None:
    """Its call was never answered; the chain goes on after the last whole line."""
    path = tmp_path / "audit.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines) + lines[0][:20])
    file = AuditFile(path)
    trail = AuditTrail(StoppedClock(), ServerMetrics({"service": "test"}), file)
    trail.record("Store", None, "OK")
    file.close()

    assert verify(path.read_text().splitlines())[0] == 6


@pytest.mark.parametrize("content", ["no chain\n", '{"number": 1}\n', "[]\n"])
def test_a_file_that_is_no_chain_is_not_written_to(tmp_path: Path, content: str) -> None:
    """It may be somebody else's."""
    path = tmp_path / "audit.jsonl"
    path.write_text(content)
    with pytest.raises(Unavailable):
        AuditFile(path)

    assert path.read_text() == content


def test_a_disk_that_is_full_costs_lines_and_no_calls(tmp_path: Path) -> None:
    """The metric says how many, and the chain holds over the gap."""
    metrics = ServerMetrics({"service": "test"})
    file = AuditFile(tmp_path / "audit.jsonl")
    trail = AuditTrail(StoppedClock(), metrics, file)
    trail.record("Store", None, "OK")
    full = AuditTrail(StoppedClock(), metrics, _Full(file))  # type: ignore[arg-type]
    full.record("Store", Principal("acme"), "OK")  # type: ignore[arg-type]
    trail.record("Store", None, "OK")
    file.close()

    assert metrics.registry.get_sample_value("soma_server_audit_failures_total") == 1
    assert verify((tmp_path / "audit.jsonl").read_text().splitlines())[0] == 2


class _Full:
    """A file on a disk without room."""

    def __init__(self, file: AuditFile) -> None:
        self.number, self.previous = file.number, file.previous

    def write(self, _linked: object) -> None:
        raise OSError(28, "No space left on device")
