"""Copies at their places: files, and objects of a real S3-compatible server."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from somamemory import InvalidArgument, MemoryClient, ServerError
from somamemory.copies import BucketCopy, Copy, FileCopy, _pieces, copy_at, copy_store
from somamemory.model import BackupSummary
from somamemory.s3 import ATTEMPTS, Object
from tests.support.s3_server import BUCKET, S3Server, s3_server
from tests.support.server_process import ServerProcess

MIB = 1024 * 1024
CONTENT = hashlib.shake_256(b"a store").digest(11 * MIB + 7)

MakeCopy = Callable[[str], Copy]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that checks signatures."""
    with s3_server(tmp_path_factory.mktemp("s3") / "log") as server:
        yield server


@pytest.fixture(params=["file", "bucket"])
def make_copy(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> MakeCopy:
    """Where a copy of a name is."""
    if request.param == "file":
        return lambda name: FileCopy(tmp_path / "folder" / name)
    # The least size of a part that stores take.
    return lambda name: BucketCopy(s3.item(f"{tmp_path.name}/{name} +é"), part_bytes=5 * MIB)


def sent(content: bytes = CONTENT, **change: Any) -> Iterator[bytes | BackupSummary]:
    """Give what a server sends."""
    for start in range(0, len(content), MIB):
        yield content[start : start + MIB]
    digest = hashlib.sha256(content).digest()
    yield replace(BackupSummary(len(content), digest, 7), **change)


def test_a_copy_is_what_was_sent(make_copy: MakeCopy, tmp_path: Path) -> None:
    """Written, read back, fetched as a file; removed, and removed again."""
    copy = make_copy("one")
    assert not copy.exists()

    facts = copy_store(sent(), copy)

    assert (facts.size_bytes, facts.commit_seq) == (len(CONTENT), 7)
    assert facts.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert b"".join(copy.read()) == CONTENT
    with copy.at_hand(tmp_path / "data") as file:
        assert file.read_bytes() == CONTENT
    copy.delete()
    copy.delete()
    assert not copy.exists()
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


@pytest.mark.parametrize("content", [b"", b"x", CONTENT[: 5 * MIB], CONTENT[: 10 * MIB]])
def test_sizes_at_the_edges_of_parts(make_copy: MakeCopy, content: bytes) -> None:
    """Nothing, a byte, exactly one part, exactly two."""
    copy = make_copy("edge")

    copy_store(sent(content), copy)

    assert b"".join(copy.read()) == content


def test_a_copy_takes_another_s_place_only_when_told(make_copy: MakeCopy) -> None:
    """An attempt may repeat another; nobody loses a copy by a slip."""
    copy = make_copy("one")
    copy_store(sent(b"first"), copy)

    with pytest.raises(FileExistsError):
        copy_store(sent(b"second"), copy)
    assert b"".join(copy.read()) == b"first"
    copy_store(sent(b"third"), copy, replace=True)

    assert b"".join(copy.read()) == b"third"


WRONG = [{"size_bytes": 1}, {"sha256": b"x" * 32}]


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_a_copy_that_is_not_whole_is_not_kept(make_copy: MakeCopy, change: dict[str, Any]) -> None:
    """What was read back is compared with what the server says."""
    copy = make_copy("one")

    with pytest.raises(ServerError):
        copy_store(sent(**change), copy)

    assert not copy.exists()


def test_a_stream_that_breaks_leaves_nothing(make_copy: MakeCopy) -> None:
    """Neither a part of a copy, nor a copy without its summary."""
    copy = make_copy("one")

    def broken() -> Iterator[bytes]:
        yield CONTENT
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        copy_store(broken(), copy)
    with pytest.raises(ServerError):
        copy_store([CONTENT], copy)

    assert not copy.exists()


@pytest.mark.parametrize("change", [*WRONG, None], ids=str)
def test_what_is_not_whole_takes_no_good_copy_s_place(
    make_copy: MakeCopy, change: dict[str, Any] | None
) -> None:
    """A stream that ends early, or is not what the server says of it, leaves the copy that was there."""
    copy = make_copy("one")
    copy_store(sent(b"good"), copy)

    with pytest.raises(ServerError):
        copy_store([CONTENT] if change is None else sent(**change), copy, replace=True)

    assert b"".join(copy.read()) == b"good"


def test_two_copies_at_once_write_no_file_together(tmp_path: Path) -> None:
    """As in two containers with one volume, whose processes have equal ids: each is whole, or is told to fail."""
    copy = FileCopy(tmp_path / "one")

    def overtaken() -> Iterator[bytes | BackupSummary]:
        first, *others = sent()
        yield first
        copy_store(sent(b"second"), copy)
        yield from others

    with pytest.raises(FileExistsError):
        copy_store(overtaken(), copy)

    assert b"".join(copy.read()) == b"second"
    assert [one.name for one in tmp_path.iterdir()] == ["one"]


def test_what_a_process_left_that_died_is_taken_away(tmp_path: Path) -> None:
    """When nobody wrote it for a day; another copy may be under way."""
    old, new, other = (tmp_path / name for name in (".one.a.part", ".one.b.part", ".two.a.part"))
    for part in (old, new, other):
        part.touch()
    for part in (old, other):
        os.utime(part, (0, 0))

    copy_store(sent(b"x"), FileCopy(tmp_path / "one"))

    assert sorted(one.name for one in tmp_path.iterdir()) == [new.name, other.name, "one"]


@pytest.mark.parametrize("content", [b"first", CONTENT], ids=len)
def test_of_two_copies_at_once_the_last_one_stays(s3: S3Server, content: bytes) -> None:
    """Who finds another copy in the place of its own fails, and does not remove what the other one verified."""

    class Overtaken(BucketCopy):
        def read(self) -> Iterator[bytes]:
            copy_store(sent(b"second"), BucketCopy(self.item), replace=True)
            return super().read()

    item = s3.item(f"at-once-{len(content)}")
    with pytest.raises(ServerError):
        copy_store(sent(content), Overtaken(item, part_bytes=5 * MIB))

    assert b"".join(item.read()) == b"second"


def test_a_copy_that_is_stored_wrong_is_not_kept(s3: S3Server) -> None:
    """What the store gives back is not what it was sent."""

    class Wrong(BucketCopy):
        def read(self) -> Iterator[bytes]:
            return iter([b"something else"])

    copy = Wrong(s3.item("wrong"))

    with pytest.raises(ServerError):
        copy_store(sent(b"content"), copy)

    assert not copy.exists()


def test_a_copy_that_is_changed_in_its_place_is_found_out(s3: S3Server) -> None:
    """Between writing and reading back, somebody else writes: that is told, and stays."""

    class Meddled(BucketCopy):
        def read(self) -> Iterator[bytes]:
            self.item.put(b"something else")
            return super().read()

    copy = Meddled(s3.item("meddled"))

    with pytest.raises(ServerError):
        copy.write([b"content"], _refuse_others, replace=True)

    assert b"".join(copy.item.read()) == b"something else"


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_copy_that_cannot_be_read_back_is_kept_where_there_is_no_other(
    s3: S3Server, is_replaced: bool
) -> None:
    """What took another one's place is told not to be verified, and stays; a new one goes."""

    class Unreadable(BucketCopy):
        def read(self) -> Iterator[bytes]:
            raise TimeoutError

    item = s3.item(f"unreadable-{is_replaced}")

    with pytest.raises(TimeoutError):
        copy_store(sent(b"content"), Unreadable(item), replace=is_replaced)

    assert item.exists() == is_replaced


def _refuse_others(kept: Iterable[bytes]) -> None:
    if b"".join(kept) != b"content":
        raise ServerError("another one")


def test_pieces_grow_so_that_ten_thousand_are_enough() -> None:
    """A store takes no more parts; the pieces hold what was given."""
    pieces = list(_pieces((b"x" * 7 for _ in range(20_000)), 10))

    assert b"".join(pieces) == b"x" * 140_000
    assert [len(pieces[number]) for number in (0, 999, 1000, 1999, 2000)] == [10, 10, 20, 20, 30]


REFUSED = [
    ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
    ({"AWS_ACCESS_KEY_ID": "nobody"}, "InvalidAccessKeyId"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED)
def test_a_store_that_refuses_is_quoted(s3: S3Server, change: dict[str, str], words: str) -> None:
    """Who asks is checked by the server, by the signature."""
    with pytest.raises(OSError, match=words) as caught:
        s3.item("one", **change).put(b"x")

    assert caught.value.filename == f"s3://{BUCKET}/one"


class _Played(BaseHTTPRequestHandler):
    """Something at the address of a store: a test says what it answers."""

    answer: Callable[[str, str], tuple[int, bytes]]
    asked: list[str]

    def do_any(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.asked.append(self.command)
        status, body = type(self).answer(self.command, self.path)
        self.send_response(status)
        self.send_header("etag", '"played"')
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def played(
    s3: S3Server, answer: Callable[[str, str], tuple[int, bytes]]
) -> Iterator[tuple[Object, list[str]]]:
    """Play a store; give an object of it, and the methods that were asked for."""
    asked: list[str] = []
    methods = {f"do_{name}": _Played.do_any for name in ("GET", "HEAD", "PUT", "POST", "DELETE")}
    own = {"answer": staticmethod(answer), "asked": asked, **methods}
    handler = type("Handler", (_Played,), own)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield s3.item("one", AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}"), asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("failures", "is_taken"), [(ATTEMPTS - 1, True), (ATTEMPTS, False)])
def test_a_store_that_is_away_is_asked_again(s3: S3Server, failures: int, is_taken: bool) -> None:
    """A few times; then it is told."""
    left = iter([503] * failures)

    with played(s3, lambda _method, _path: (next(left, 200), b"")) as (item, asked):
        if is_taken:
            item.put(b"x")
        else:
            with pytest.raises(OSError, match="503"):
                item.put(b"x")

    assert len(asked) == ATTEMPTS


@pytest.mark.parametrize("status", [200, 301])
def test_what_does_not_speak_s3_is_told(s3: S3Server, status: int) -> None:
    """Such as the console of a store, or a proxy that sends everybody elsewhere."""
    with (
        played(s3, lambda _method, _path: (status, b"<html>hello</html>")) as (item, _),
        pytest.raises(OSError, match="does not speak S3"),
    ):
        item.begin()


@pytest.mark.parametrize(("code", "is_success"), [("NoSuchKey", True), ("NoSuchBucket", False)])
def test_a_copy_that_is_gone_is_removed(s3: S3Server, code: str, is_success: bool) -> None:
    """Some stores say that it is not there; that the bucket is not there is no success."""
    said = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()

    with played(s3, lambda _method, _path: (404, said)) as (item, _):
        if is_success:
            item.delete()
        else:
            with pytest.raises(FileNotFoundError):
                item.delete()


@pytest.mark.parametrize("is_there", [True, False])
def test_an_answer_that_was_lost_is_made_up_for(s3: S3Server, is_there: bool) -> None:
    """Asked again to make an object of parts, a store knows the parts no more; then the object tells."""
    said = b"<Error><Code>NoSuchUpload</Code><Message>no</Message></Error>"

    def answer(method: str, _path: str) -> tuple[int, bytes]:
        return (200 if is_there else 404, b"") if method == "HEAD" else (404, said)

    with played(s3, answer) as (item, _):
        if is_there:
            assert not item.complete("upload", ["tag"])
        else:
            with pytest.raises(FileNotFoundError):
                item.complete("upload", ["tag"])


@pytest.mark.parametrize("place", ["s3://", "s3://bucket", "s3:///key", "http://host/key"])
def test_what_is_no_place_is_refused(s3: S3Server, place: str) -> None:
    """Before anything is asked of a server."""
    with pytest.raises(InvalidArgument):
        copy_at(place, s3.environment)


def test_a_place_without_credentials_is_refused() -> None:
    """The error names the variable."""
    with pytest.raises(InvalidArgument) as caught:
        copy_at("s3://bucket/key", {})

    assert caught.value.violations[0].field == "AWS_ACCESS_KEY_ID"


@pytest.mark.parametrize(
    "change",
    [
        {"AWS_ENDPOINT_URL": "store:9000"},
        {"AWS_REGION": "us east"},
        {"AWS_ACCESS_KEY_ID": "", "AWS_PROFILE": "nobody"},
    ],
    ids=str,
)
def test_an_environment_that_names_no_store_is_refused(
    s3: S3Server, change: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the user's to mend, and told in words."""
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)

    with pytest.raises(InvalidArgument):
        s3.item("one", **change)


CREDENTIALS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]


@pytest.mark.parametrize("name", CREDENTIALS[:2])
def test_the_end_of_a_line_is_no_part_of_a_credential(s3: S3Server, name: str) -> None:
    """Files of secrets have one, and Secrets that were made of them."""
    item = s3.item("line", **{name: f"{s3.environment[name]}\n"})

    item.put(b"x")

    assert b"".join(item.read()) == b"x"


@pytest.mark.parametrize("name", CREDENTIALS)
def test_a_credential_that_cannot_be_sent_is_not_told(s3: S3Server, name: str) -> None:
    """Errors are read by more people than secrets."""
    with pytest.raises(InvalidArgument) as caught:
        s3.item("one", **{name: "hush\nhush"})

    assert "hush" not in str(caught.value)


def test_a_store_travels_through_a_bucket(s3: S3Server, tmp_path: Path) -> None:
    """`soma backup`, `soma restore` and `soma delete-backup` with s3://; what was there is there again."""
    place = f"s3://{BUCKET}/travels"
    with ServerProcess(tmp_path / "data", embedder="none") as server:
        with MemoryClient(server.address) as client:
            client.store({"text": "kept"}, id="kept")
        run = _soma(s3, server.address)
        assert run("backup", place).returncode == 0
        assert run("backup", place).returncode == 2

    def restore(name: str) -> int:
        options = ("--data", str(tmp_path / "new"), "--once", name)
        return run("restore", place, *options).returncode

    # Another attempt of the same name is content with what is there; another name is not.
    assert [restore("one"), restore("one"), restore("two")] == [0, 0, 5]
    with (
        ServerProcess(tmp_path / "new", embedder="none") as server,
        MemoryClient(server.address) as client,
    ):
        assert [one.payload for one in client.list_memories()] == [{"text": "kept"}]
    assert run("delete-backup", place).returncode == 0
    gone = run("restore", place, "--data", str(tmp_path / "late"))
    assert (gone.returncode, gone.stderr) == (3, f"error: there is no copy: {place}\n")


def test_a_copy_that_is_not_needed_is_not_fetched(s3: S3Server, tmp_path: Path) -> None:
    """Another attempt, or a folder with a store in it: neither time nor room is spent."""
    copy, data = tmp_path / "copy", str(tmp_path / "data")
    with ServerProcess(tmp_path / "old", embedder="none") as server:
        assert _soma(s3, server.address)("backup", str(copy)).returncode == 0
    content = copy.read_bytes()

    with played(s3, lambda _method, _path: (200, content)) as (item, asked):
        away = S3Server({**s3.environment, "AWS_ENDPOINT_URL": item.store.meta.endpoint_url})
        run = _soma(away, "nowhere")
        codes = [
            run("restore", item.address, "--data", data, "--once", name).returncode
            for name in ("one", "one", "two")
        ]

    assert (codes, asked) == ([0, 0, 5], ["GET"])


def test_files_and_folders_may_have_any_name(s3: S3Server, tmp_path: Path) -> None:
    """Also one with characters that addresses of files are written otherwise with."""
    place = str(tmp_path / "copy #1? 50%25 é.sqlite3")
    with ServerProcess(tmp_path / "data #1? 50%25 é", embedder="none") as server:
        run = _soma(s3, server.address)
        assert run("store", "kept").returncode == 0
        assert run("backup", place).returncode == 0

    assert run("restore", place, "--data", str(tmp_path / "new #?%")).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_part_of_a_copy(
    s3: S3Server, tmp_path: Path, number: signal.Signals
) -> None:
    """A pod is stopped, a terminal is closed: what was begun is tidied up."""
    is_asked, is_over = threading.Event(), threading.Event()

    def answer(_method: str, _path: str) -> tuple[int, bytes]:
        is_asked.set()
        is_over.wait(30)
        return 200, b"content"

    with played(s3, answer) as (item, _):
        url = item.store.meta.endpoint_url
        command = [sys.executable, "-m", "somamemory", "restore", item.address]
        with subprocess.Popen(
            [*command, "--data", str(tmp_path / "data")],
            env={**s3.environment, "AWS_ENDPOINT_URL": url},
        ) as process:
            assert is_asked.wait(30)
            assert [one.name for one in (tmp_path / "data").iterdir()]
            process.send_signal(number)
        is_over.set()

    assert process.returncode == 128 + number
    assert list((tmp_path / "data").iterdir()) == []


def _soma(s3: S3Server, address: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    environment = {**s3.environment, "SOMA_ADDRESS": address}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "somamemory", *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run
