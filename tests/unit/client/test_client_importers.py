"""Importers: every byte becomes a memory or a named problem, with ids that stay."""

import io
import json
import os
import threading
import time
from codecs import BOM_UTF8
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somamemory import Draft, InvalidArgument, Memory, MemoryKind
from somamemory.codec import payload_json
from somamemory.importers import (
    Found,
    Reader,
    Unreadable,
    files,
    jsonl,
    kubernetes_events,
    markdown,
)
from somamemory.interchange import draft_of, json_text, object_of

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
SPACED = st.sampled_from([None, 1, "\t"])


@given(
    payload=st.dictionaries(st.text(), JSON_VALUES, max_size=4),
    indent=SPACED,
    is_ascii=st.booleans(),
    importance=st.floats(allow_nan=False, allow_infinity=False),
    coordinate=st.none()
    | st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4),
)
def test_a_line_brings_back_exactly_what_was_exported(
    payload: dict[str, object],
    indent: object,
    is_ascii: bool,
    importance: float,
    coordinate: list[float] | None,
) -> None:
    """Export and import give the same payload bytes, numbers, coordinate, times and metadata."""
    exact = json.dumps(payload, indent=indent, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")  # type: ignore[arg-type]
    memory = a_memory(
        exact, importance=importance, coordinate=tuple(coordinate) if coordinate else None
    )

    back = draft_of(json.loads(json_text(object_of(memory))))

    assert payload_json(back.payload) == exact
    assert back.importance == importance
    assert back.coordinate == coordinate
    assert (back.id, back.kind, back.text) == (memory.id, memory.kind, memory.text)
    assert (back.event_time, back.expire_time) == (MOMENT, MOMENT)
    assert back.metadata == memory.metadata


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("x", "is not JSON"),
        ("[1]", "is not a JSON object"),
        ("{}", "has no `payload`"),
        ('{"payload": [1]}', "has no `payload`"),
        ('{"payload": {"x": NaN}}', "must be JSON"),
        ('{"payload": {}, "colour": 1}', "unknown fields: colour"),
        ('{"payload": {}, "id": 3}', "`id` has the wrong type"),
        ('{"payload": {}, "importance": true}', "`importance` has the wrong type"),
        ('{"payload": {}, "event_time": "soon"}', "is not a time"),
        ('{"payload": {}, "event_time": "2026-01-31"}', "has no time zone"),
    ],
)
def test_a_bad_line_is_named_and_does_not_stop_the_others(line: str, problem: str) -> None:
    """A line that is no memory is reported with its number; the next one is read."""
    text = f'{line}\n\n{{"payload": {{"a": 1}}}}\n'

    bad, good = _read(jsonl.read, text, "f.jsonl")

    assert isinstance(bad, Unreadable)
    assert bad.place == "f.jsonl:1"
    assert problem in bad.problem
    assert isinstance(good, Found)
    assert good.place == "f.jsonl:3"


def test_a_line_without_address_gets_an_id_from_what_it_says() -> None:
    """The same line gives the same id; another line gives another."""
    one, same, other = _drafts(
        jsonl.read, '{"payload":{"a":1}}\n{"payload":{"a":1}}\n{"payload":{"a":2}}'
    )

    assert one.id == same.id != other.id


def test_markdown_is_split_by_heading_with_the_titles_above() -> None:
    """A section is found under all the titles above it; code is no heading."""
    text = "intro\n# A\nbody a\n## B\n```\n# no heading\n```\n# C\n## D\nbody d\n"

    drafts = _drafts(markdown.read, text, "docs/x.md")

    assert [(each.id, each.metadata["heading"]) for each in drafts] == [
        ("docs/x.md#", ""),
        ("docs/x.md#a", "A"),
        ("docs/x.md#a/b", "A › B"),
        ("docs/x.md#c/d", "C › D"),
    ]
    assert drafts[2].text == "A › B\n\n```\n# no heading\n```"
    assert {each.metadata["path"] for each in drafts} == {"docs/x.md"}


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("# A", "A"),
        ("   ### A b  ", "A b"),
        ("# A #", "A"),
        ("# A ##  ", "A"),
        ("# A # #", "A #"),
        ("# C#", "C"),
        ("#\tA\t#", "A"),
        ("# ", ""),
        ("# #", ""),
    ],
)
def test_a_title_is_without_what_closes_it(line: str, title: str) -> None:
    """Blanks around a title, and `#` after it, are no part of it."""
    [draft] = _drafts(markdown.read, f"{line}\nbody\n")

    assert draft.metadata["heading"] == title


