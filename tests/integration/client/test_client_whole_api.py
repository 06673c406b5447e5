"""Both clients and the command line over the whole API of a real server."""

import asyncio
import io
import json
import os
import select
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from somamemory import (
    AsyncMemoryClient,
    BackupSummary,
    ChangeType,
    Draft,
    ExportSummary,
    FieldMatch,
    HistoryLost,
    MemoryClient,
    NamespacePolicy,
    NotFound,
    Query,
    QuotaExceeded,
    Receipt,
    Summary,
)
from somamemory.cli import main
from tests.support.server_process import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server for the tests that do not stop it; they keep apart by their namespaces."""
    with ServerProcess(tmp_path_factory.mktemp("whole") / "data") as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[MemoryClient]:
    """A client for threads."""
    with MemoryClient(server.address) as made:
        yield made


def test_a_memory_is_updated_kept_and_restored(client: MemoryClient) -> None:
    """Only what is named changes, and every version can be read."""
    client.store({"text": "tea"}, id="x", namespace="v", metadata={"a": 1, "b": "c"})
    client.update("x", namespace="v", payload={"text": "coffee"}, metadata_values={"b": None})
    client.update("x", namespace="v", importance=4.0)

    now = client.get("x", namespace="v")
    assert (now.payload, now.importance, dict(now.metadata)) == ({"text": "coffee"}, 4.0, {"a": 1})
    kept = [one.memory.version for one in client.list_versions("x", namespace="v", page_size=1)]
    assert kept == [3, 2, 1]
    client.restore_version("x", 1, namespace="v")
    assert client.get("x", namespace="v").payload == {"text": "tea"}
    assert client.get("x", namespace="v", version=2).payload == {"text": "coffee"}
    found = client.recall(match=FieldMatch("te", substring=True), namespace="v")
    assert [hit.memory.id for hit in found] == ["x"]


def test_batches_tell_of_each(client: MemoryClient) -> None:
    """What is not there is an error in its place."""
    client.store({"n": 1}, id="a", namespace="b")
    found = client.batch_get(["a", "absent"], namespace="b")
    assert isinstance(found[1], NotFound)
    gone = client.delete_batch(["a", "absent"], namespace="b")
    assert isinstance(gone[0], Receipt)
    assert isinstance(gone[1], NotFound)
    client.store({"n": 1}, namespace="b")
    assert client.purge(namespace="b", everything=True, dry_run=True).matched_count == 1
    assert client.purge(namespace="b", everything=True).deleted_count == 1


def test_a_stream_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    """Every draft is acknowledged once and stored once, over a kill in the middle."""
    with (
        ServerProcess(tmp_path / "data") as server,
        MemoryClient(server.address, timeout_s=30) as client,
    ):
        drafts = (Draft(payload={"n": number}, id=f"m{number}") for number in range(600))
        receipts = []
        for receipt in client.store_stream(drafts, stream_id="s", message_items=5):
            receipts.append(receipt)
            if len(receipts) == 100:
                server.kill()
                server.start()

        assert [one.id for one in receipts if isinstance(one, Receipt)] == [
            f"m{number}" for number in range(600)
        ]
        versions = {memory.version for memory in client.list_memories()}
        assert versions == {1}


async def test_the_async_client_streams_too(tmp_path: Path) -> None:
    """The same over a kill, and questions as they come."""
    with ServerProcess(tmp_path / "data") as server:
        async with AsyncMemoryClient(server.address, timeout_s=30) as client:
            drafts = [Draft(payload={"text": f"word{n}"}, id=f"m{n}") for n in range(300)]
            receipts = []
            async for receipt in client.store_stream(drafts, stream_id="s", message_items=5):
                receipts.append(receipt)
                if len(receipts) == 50:
                    server.kill()
                    await asyncio.to_thread(server.start)
            assert len({one.id for one in receipts if isinstance(one, Receipt)}) == 300
            queries = [Query(text=f"word{n}", mode="keyword", top_k=1) for n in range(40)]
            answers = [answer async for answer in client.recall_stream(queries)]
            batch = await client.recall_batch(queries[:3])

    assert [answer[0].memory.id for answer in answers] == [f"m{n}" for n in range(40)]  # type: ignore[index]
    assert [answer[0].memory.id for answer in batch] == ["m0", "m1", "m2"]  # type: ignore[index]


async def test_changes_are_heard_and_the_token_goes_on(server: ServerProcess) -> None:
    """Letting the iterator go ends the call; a token from before an erasure is lost history."""
    async with AsyncMemoryClient(server.address) as client:
        await client.store({"n": 0}, id="a", namespace="w", metadata={"who": "ann"})

        async def heard(changes: AsyncIterator[Any]) -> Any:
            async with asyncio.timeout(30):
                return await anext(changes)

        changes = client.watch(namespace="w", include_memory=True)
        begun = await heard(changes)
        await client.store({"n": 1}, id="b", namespace="w")
        change = await heard(changes)
        assert (change.type, change.id, change.memory.payload) == (ChangeType.STORED, "b", {"n": 1})
        await changes.aclose()  # type: ignore[attr-defined]
        again = client.watch(namespace="w", resume_token=begun.resume_token)
        await heard(again)
        assert (await heard(again)).id == "b"
        await client.erase_subject("who", "ann", namespace="w")
        with pytest.raises(HistoryLost):
            await heard(again)


def test_a_namespace_moves_to_another(client: MemoryClient) -> None:
    """Memories, versions, embeddings and links; the summary comes last."""
    client.store({"text": "one"}, id="a", namespace="from")
    client.store({"text": "two"}, id="a", namespace="from")
    client.store({"text": "three"}, id="b", namespace="from")
    client.link("a", "b", type="likes", namespace="from")
    parts = list(
        client.export_memories(namespace="from", include_versions=True, include_embeddings=True)
    )
    assert isinstance(parts[-1], ExportSummary)

    *_, last = client.import_memories(parts, namespace="to")

    assert (last.stored_count, last.linked_count, last.rejected_count) == (2, 1, 0)
    assert client.get("a", namespace="to", version=1).payload == {"text": "one"}
    path = client.find_path("a", "b", namespace="to")
    assert path is not None
    assert [link.type for link in path.links] == ["likes"]
    assert client.unlink("a", "b", namespace="to").version == 1
    shared = client.share("third", namespace="from")
    assert (shared.stored_count, shared.linked_count) == (2, 1)


def test_namespaces_have_policies(client: MemoryClient) -> None:
    """Made, changed in part, filled up to the quota, deleted."""
    made = client.create_namespace("p", NamespacePolicy(quota_memories=1, default_ttl_s=60))
    changed = client.update_namespace(
        "p", NamespacePolicy(max_versions=2), fields=["max_versions"], expected_version=made.version
    )
    assert changed.policy == NamespacePolicy(quota_memories=1, default_ttl_s=60, max_versions=2)
    client.store({"n": 1}, namespace="p", id="a", coordinate=[1.0, 2.0])
    with pytest.raises(QuotaExceeded) as caught:
        client.store({"n": 2}, namespace="p")
    assert caught.value.details.quota[0].field == "namespace:p"
    assert [one.id for one in client.range_search([0, 0], [2, 2], namespace="p")] == ["a"]
    assert client.delete_namespace("p") > 0
    with pytest.raises(NotFound):
        client.get_namespace("p")


def test_memories_are_summed_up_judged_and_erased(client: MemoryClient) -> None:
    """With receipts that can be checked."""
    for number, text in enumerate(("We fly to Oslo.", "Oslo is cold.")):
        client.store({"text": text}, id=f"t{number}", namespace="l", metadata={"session": "s"})
    first = client.consolidate(namespace="l")
    assert [one.source_ids for one in first.memories] == [("t0", "t1")]
    assert client.undo_consolidation(first.id, namespace="l") == 1
    own = Summary(Draft(payload={"fact": "a trip"}, kind="semantic"), ["t0", "t1"])
    assert client.consolidate(namespace="l", summaries=[own]).memories[0].created
    judged = client.report_outcome("t0", 1.0, namespace="l", correction=Draft(payload={"t": "x"}))
    assert judged.importance == 1.25
    assert client.get(judged.correction_id, namespace="l").kind == "semantic"
    assert len(client.reflect(namespace="l", count=2, seed=1)) == 2

    receipt = client.erase_subject("session", "s", namespace="l")
    # The two, and the summary of them.
    assert receipt.memory_count == 3
    verified = client.verify_erasure(receipt, "session", "s", namespace="l")
    assert (verified.authentic, verified.remaining_count) == (True, 0)
    *data, summary = client.backup()
    assert isinstance(summary, BackupSummary)
    assert summary.size_bytes == sum(len(one) for one in data if isinstance(one, bytes))


Soma = Callable[..., tuple[int, str]]


@pytest.fixture
def soma(
    server: ServerProcess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Soma:
    """Run a command within the process; return its exit code and its standard output."""
    monkeypatch.setenv("SOMA_ADDRESS", server.address)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        code = main(arguments)
        return code, capsys.readouterr().out

    return run


def done(result: tuple[int, str]) -> str:
    """Return what a command printed; it must have succeeded."""
    assert result[0] == 0, result
    return result[1]


def test_the_command_line_keeps_versions(soma: Soma) -> None:
    """Update, list, restore, look back."""
    own = ("-n", "cli-v")
    done(soma("store", "green tea", "--id", "x", *own, "-m", "a=1"))
    done(soma("update", "x", *own, "--importance", "3", "-m", "b=2", "--unset", "a"))
    assert json.loads(done(soma("get", "x", *own, "--json")))["metadata"] == {"b": 2}
    assert "green tea" in done(soma("versions", "x", *own))
    assert "version 3" in done(soma("restore-version", "x", "1", *own))
    assert json.loads(done(soma("get", "x", *own, "--version", "2", "--json")))["importance"] == 3
    assert soma("update", "x", *own)[0] == 2
    assert "x" in done(soma("recall", "--match", "tea", "--substring", *own))
    assert "1 memories would go" in done(soma("purge", "--everything", *own))
    assert "deleted 1" in done(soma("purge", "--everything", "--yes", *own))


def test_the_command_line_walks_links_and_namespaces(soma: Soma) -> None:
    """Path, unlink, policies, deletion that asks first."""
    own = ("-n", "cli-l")
    done(soma("namespace", "create", "cli-l", "--max-memories", "9"))
    assert "12" in done(soma("namespace", "set", "cli-l", "--max-versions", "12"))
    shown = json.loads(done(soma("namespace", "show", "cli-l", "--json")))
    assert (shown["policy"]["max_memories"], shown["policy"]["max_versions"]) == (9, 12)
    for name in "abc":
        done(soma("store", name, "--id", name, "--kind", "semantic", "--coordinate", "1,1", *own)
             if name == "a" else soma("store", name, "--id", name, "--kind", "semantic", *own))  # fmt: skip
    done(soma("link", "a", "b", *own))
    done(soma("link", "b", "c", "--weight", "2", *own))
    assert "cost 3" in done(soma("path", "a", "c", *own))
    assert "removed 1" in done(soma("unlink", "a", "b", *own))
    assert "no such path" in done(soma("path", "a", "c", *own))
    assert "a" in done(soma("range", "0,0", "2,2", *own))
    assert "3 memories" in soma("namespace", "delete", "cli-l")[1]
    done(soma("namespace", "delete", "cli-l", "--yes"))
    assert soma("namespace", "show", "cli-l")[0] == 3


def test_a_change_is_told_to_a_pipe_at_once(server: ServerProcess, client: MemoryClient) -> None:
    """Who reads the lines of `soma watch --json` must not wait until there are many."""
    command = [sys.executable, "-m", "somamemory", "watch", "--json", "-n", "piped"]
    environment = {"SOMA_ADDRESS": server.address}

    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        is_told = False
        # Far fewer than a buffer holds; the first of them may be before the watching begins.
        for _ in range(20):
            client.store({"text": "news"}, namespace="piped")
            is_told = bool(select.select([watching.stdout], [], [], 0.5)[0])
            if is_told:
                break
        watching.terminate()

    assert is_told
    assert watching.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    "command", [["export"], ["dump"], ["backup", "--replace"]], ids=lambda one: str(one[0])
)
def test_what_is_written_anew_is_no_more_open(
    soma: Soma, tmp_path: Path, command: list[str]
) -> None:
    """A file that nobody else may read stays so when its content is replaced."""
    done(soma("store", "kept"))
    file = tmp_path / "file"
    file.touch(0o600)

    done(soma(*command, str(file)))

    assert file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_command_line_moves_judges_and_erases(soma: Soma, tmp_path: Path) -> None:
    """Dump and load, share, consolidate and undo, outcome, erase with a receipt that verifies, backup."""
    own = ("-n", "cli-m")
    for number, text in enumerate(("We fly to Oslo.", "Oslo is cold.")):
        done(soma("store", text, "--id", f"t{number}", "-m", "session=s", *own))
    dump = tmp_path / "dump.jsonl"
    assert "dumped 2 memories" in done(soma("dump", str(dump), "--versions", "--embeddings", *own))
    done(soma("load", str(dump), "-n", "cli-copy"))
    assert soma("load", str(dump), "-n", "cli-copy")[0] == 8
    dump.write_text(dump.read_text().replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    done(soma("load", str(dump), "-n", "cli-windows"))
    dump.write_text(dump.read_text(encoding="utf-8-sig").splitlines()[0] + "\n")
    assert soma("load", str(dump), "-n", "cli-cut")[0] == 2
    dump.write_bytes(b"\xff no text at all")
    assert soma("load", str(dump), "-n", "cli-cut")[0] == 2
    done(soma("share", "cli-shared", *own))
    made = json.loads(done(soma("consolidate", "--json", *own)))
    assert "undid 1" in done(soma("undo-consolidation", made["id"], *own))
    assert "importance is 0.75" in done(
        soma("outcome", "t0", *own, "--correction", "no", "--", "-1")
    )
    assert (
        len(done(soma("reflect", "--count", "2", "--seed", "3", "--json", *own)).splitlines()) == 2
    )
    assert soma("erase", "session=s", *own)[0] == 2
    receipt = tmp_path / "receipt.json"
    done(soma("erase", "session=s", *own, "--yes", "--receipt", str(receipt)))
    assert "authentic" in done(soma("verify-erasure", str(receipt), "session=s", *own))
    receipt.write_text(receipt.read_text().replace('"memory_count": "2"', '"memory_count": "1"'))
    assert soma("verify-erasure", str(receipt), "session=s", *own)[0] == 1
    copy = tmp_path / "copy"
    done(soma("backup", str(copy)))
    assert soma("backup", str(copy))[0] == 2
    assert done(soma("list", "--order", "importance", "-n", "cli-copy")).count("t0") == 1


def test_nothing_is_erased_where_its_receipt_has_no_place(soma: Soma, tmp_path: Path) -> None:
    """A folder that is not there and an earlier receipt are refused before; a failure leaves no file."""
    own = ("-n", "cli-e")
    done(soma("store", "tea", "--id", "a", "-m", "who=ann", *own))
    kept, receipt = tmp_path / "kept.json", tmp_path / "receipt.json"
    kept.write_text("an earlier receipt")

    order = ("erase", "who=ann", "--yes", "--receipt")
    assert soma(*order, str(tmp_path / "none" / "receipt.json"), *own)[0] == 1
    assert soma(*order, str(kept), *own)[0] == 2
    assert soma(*order, str(receipt), "-n", "no-such-namespace")[0] == 3

    assert kept.read_text() == "an earlier receipt"
    assert not receipt.exists()
    done(soma("get", "a", *own))
    done(soma(*order, str(receipt), *own))
    done(soma("verify-erasure", str(receipt), "who=ann", *own))


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_nothing_of_a_dump_with_a_line_missing_is_loaded(
    soma: Soma, tmp_path: Path, lost: int
) -> None:
    """A memory, a link or the summary: the dump is not whole; through a pipe it is said at the end."""
    own, dump = ("-n", f"cli-lost-{lost}"), tmp_path / "dump.jsonl"
    for name in "ab":
        done(soma("store", name, "--id", name, "--kind", "semantic", *own))
    done(soma("link", "a", "b", *own))
    done(soma("dump", str(dump), *own))
    lines = dump.read_text().splitlines(keepends=True)
    del lines[lost]
    dump.write_text("".join(lines))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=["".join(lines)])

    assert soma("load", str(dump), "-n", f"cli-lost-to-{lost}")[0] == 2
    assert soma("namespace", "show", f"cli-lost-to-{lost}")[0] == 3
    writer.start()
    assert soma("load", str(pipe), "-n", f"cli-lost-to-{lost}")[0] == 2
    writer.join()


def test_a_dump_goes_through_what_is_no_plain_file(soma: Soma, tmp_path: Path) -> None:
    """A pipe, a device or a link stays what it is; only a plain file is replaced."""
    done(soma("store", "tea", "--id", "a", "-n", "cli-pipe"))
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to(target)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        for command, way in (("dump", link), ("export", link), ("dump", pipe), ("export", pipe)):
            assert soma(command, str(way), "-n", "cli-pipe")[0] == 0
        assert link.is_symlink()
        assert "tea" in target.read_text()
        assert pipe.is_fifo()
        assert os.read(reader, 65536).count(b"tea") >= 2
    finally:
        os.close(reader)
