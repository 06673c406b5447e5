"""The client and the command line against the real server: the README's example, a laptop's story, load."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from somamemory import AsyncMemoryClient, MemoryClient, SomaMemoryError
from tests.support.server_process import ROOT, ServerProcess

SOMA = "import somamemory.cli as c, sys; sys.exit(c.main(sys.argv[1:]))"


def test_the_example_of_the_readme_does_what_it_says(tmp_path: Path) -> None:
    """The example runs as it stands and prints what its comments promise."""
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 22

    with ServerProcess(tmp_path / "data") as server:
        program = example.replace("MemoryClient()", f'MemoryClient("{server.address}")')
        printed = _run(program).splitlines()

    assert printed[0] == "fsynced 1"
    assert printed[1].endswith("Ana prefers green tea")
    assert printed[2:] == ["['turn-1']", "it is at version 1"]


def test_a_laptops_story_works_with_the_real_server(tmp_path: Path) -> None:
    """Store, recall, import the documentation, export it, import it elsewhere: all the same."""
    exported, again = tmp_path / "docs.jsonl", tmp_path / "again.jsonl"
    with ServerProcess(tmp_path / "data") as server:

        def soma(*arguments: str) -> str:
            return _run(SOMA, "--address", server.address, *arguments)

        soma("store", "Ana prefers green tea", "-m", "topic=taste")
        assert "green tea" in soma("recall", "what does Ana drink?", "-w", "topic=taste")

        first = soma("import", "README.md", "docs", "-n", "docs")
        second = soma("import", "README.md", "docs", "-n", "docs")
        assert "0 updated, 0 unchanged, 0 refused" in first
        assert "0 created, 0 updated" in second

        answer = soma("recall", "what is the only durable truth?", "-n", "docs", "-k", "5")
        assert "SQLite" in answer

        soma("export", "-n", "docs", str(exported))
        soma("import", str(exported), "-n", "elsewhere")
        soma("export", "-n", "elsewhere", str(again))

    assert _own(again) == _own(exported)


def test_the_history_survives_a_restart(tmp_path: Path) -> None:
    """What was stored before a stop is recalled after the next start."""
    server = ServerProcess(tmp_path / "data")
    with server:
        _run(SOMA, "--address", server.address, "store", "the kettle is blue", "--id", "kettle")
    with server:
        assert "kettle" in _run(SOMA, "--address", server.address, "recall", "kettle")


async def test_shed_load_is_waited_out(tmp_path: Path) -> None:
    """A server that works on four calls at once sheds the rest; every caller gets its answer in the end."""
    with ServerProcess(tmp_path / "data", max_concurrent_rpcs=4) as server:
        async with AsyncMemoryClient(server.address, timeout_s=30) as client:
            texts = [f"memory {number}" for number in range(100)]
            receipts = await asyncio.gather(*(client.store({"text": text}) for text in texts))
            stats = await client.stats()

    assert len({receipt.commit_seq for receipt in receipts}) == 100
    assert stats.memory_count == 100
    assert not any(receipt.replayed for receipt in receipts)


def test_neither_logs_nor_errors_hold_what_a_memory_says(tmp_path: Path) -> None:
    """A word of a payload is in no line of the log, at any level, and in no error."""
    secret = "canary-b6f1"
    with (
        ServerProcess(tmp_path / "data", log_level="DEBUG") as server,
        MemoryClient(server.address) as client,
    ):
        client.store({"text": secret}, id="a", metadata={"word": secret}, request_id="r")
        client.recall(secret)
        errors = [
            _error(lambda: client.store({"text": secret}, id="a", expected_version=9)),
            _error(lambda: client.store({"text": secret, "n": 1}, id="a", request_id="r")),
            _error(lambda: client.store(f'[{{"text": "{secret}"}}'.encode())),
            _error(lambda: client.recall(secret, top_k=-1)),
            _error(lambda: client.recall(secret, namespace="none")),
        ]

    assert secret not in server.log()
    assert not [error for error in errors if secret in f"{error!r} {error} {error.details}"]


def _error(call: Callable[[], object]) -> SomaMemoryError:
    with pytest.raises(SomaMemoryError) as caught:
        call()
    return caught.value


def _own(file: Path) -> list[str]:
    """Return the lines without what the server makes."""
    made = r'"namespace":"[^"]*",|,"version":.*?"update_time":"[^"]*"'
    return sorted(re.sub(made, "", line) for line in file.read_text().splitlines())


def _run(program: str, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