def test_a_heading_with_many_blanks_is_read_at_once() -> None:
    """The time does not grow with the third power of what stands between two words."""
    begun = time.process_time()

    _drafts(markdown.read, f"# a{' ' * 1500}b")

    assert time.process_time() - begun < 0.5


def test_equal_headings_and_long_sections_have_ids_of_their_own() -> None:
    """No two memories of a file share an id, and no text of it is missing."""
    paragraphs = "\n\n".join(f"paragraph {number} " + "x" * 300 for number in range(20))
    text = f"# Same\n{paragraphs}\n# Same\nlast words\n"

    drafts = _drafts(markdown.read, text, "x.md")

    whole = "\n".join(each.text for each in drafts)
    assert len({each.id for each in drafts}) == len(drafts) > 3
    assert all(f"paragraph {number} " in whole for number in range(20))
    assert "last words" in whole


@given(st.text())
def test_no_line_of_markdown_is_lost(text: str) -> None:
    """Every line with words is in the text of some memory, whatever the file holds."""
    content = text.encode("utf-8", "replace")

    drafts = _drafts(markdown.read, content.decode(), "x.md")

    words = {word for draft in drafts for word in draft.text.split()}
    assert {w for w in content.decode().split() if w.isalnum()} <= words
    assert len({draft.id for draft in drafts}) == len(drafts)


def test_a_file_that_is_no_text_is_named() -> None:
    """Bytes that are not UTF-8 are a problem with a place, not a traceback."""
    [problem] = markdown.read(io.BytesIO(b"ok \xff"), "x.md")

    assert problem == Unreadable("x.md", "is not UTF-8: invalid start byte at byte 3")


def test_events_keep_their_whole_object_and_are_addressed_by_uid() -> None:
    """An event is a memory of its own time, found by its sentence, filtered by what it is about."""
    event = {
        "metadata": {"uid": "u1", "name": "n", "namespace": "ns", "managedFields": [1]},
        "type": "Warning",
        "reason": "BackOff",
        "message": "restarting failed container",
        "count": 5,
        "involvedObject": {"kind": "Pod", "name": "web-1", "namespace": "ns"},
        "source": {"component": "kubelet"},
        "firstTimestamp": "2026-01-31T11:00:00Z",
        "lastTimestamp": "2026-01-31T12:00:00Z",
    }

    [draft] = _drafts(kubernetes_events.read, json.dumps({"kind": "List", "items": [event]}))

    assert draft.id == "event-u1"
    assert draft.text == "Warning BackOff Pod ns/web-1: restarting failed container"
    assert draft.event_time == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert draft.metadata["component"] == "kubelet"
    assert isinstance(draft.payload, dict)
    assert draft.payload["count"] == 5
    assert "managedFields" not in draft.payload["metadata"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"kind": 3, "items": []}', '{"kind": "List", "items": 3}', "nonsense"],
)
def test_what_is_no_list_of_events_is_named(text: str) -> None:
    """Another JSON, or none, is one problem."""
    [problem] = _read(kubernetes_events.read, text, "e.json")

    assert isinstance(problem, Unreadable)


