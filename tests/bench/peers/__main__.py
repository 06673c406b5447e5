"""Peers beside this server, on the same vectors in one run: `python -m tests.bench.peers`, `make bench-peers`.

Each peer has an environment of its own, made by uv from a hash-pinned lock in this folder; none is a dependency of the
product. Each side is asked by its own Python client, in a process of its own, with as many callers; the two, and an
empty RPC that answers recalls of the same size, take turns. Keeps docs/benchmarks/peers/<peer>.json and writes
docs/benchmarks.md anew.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from soma.memory.v1 import recall_service_pb2
from somamemory import MemoryClient, calls
from tests.bench import data, machine, report
from tests.bench.measuring import spread
from tests.bench.peers import asking
from tests.support.server_process import ROOT, ServerProcess

HERE = Path(__file__).resolve().parent
RESULTS = ROOT / "docs" / "benchmarks"
PEERS = ("chroma", "mem0", "langgraph")
CALLERS = 16
_QUIET = {"MEM0_TELEMETRY": "False", "ANONYMIZED_TELEMETRY": "False"}
"""Peers send nothing home from here."""
QUERIES = 100
ASKED = ("recall", "filtered", "store")
"""What is measured, in this order: what is stored then is not there for the recalls."""


def main() -> int:
    """Measure, keep the JSON, and write the page anew."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("peers", nargs="*", help=f"of {', '.join(PEERS)}; default: all")
    parser.add_argument("--count", type=int, default=10_000, help="memories")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if unknown := set(given.peers) - set(PEERS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for peer in given.peers or PEERS:
        measured = measure(peer, given.count, given.seconds, given.repeats)
        (RESULTS / "peers").mkdir(parents=True, exist_ok=True)
        kept = RESULTS / "peers" / f"{peer}.json"
        kept.write_text(json.dumps(measured, indent=1) + "\n")
        sys.stdout.write(f"written: {kept.relative_to(ROOT)}\n")
    (RESULTS.parent / "benchmarks.md").write_text(report.render(RESULTS))
    return 0


def measure(peer: str, count: int, seconds: float, repeats: int) -> dict[str, Any]:
    """Measure one peer beside this server, and return what is kept as JSON."""
    facts = machine.facts()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soma-peers-")))
        kept = _write_data(folder / "data.npz", count)
        python = _environment(folder / "environment", peer)
        theirs = stack.enter_context(_side(python, peer, folder, []))
        server = stack.enter_context(ServerProcess(folder / "server"))
        empty = stack.enter_context(_empty_server(folder / "empty", server, kept["queries"][0]))
        addresses = [server.address, empty.address]
        ours = stack.enter_context(_side(Path(sys.executable), "ours", folder, addresses))
        told = {"theirs": theirs.told, "ours": ours.told}
        cases = [_case("store in bulk", [[told[s]["stored"]] for s in ("ours", "theirs")])]
        for what in ASKED:
            turns = [_turn(ours, theirs, what, seconds) for _ in range(repeats)]
            cases.append(_case(what, [[turn[side] for turn in turns] for side in (0, 1)]))
        empties = [ours.ask("empty", seconds)["rate"] for _ in range(repeats)]
    return {
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "machine": facts,
        "memories": count,
        "callers": CALLERS,
        "names": {side: one["name"] for side, one in told.items()},
        "empty_rpc": spread(empties),
        "cases": cases,
        "recall_at_10": {
            side: [
                _share(one["found"], kept, range(count)),
                _share(one["filtered"], kept, range(asking.ASKED_NUMBER, count, asking.TEAMS)),
            ]
            for side, one in told.items()
        },
    }


def _write_data(path: Path, count: int) -> dict[str, Any]:
    texts = data.Texts(7)
    vectors, queries = data.clustered(count, seed=1), data.clustered(QUERIES, seed=2)
    all_texts = np.array([texts.text() for _ in range(count)])
    np.savez(path, vectors=vectors, queries=queries, texts=all_texts)
    return {"vectors": vectors, "queries": queries}


def _turn(ours: "Side", theirs: "Side", what: str, seconds: float) -> tuple[float, float]:
    mine, other = ours.ask(what, seconds), theirs.ask(what, seconds)
    if mine["errors"]:
        raise RuntimeError(f"{mine['errors']} of our calls failed: {what}")
    return mine["rate"], other["rate"]


def _case(name: str, rates: Sequence[Sequence[float]]) -> dict[str, Any]:
    ours, theirs = rates
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return {"name": name, "ratio": spread(ratios), "ours": spread(ours), "theirs": spread(theirs)}


def _share(found: Sequence[Sequence[int]], kept: Mapping[str, Any], among: range) -> float:
    """Return which share of the ten nearest, by brute force, was found."""
    numbers = np.array(among)
    hits = 0
    for query, got in zip(kept["queries"], found, strict=True):
        best = numbers[np.argsort(-(kept["vectors"][numbers] @ query))[:10]]
        hits += len(set(best.tolist()) & set(got))
    return round(hits / (10 * len(found)), 4)


class Side:
    """The process that loads one side."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.told = self._answer()

    def ask(self, what: str, seconds: float) -> dict[str, Any]:
        """Let it call for some seconds, and return rate and latencies."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"what": what, "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        # A peer may talk on standard output, too.
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise RuntimeError(f"a load script ended with {self._process.wait()}")


@contextmanager
def _side(python: Path, name: str, folder: Path, more: Sequence[str]) -> Iterator[Side]:
    own = folder / name
    own.mkdir()
    script = [str(python), "-m", f"tests.bench.peers.{name}_load"]
    process = subprocess.Popen(
        [*script, str(own), str(folder / "data.npz"), str(CALLERS), *more],
        cwd=ROOT,
        env={**os.environ, **_QUIET, "MEM0_DIR": str(own)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Side(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def _environment(folder: Path, peer: str) -> Path:
    """Make the peer's environment and return its Python."""
    uv = str(ROOT / ".venv" / "bin" / "uv")
    python = folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", "3.11", str(folder)], check=True)
    lock = str(HERE / f"{peer}.txt")
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", lock]  # fmt: skip
    subprocess.run(install, check=True)
    return python


@contextmanager
def _empty_server(
    folder: Path, server: ServerProcess, query: data.Vectors
) -> Iterator[ServerProcess]:
    """Serve recalls with an answer of the same size as the memory server's."""
    folder.mkdir()
    with MemoryClient(server.address) as client:
        for number in range(10):
            payload = {"text": " ".join(["ten letters"] * 17)}
            metadata = {"team": f"team-{number}"}
            client.store(payload, id=str(number), namespace="size", metadata=metadata)
    request = recall_service_pb2.RecallRequest(
        vector=query.astype("<f4").tobytes(), top_k=10, namespace="size"
    )
    method = calls.recalls.RECALL
    with grpc.insecure_channel(server.address) as channel:
        call: Any = channel.unary_unary(method.path)
        (folder / method.name).write_bytes(call(request.SerializeToString(), timeout=30))
    with ServerProcess(folder, module="tests.bench.empty_server") as empty:
        yield empty


if __name__ == "__main__":
    sys.exit(main())
