"""Copies that do not fit: it is said, in a line, and nothing is kept that looks like a good copy."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from somamemory import MemoryClient, SomaMemoryError, Unavailable
from tests.support.server_process import ServerProcess

ROOM = 200_000
"""Bytes that a file may have, where its disk is full."""

SOMA = (
    "import resource, sys; from somamemory.cli import main; room = int(sys.argv[1]);"
    " resource.setrlimit(resource.RLIMIT_FSIZE, (room, room));"
    " sys.exit(main(sys.argv[2:]))"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with more in it than has room."""
    with ServerProcess(tmp_path_factory.mktemp("full") / "data") as running:
        with MemoryClient(running.address) as client:
            for number in range(20):
                client.store({"text": "x" * 50_000}, id=f"m{number}", namespace="n")
        yield running


def soma(room: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command where no file may have more bytes than that."""
    return subprocess.run(
        [sys.executable, "-c", SOMA, str(room), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def a_full_disk(pid: int) -> Iterator[None]:
    """Let a process write no more than so much into any file."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (ROOM, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("order", [("backup",), ("dump", "--namespace", "n")])
def test_a_copy_that_does_not_fit_is_not_kept(
    server: ServerProcess, tmp_path: Path, order: tuple[str, ...]
) -> None:
    """The error names the file, and the folder is as it was."""
    verb, *more = order
    target = tmp_path / "copy"
    ended = soma(ROOM, verb, str(target), *more, "--address", server.address)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.strip().splitlines()[-1] == f"error: File too large: {target}"
    assert list(tmp_path.iterdir()) == []


def test_a_receipt_that_does_not_fit_is_printed(server: ServerProcess, tmp_path: Path) -> None:
    """What is erased cannot be erased again: the only proof goes to standard output, and is whole."""
    file, kept = tmp_path / "receipt.json", tmp_path / "kept.json"
    own = ("--namespace", "erased", "--address", server.address)
    soma(ROOM, "store", "tea", "--metadata", "who=ann", *own)

    ended = soma(10, "erase", "who=ann", "--yes", "--receipt", str(file), *own)

    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1] == f"error: File too large: {file}"
    assert list(tmp_path.iterdir()) == []
    kept.write_text(ended.stdout)
    verified = soma(ROOM, "verify-erasure", str(kept), "who=ann", *own)
    assert (verified.returncode, json.loads(ended.stdout)["memory_count"]) == (0, "1"), verified


def test_a_server_without_room_for_a_copy_says_so_and_goes_on(
    server: ServerProcess, tmp_path: Path
) -> None:
    """It keeps no part of one either, and makes one when there is room."""
    with MemoryClient(server.address, timeout_s=3) as client:
        with a_full_disk(server.pid), pytest.raises(SomaMemoryError) as caught:
            list(client.backup())
        left = list(server.data_dir.glob("backup-*"))
        ended = list(client.backup())
        client.store({"text": "after"}, namespace="n")

    assert isinstance(caught.value, Unavailable)
    assert left == []
    assert len(ended) > 1