def test_an_event_without_uid_is_named_and_the_others_are_read() -> None:
    """One broken event does not stop the others."""
    early = {"metadata": {"uid": "e"}, "eventTime": "0001-01-01T00:00:00+23:00"}
    events = [{"metadata": {}}, 3, early, {"metadata": {"uid": "u"}}]

    *bad, good = _read(
        kubernetes_events.read, json.dumps({"kind": "EventList", "items": events}), "e.json"
    )

    assert [type(each) for each in bad] == [Unreadable] * 3
    assert isinstance(good, Found)


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (b'{"payload": {"a": 1}}\n', "jsonl"),
        (b'{\n  "apiVersion": "v1",\n  "items": []}', "kubernetes-events"),
        (b'{"apiVersion":"v1","items":[]}', "kubernetes-events"),
        (b"# Title\ntext", "markdown"),
        (b"", "markdown"),
        (b'{"payload": ' + b"[" * 100_000 + b"\n", "jsonl"),
        (BOM_UTF8 + b'{"payload": {"a": 1}}\n', "jsonl"),
    ],
)
def test_the_format_is_guessed_from_the_first_characters(content: bytes, format: str) -> None:
    """Standard input needs no --format when it is one of ours."""
    assert files.guessed_format(content) == format


@pytest.mark.parametrize(
    ("read", "text"),
    [(jsonl.read, '{"payload": {"a": 1}}\r\n\r\n'), (markdown.read, "# Title\r\n\r\nwords\r\n")],
)
def test_the_mark_before_a_text_is_none_of_it(read: Reader, text: str) -> None:
    """Editors and shells of Windows put one there; what is read is the same, with the same ids."""
    marked, plain = (list(read(io.BytesIO(mark + text.encode()), "x")) for mark in (BOM_UTF8, b""))

    assert marked == plain
    assert all(isinstance(each, Found) for each in plain)


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    """Such as `<(command)` of a shell; its name stays, and it is read once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    [given] = files.find_inputs([str(pipe)], files.AUTO).files
    writer = threading.Thread(target=pipe.write_bytes, args=(b'{"payload": {"a": 1}}',))
    writer.start()
    with given.open() as (file, reader):
        found = list(reader(file, given.name))
    writer.join()

    assert [each.place for each in found] == [f"{pipe}:1"]
    assert isinstance(found[0], Found)


def test_a_folder_means_all_its_files_of_known_kinds(tmp_path: Path) -> None:
    """Known endings are read, hidden files are not looked at, others are named; any .json only if asked."""
    for name in ("a.md", "sub/b.jsonl", "sub/c.json", "pic.png", ".git/x.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")

    found = files.find_inputs([str(tmp_path)], files.AUTO)
    events = files.find_inputs([str(tmp_path)], "kubernetes-events")

    assert [Path(each.name).name for each in found.files] == ["a.md", "b.jsonl"]
    assert [Path(each).name for each in found.passed_over] == ["pic.png", "c.json"]
    assert [Path(each.name).name for each in events.files] == ["c.json"]


def test_paths_and_formats_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    """A typing error is refused before anything is stored."""
    with pytest.raises(InvalidArgument, match="does not exist"):
        files.find_inputs([str(tmp_path / "none")], files.AUTO)
    with pytest.raises(InvalidArgument, match="must be one of auto, jsonl"):
        files.find_inputs([], "xml")


def a_memory(payload: bytes, **changes: object) -> Memory:
    """Return a memory as a server would."""
    whole: dict[str, object] = {
        "namespace": "n", "id": "i", "payload_json": payload, "kind": MemoryKind.SEMANTIC, "text": "t",
        "importance": 1.0, "metadata": {"a": 1, "b": "x", "c": True}, "coordinate": None,
        "event_time": MOMENT, "expire_time": MOMENT, "version": 3, "commit_seq": 9,
        "create_time": MOMENT, "update_time": MOMENT, "embedding_model": "m",
    }  # fmt: skip
    return Memory(**{**whole, **changes})  # type: ignore[arg-type]


def _read(reader: Reader, text: str, name: str = "f") -> list[Found | Unreadable]:
    return list(reader(io.BytesIO(text.encode()), name))


def _drafts(reader: Reader, text: str, name: str = "f") -> list[Draft]:
    found = _read(reader, text, name)
    assert all(isinstance(each, Found) for each in found), found
    return [each.draft for each in found if isinstance(each, Found)]
