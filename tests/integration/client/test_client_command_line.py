"""The `soma` command line: what it prints, where it prints it, and how it ends."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from soma_dev.ports import free_port
from somamemory import MemoryClient
from somamemory.cli import failures, main
from tests.support.server_process import HOST
from tests.support.small_server import MAX_PAYLOAD_BYTES, SmallServer, small_server


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        [document] = self.out.splitlines()
        loaded: dict[str, object] = json.loads(document)
        return loaded


Soma = Callable[..., Ended]


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with small_server() as running:
        yield running


@pytest.fixture
def soma(
    server: SmallServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Soma:
    """Run a command within the process against the small server."""
    monkeypatch.setenv("SOMA_ADDRESS", server.address)

    def run(*arguments: str, stdin: bytes | None = b"") -> Ended:
        given = None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin))
        monkeypatch.setattr(sys, "stdin", given)
        code = main(arguments)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


def test_a_memory_goes_in_and_comes_out(soma: Soma) -> None:
    """Store, get, recall, list and delete show people what they asked for."""
    stored = soma("store", "Ana prefers green tea", "--id", "a", "-m", "team=red", "-n", "x")

    assert (stored.code, stored.err) == (0, "")
    assert stored.out.startswith("stored a, version 1")
    assert "Ana prefers green tea" in soma("get", "a", "-n", "x").out
    assert "Ana prefers" in soma("recall", "green", "-n", "x", "-k", "3").out
    assert "Ana prefers" in soma("list", "-n", "x", "--where", "team=red").out
    assert "Ana prefers" not in soma("list", "-n", "x", "--where", "team=blue").out
    assert soma("delete", "a", "-n", "x").out.startswith("deleted a")
    assert soma("get", "a", "-n", "x").code == failures.NOT_FOUND


@pytest.mark.parametrize("order", [("--json", "recall", "tea"), ("recall", "tea", "--json")])
def test_json_is_one_document_and_nothing_else(soma: Soma, order: tuple[str, ...]) -> None:
    """With --json, before or after the command, standard output is JSON."""
    soma("store", "green tea", "--id", "a", "--payload", '{"a":  1.10}')

    ended = soma(*order)

    assert ended.err == ""
    results: Any = ended.json["results"]
    [result] = results
    assert result["memory"]["payload_json"] == '{"a":  1.10}'


def test_links_and_facts(soma: Soma) -> None:
    """Links, neighbors, statistics, namespaces and the server's facts are shown."""
    soma("store", "a", "--id", "a")
    soma("store", "b", "--id", "b", "--coordinate", "1,2.5")

    assert soma("link", "a", "at:1,2.5", "--type", "next").out.startswith("linked, version 1")
    assert "next" in soma("neighbors", "a").out
    assert soma("stats", "--json").json["memory_count"] == 2
    assert soma("namespaces").out == "default\n"
    assert soma("info", "--json").json["authentication"] == "none"


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["get", "none"], failures.NOT_FOUND, "there is no memory 'none'"),
        (["recall"], failures.INVALID, "query: give exactly one"),
        (["recall", "\udcff"], failures.INVALID, "request: must hold text only"),
        (["dump", "file", "--namespace", "\udcff"], failures.INVALID, "not text in UTF-8"),
        (["erase", "who", "--yes"], failures.INVALID, "SUBJECT: must be KEY=VALUE"),
        (["store", " "], failures.INVALID, "TEXT: give a text"),
        (["store", "x", "--kind", "odd"], failures.INVALID, "one of episodic, semantic"),
        (["store", "x", "--coordinate", "1,b"], failures.INVALID, "--coordinate: must be numbers"),
        (["store", "x", "-m", "novalue"], failures.INVALID, "--metadata: must be KEY=VALUE"),
        (["store", "x", "--event-time", "soon"], failures.INVALID, "--event-time: must be a time"),
        (
            ["store", "x", "--event-time", "0001-01-01T00:00:00+05:00"],
            failures.INVALID,
            "--event-time: must be a time",
        ),
        (["list", "--where", "n>=x"], failures.INVALID, "is no number"),
        (["list", "--where", f"n>={'9' * 400}"], failures.INVALID, "that is too large"),
        (
            ["store", "x" * (MAX_PAYLOAD_BYTES + 1)],
            failures.INVALID,
            "memory.payload_json: at most",
        ),
        (
            ["store", "x", "--id", "a", "--expected-version", "4"],
            failures.CONFLICT,
            "the version is 1 now",
        ),
        (["recall", "x", "-k", "many"], failures.INVALID, "--top-k"),
        (["--timeout", "inf", "info"], failures.INVALID, "--timeout"),
        (["info", "--timeout", "1e300"], failures.INVALID, "--timeout"),
        (["verify-erasure", "/bin/sh", "a=b"], failures.INVALID, "RECEIPT: must be what erase"),
        (["unknown"], failures.INVALID, "unknown"),
        (["--address", "nonsense", "info"], failures.INVALID, "must be HOST:PORT"),
        (["export", "/nonexistent/file"], failures.FAILURE, "No such file or directory"),
        (["store", "--payload", "@/nonexistent"], failures.FAILURE, "No such file or directory"),
    ],
)
def test_a_failure_is_a_sentence_and_an_exit_code(
    soma: Soma, command: list[str], code: int, said: str
) -> None:
    """Standard error says what is wrong in words; standard output stays empty; no traceback."""
    soma("store", "x", "--id", "a")

    ended = soma(*command)

    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("command", "option", "bits"),
    [
        (["recall", "x"], "--top-k", 32),
        (["recall", "x"], "--min-commit-seq", 64),
        (["get", "a"], "--version", 64),
        (["delete", "a"], "--expected-version", 64),
        (["list"], "--limit", 64),
        (["neighbors", "a"], "--depth", 32),
        (["neighbors", "a"], "--limit", 32),
        (["path", "a", "b"], "--max-length", 32),
        (["reflect"], "--seed", 64),
        (["reflect"], "--count", 32),
        (["consolidate"], "--min-episodes", 32),
        (["consolidate"], "--max-bytes", 32),
        (["namespace", "create", "n"], "--ttl", 64),
        (["namespace", "create", "n"], "--max-memories", 64),
        (["namespace", "create", "n"], "--max-versions", 32),
        (["namespace", "create", "n"], "--half-life", 64),
        (["namespace", "set", "n"], "--quota-memories", 64),
        (["namespace", "set", "n"], "--quota-bytes", 64),
    ],
)
def test_a_number_that_no_field_holds_is_refused(
    soma: Soma, command: list[str], option: str, bits: int
) -> None:
    """The greatest one that fits reaches the server; the next one is refused by its option's name."""
    end = 1 << (bits - 1)

    fits, over = soma(*command, option, str(end - 1)), soma(*command, option, str(end))

    assert "must be from" not in fits.err
    assert (over.code, over.out) == (failures.INVALID, "")
    assert option in over.err
    assert "must be from" in over.err


@pytest.mark.parametrize("command", [["store", "--payload", "-"], ["import", "-"]])
def test_standard_input_may_be_closed(soma: Soma, command: list[str]) -> None:
    """It is said which argument asked for it."""
    ended = soma(*command, stdin=None)

    assert ended.code == failures.INVALID
    assert "names standard input, which is closed" in ended.err


@pytest.mark.parametrize(
    "command", [["store", "x", "--json"], ["export"], ["token", "new", "a", "--tenant", "t"]]
)
def test_standard_output_may_be_closed(
    soma: Soma, server: SmallServer, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """A command whose result is what it prints does nothing then, and says so."""
    with monkeypatch.context() as closed:
        closed.setattr(sys, "stdout", None)
        ended = soma(*command)

    assert ended.code == failures.INVALID
    assert "is closed" in ended.err
    assert not server.memories


@pytest.mark.parametrize("command", [["stats"], ["store", "x", "--json"], ["--version"]], ids=str)
def test_an_output_that_nobody_takes_is_a_failure(server: SmallServer, command: list[str]) -> None:
    """Such as a file on a full disk; it is said in a sentence, also when it shows at the very end."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "somamemory", *command],
            env={"SOMA_ADDRESS": server.address},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )

    assert ended.returncode == failures.FAILURE
    assert ended.stderr == "error: No space left on device\n"


def test_no_server_says_how_to_start_one(soma: Soma) -> None:
    """The sentence names the address and what to do."""
    ended = soma("--address", f"{HOST}:{free_port()}", "--timeout", "2", "info")

    assert ended.code == failures.UNAVAILABLE
    assert "no memory server answers at" in ended.err
    assert "--address" in ended.err


def test_an_address_on_the_command_line_wins_over_the_environment(
    soma: Soma, server: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before or after the command, what was typed is what is used."""
    monkeypatch.setenv("SOMA_ADDRESS", f"{HOST}:{free_port()}")

    assert soma("--address", server.address, "info").code == 0
    assert soma("info", "-a", server.address).code == 0


def test_a_memory_cannot_steer_the_terminal(soma: Soma) -> None:
    """Control characters and markup inside a memory are shown harmlessly."""
    soma("store", "x\x1b[31mred [bold]y[/bold]", "--id", "a")

    for command in (["get", "a"], ["list"], ["recall", "x\x1b[31mred"]):
        ended = soma(*command)
        assert "\x1b" not in ended.out
        assert "[bold]" in soma("list").out


def test_export_and_import_are_an_exact_round_trip(
    soma: Soma, server: SmallServer, tmp_path: Path
) -> None:
    """Another namespace filled from an export exports the same lines."""
    soma("store", "one", "--id", "1", "--coordinate", "1,-0.5", "-m", "n=1", "--importance", "2.5")
    soma(
        "store",
        "--payload",
        '{"x": [1.10, "é\\n"]}',
        "--kind",
        "semantic",
        "--event-time",
        "2026-01-31",
    )
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"

    assert soma("export", str(first)).code == 0
    assert "2 created" in soma("import", str(first), "-n", "copy").out
    assert soma("export", str(second), "-n", "copy").code == 0

    assert _lines(second) == _lines(first)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.jsonl", "second.jsonl"]


def test_a_second_import_changes_nothing(soma: Soma, tmp_path: Path) -> None:
    """The same files again are replays; a changed section is one update."""
    page = tmp_path / "page.md"
    page.write_text("# A\nfirst\n# B\nsecond\n")
    soma("import", str(tmp_path))

    again = soma("import", str(tmp_path))
    page.write_text("# A\nfirst\n# B\nchanged\n")
    changed = soma("import", str(tmp_path))

    assert "0 created, 0 updated, 2 unchanged, 0 refused" in again.out
    assert "0 created, 1 updated, 1 unchanged, 0 refused" in changed.out


def test_an_import_brings_back_what_was_overwritten_or_deleted(
    soma: Soma, server: SmallServer, tmp_path: Path
) -> None:
    """A replay is not taken for the truth: after an import each memory is what the file says."""
    page = tmp_path / "page.md"
    page.write_text("# A\nfirst\n# B\nsecond\n")
    soma("import", str(page))
    with MemoryClient(server.address) as client:
        one, other = (memory.id for memory in client.list_memories())
        client.store({"by": "somebody"}, id=one)
        client.delete(other)

        ended = soma("import", str(page))

        assert "1 created, 1 updated, 0 unchanged" in ended.out
        assert {client.get(each).payload["text"] for each in (one, other)} == {"first", "second"}


def test_what_an_import_refuses_is_named_and_counted(soma: Soma, tmp_path: Path) -> None:
    """Bad lines and refusals of the server have a place and a reason; the rest is stored."""
    lines = [
        '{"id": "good", "payload": {"a": 1}}',
        "no json",
        json.dumps({"id": "big", "payload": {"a": "x" * MAX_PAYLOAD_BYTES}}),
        json.dumps({"id": "huge", "payload": {"a": "x" * 100_000}}),
        '{"id": "also good", "payload": {"a": 2}}',
    ]
    file = tmp_path / "f.jsonl"
    file.write_text("\n".join(lines))

    ended = soma("import", str(file), "--json")

    assert ended.code == failures.PARTLY
    assert ended.json["created"] == 2
    refused = {each["place"].rsplit(":")[-1]: each["problem"] for each in ended.json["refused"]}  # type: ignore[attr-defined]
    assert refused.keys() == {"2", "3", "4"}
    assert "not JSON" in refused["2"]
    assert "at most" in refused["3"]
    assert "refused" in ended.err


@pytest.mark.parametrize(
    "fields",
    [
        r'"coordinate": ["x"]',
        '"coordinate": [null]',
        '"coordinate": [[1]]',
        f'"coordinate": [{"9" * 400}]',
        f'"importance": {"9" * 400}',
        '"event_time": "0001-01-01T00:00:00+23:00"',
        r'"id": "\ud800"',
        r'"text": "\ud800"',
        r'"metadata": {"\ud800": 1}',
        r'"metadata": {"a": "\ud800"}',
        r'"payload_json": "\ud800"',
        r'"\ud800": 1',
    ],
)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_value_that_no_memory_has_is_refused_alone(
    soma: Soma, tmp_path: Path, fields: str, options: tuple[str, ...]
) -> None:
    """The line is named, and the lines around it are stored."""
    file = tmp_path / "f.jsonl"
    good = '{"id": "%s", "payload": {"a": 1}}\n'
    file.write_text(good % "a" + f'{{"payload": {{}}, {fields}}}\n' + good % "b")

    ended = soma("import", str(file), *options)

    assert ended.code == failures.PARTLY
    assert f"refused {file}:2: " in ended.err
    assert soma("stats", "--json").json["memory_count"] == 2


def test_a_file_whose_name_is_no_text_is_refused_alone(soma: Soma, tmp_path: Path) -> None:
    """No id can begin with its name; the other files of the folder are stored."""
    for name in (b"a.md", b"caf\xe9.md", b"z.md"):
        (tmp_path / os.fsdecode(name)).write_text("# Title\nwords")

    ended = soma("import", str(tmp_path), "--json")

    assert (ended.code, ended.json["created"]) == (failures.PARTLY, 2)
    assert ended.json["refused"] == [
        {"place": f"{tmp_path}/caf\\udce9.md", "problem": "has a name that is not UTF-8"}
    ]


def test_standard_input_is_read_by_its_content(soma: Soma) -> None:
    """`-` takes lines of JSON, events of a cluster, or Markdown."""
    event = {"metadata": {"uid": "u"}, "reason": "Started", "message": "m"}

    assert soma("import", "-", stdin=b'{"payload":{"a":1}}').code == 0
    assert (
        soma("import", "-", stdin=json.dumps({"kind": "List", "items": [event]}).encode()).code == 0
    )
    assert soma("import", "-", stdin=b"# Title\nwords").code == 0
    assert soma("stats", "--json").json["memory_count"] == 3


def test_serve_says_that_nobody_is_authenticated(tmp_path: Path) -> None:
    """The command says plainly who may do what, before the server takes over."""
    program = "import somamemory.cli as c, sys; sys.exit(c.main(sys.argv[1:]))"
    options = ["--data", str(tmp_path), "--log-format", "nonsense", "--host", "::1"]

    ended = subprocess.run(
        [sys.executable, "-c", program, "serve", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode != 0
    assert "nobody is authenticated: whoever reaches [::1]:50053 " in ended.stderr


def test_the_version_and_the_help_are_shown(soma: Soma) -> None:
    """`--version` and `--help` end well; the help lists the exit codes."""
    assert soma("--version").out.startswith("soma ")
    assert "Exit codes" in soma("--help").out


def _lines(file: Path) -> list[dict[str, object]]:
    """Return what an author gave; versions, commits and namespaces are the server's."""
    made = ("namespace", "version", "commit_seq")
    whole = (json.loads(line) for line in file.read_text().splitlines())
    return [{key: each[key] for key in each if key not in made} for each in whole]
