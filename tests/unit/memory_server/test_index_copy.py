"""The kept copy of the embedded index: makes a start fast, and is never trusted."""

import asyncio
import os
import random
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from memory_server.adapters.embedded import index as index_module
from memory_server.adapters.embedded.index import EmbeddedIndex
from memory_server.adapters.embedded.index.snapshot import SnapshotFile
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.memory import CALLER_MODEL, MemoryKind, MemoryRecord, Scope, Tenant
from memory_server.ports import Allowed, Asked, Change, Found, Question, Seqs, Vectors
from tests.support.memories import NOW_US, SCOPE, a_direction, a_record

OTHER = Scope(Tenant("other"), "notes")
WORDS = [f"word{number}" for number in range(40)]


class Words:
    """Vectors of words that are near when they begin alike."""

    dimensions = 26

    def of(self, words: Sequence[str]) -> Vectors:
        made = np.zeros((len(words), 26), np.float32)
        for row, word in zip(made, words, strict=True):
            row[ord(word[0]) - 97] = 1.0
        return made


def records(count: int, first: int = 1) -> list[MemoryRecord]:
    source = random.Random(first)
    return [
        a_record(
            text=" ".join(source.choices(WORDS, k=source.randint(1, 12))),
            kind=source.choice(list(MemoryKind)),
            metadata={"team": source.choice("abc"), "n": float(seq), "session": seq % 5 == 0},
            event_time_us=NOW_US - source.randint(0, 10) * 600_000_000,
            importance=source.random(),
            coordinate=(float(seq), 1.0) if seq % 2 else None,
            **(a_direction(seq) if seq % 3 else {}),
        )._replace(
            commit_seq=seq,
        )
        for seq in range(first, first + count)
    ]


def changes(made: list[MemoryRecord], scope: Scope = SCOPE) -> list[Change]:
    return [Change(scope, record.commit_seq, record) for record in made]


def live(made: list[MemoryRecord]) -> dict[Scope, Seqs]:
    return {SCOPE: np.array([record.commit_seq for record in made], np.int64)}


def kept_in(folder: Path, store: bytes = b"store", model: str = "model") -> SnapshotFile:
    return SnapshotFile(folder / "copy", store, model)


def facts(index: EmbeddedIndex) -> list[object]:
    """Return what searches of every sort find."""
    vector = np.frombuffer(a_direction(1)["embedding"], "<f4")
    asked = Question("word1 word2 word3", (CALLER_MODEL, vector))
    filters = [
        Filter(),
        Filter(metadata=(MetadataTest("team", any_of=("a",)),)),
        Filter(metadata=(MetadataTest("n", is_range=True, minimum=20.0),)),
        Filter(metadata=(MetadataTest("session", any_of=(True,)),)),
        Filter(kinds=frozenset({2})),
    ]
    told: list[object] = []
    for given in filters:
        allowed = Allowed(given, NOW_US)
        (found,) = index.search(SCOPE, [Asked(asked, 500, with_beside=True)], allowed)
        told += [*as_lists(found), index.nearest(SCOPE, (20.0, 1.0), allowed, 7)]
        told.append(index.within(SCOPE, (5.0, 0.0), (50.0, 2.0), allowed))
    return told


def as_lists(found: Found) -> list[object]:
    columns = found.candidates._asdict()
    scale = columns.pop("scale")
    rounded = {name: np.round(column.astype(float), 5).tolist() for name, column in columns.items()}
    return [found.seqs.tolist(), scale, rounded]


def beside_in(index: EmbeddedIndex) -> list[object]:
    """Return what is found with its episodes beside, but for the numbers of sessions: they name nothing."""
    asked = [Asked(Question("bronchitis", None), 500, with_beside=True)]
    (found,) = index.search(SCOPE, asked, Allowed(Filter(), NOW_US))
    seqs, scale, columns = as_lists(found)
    assert isinstance(columns, dict)
    sessions = columns.pop("session")
    return [seqs, scale, columns, [[one == other for other in sessions] for one in sessions]]


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_a_loaded_index_answers_as_the_one_that_was_kept(tmp_path: Path) -> None:
    """Every leg, filter and neighbour; also what comes and goes afterwards."""
    made = records(300)
    index = EmbeddedIndex(Words(), kept_in(tmp_path))
    index.apply([*changes(made), *changes(records(20, 1000), OTHER)])
    index.apply([Change(SCOPE, 2000, None, tuple(range(10, 200, 7)))])
    await index.close()
    left = [record for record in made if record.commit_seq not in range(10, 200, 7)]
    loaded = EmbeddedIndex(Words(), kept_in(tmp_path))

    known = await loaded.load(live(left))
    more = records(30, 3000)
    before = facts(index), facts(loaded)
    for each in (index, loaded):
        each.apply(changes(more))
        each.apply([Change(SCOPE, 4000, None, (1, 2, 3005))])

    assert known == 2000
    assert before[0] == before[1]
    assert facts(index) == facts(loaded)
    assert loaded.size() == index.size() - 20


async def test_a_copy_that_is_not_right_is_not_used(tmp_path: Path) -> None:
    """Of another store or model, damaged at any place, cut off, or none at all."""
    made = records(50)
    index = EmbeddedIndex(None, kept_in(tmp_path))
    index.apply(changes(made))
    await index.close()
    whole = (tmp_path / "copy").read_bytes()
    source = random.Random(5)

    assert await EmbeddedIndex(None, kept_in(tmp_path)).load(live(made)) == 50
    assert await EmbeddedIndex(None, kept_in(tmp_path, b"another")).load(live(made)) == 0
    assert await EmbeddedIndex(None, kept_in(tmp_path, model="x")).load(live(made)) == 0
    assert await EmbeddedIndex(None, kept_in(tmp_path / "none")).load(live(made)) == 0
    for _ in range(40):
        place = source.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << source.randrange(8)
        (tmp_path / "copy").write_bytes(damaged)
        assert await EmbeddedIndex(None, kept_in(tmp_path)).load(live(made)) == 0
        (tmp_path / "copy").write_bytes(whole[:place])
        assert await EmbeddedIndex(None, kept_in(tmp_path)).load(live(made)) == 0


async def test_what_the_store_no_longer_has_is_not_taken_over(tmp_path: Path) -> None:
    """And a copy that lacks what the store has of its time is not used at all."""
    made = records(50)
    index = EmbeddedIndex(None, kept_in(tmp_path))
    index.apply(changes(made))
    await index.close()
    whole = (tmp_path / "copy").read_bytes()
    fewer, more = EmbeddedIndex(None, kept_in(tmp_path)), EmbeddedIndex(None, kept_in(tmp_path))

    known = await fewer.load(live(made[1:]))
    (tmp_path / "copy").write_bytes(whole)
    lacking = await more.load({**live(made), OTHER: np.array([7], np.int64)})

    assert (known, lacking) == (50, 0)
    expected = EmbeddedIndex(None)
    expected.apply(changes(made[1:]))
    assert facts(fewer) == facts(expected)


async def test_the_copy_goes_with_the_first_removal_that_it_covers(tmp_path: Path) -> None:
    """No word of what was removed stays on disk; a removal of something newer leaves the copy."""
    made = records(50)
    index = EmbeddedIndex(None, kept_in(tmp_path))
    index.apply(changes(made))
    await index.save()
    index.apply(changes(records(2, 100)))
    index.apply([Change(SCOPE, 200, None, (101,))])
    is_there = (tmp_path / "copy").exists()
    index.apply([Change(SCOPE, 201, None, (7,))])

    assert is_there
    assert not (tmp_path / "copy").exists()
    index.apply(changes(records(1, 300)))
    await index.save()
    assert await EmbeddedIndex(None, kept_in(tmp_path)).load(live(made[:6] + made[7:])) == 300


async def test_the_copy_holds_no_word_and_no_session_of_what_was_removed(tmp_path: Path) -> None:
    """Not after the removal, and not from the next start on; what is left is found as before."""
    made = records(50)
    rare = a_record(text="leptospirosis", metadata={"session_id": "alice@example.com"})
    kept = a_record(text="word1 word2 bronchitis", metadata={"session_id": "bob@example.com"})
    made += [
        rare._replace(commit_seq=60),
        kept._replace(commit_seq=61),
        kept._replace(commit_seq=62),
    ]
    index, loaded = (EmbeddedIndex(Words(), kept_in(tmp_path)) for _ in range(2))
    index.apply(changes(made))
    index.apply([Change(SCOPE, 63, None, (60,))])
    await index.close()
    first = bytes_in(tmp_path)

    await loaded.load(live([record for record in made if record.commit_seq != 60]))
    more = [Change(SCOPE, 70, kept._replace(commit_seq=70)), Change(SCOPE, 71, None, (61,))]
    for each in (index, loaded):
        each.apply(more)
    await loaded.close()

    for held in (first, bytes_in(tmp_path)):
        assert all(word in held for word in (b"bronchit", b"bob@example.com"))
        assert not any(word in held for word in (b"leptospir", b"alice"))
    assert beside_in(loaded) == beside_in(index)


async def test_a_removal_while_the_copy_is_written_leaves_none(tmp_path: Path) -> None:
    """It covers what was removed."""
    index = EmbeddedIndex(None, kept_in(tmp_path))
    index.apply(changes(records(50)))
    saving = asyncio.create_task(index.save())
    await asyncio.sleep(0)
    index.apply([Change(SCOPE, 99, None, (7,))])
    await saving

    assert not (tmp_path / "copy").exists()


async def test_no_half_written_or_unused_copy_stays(tmp_path: Path) -> None:
    """A crash leaves the one, another model or a lost memory the other: no removal would take them away."""
    made = records(50)
    index = EmbeddedIndex(None, kept_in(tmp_path))
    index.apply(changes(made))
    await index.close()
    whole = (tmp_path / "copy").read_bytes()
    left: list[tuple[int, list[str]]] = []
    lost = {**live(made), OTHER: np.array([7], np.int64)}
    for model, there in (("model", live(made)), ("another", live(made)), ("model", lost)):
        (tmp_path / "copy").write_bytes(whole)
        (tmp_path / "copy.new").write_bytes(whole[:999])

        known = await EmbeddedIndex(None, kept_in(tmp_path, model=model)).load(there)

        left.append((known, [path.name for path in tmp_path.iterdir()]))

    assert left == [(50, ["copy"]), (0, []), (0, [])]


async def test_a_removal_takes_away_what_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, and not only when it is whole: until then the server may be killed. Nothing has failed then."""
    index = EmbeddedIndex(None, kept_in(tmp_path))
    index.apply(changes(records(50)))
    is_flushing, may_go_on = threading.Event(), threading.Event()

    def flush(_file: int) -> None:
        is_flushing.set()
        may_go_on.wait()

    monkeypatch.setattr(os, "fsync", flush)
    saving = asyncio.create_task(index.save())
    await asyncio.to_thread(is_flushing.wait)
    index.apply([Change(SCOPE, 99, None, (7,))])
    left = bytes_in(tmp_path)
    may_go_on.set()
    await saving

    assert (left, bytes_in(tmp_path), caplog.messages) == (b"", b"", [])


async def test_compaction_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of what comes and goes while it runs."""
    monkeypatch.setattr(index_module, "COMPACT_LEAST", 10)
    index, calm = EmbeddedIndex(Words()), EmbeddedIndex(Words())
    for each in (index, calm):
        each.apply(changes(records(300)))
        each.apply([Change(SCOPE, 400, None, tuple(range(1, 200, 2)))])
    maintaining = asyncio.create_task(index.maintain())
    await asyncio.sleep(0)
    for each in (index, calm):
        each.apply(changes(records(20, 500)))
        each.apply([Change(SCOPE, 600, None, (2, 505))])
    await maintaining
    (partition,) = index._partitions.values()

    assert facts(index) == facts(calm)
    assert partition.count == partition.dead_count + index.size() == 300 - 100 + 20


async def test_compaction_forgets_words_and_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else everything that was ever named would stay in memory, and come back into the copy."""
    monkeypatch.setattr(index_module, "COMPACT_LEAST", 1)
    index = EmbeddedIndex(Words())
    for seq in range(1, 9):
        one = a_record(text=f"tea{chr(96 + seq) * 2}", metadata={"session": f"s{seq}"})
        index.apply([Change(SCOPE, seq, one._replace(commit_seq=seq))])
    index.apply([Change(SCOPE, 9, None, (1, 2, 3, 5, 6, 7))])

    await index.maintain()
    (partition,) = index._partitions.values()

    assert partition.sessions == {"session='s4'": 1, "session='s8'": 2}
    assert partition.columns.session.view.tolist() == [1, 2]
    assert list(partition.keywords.surfaces) == ["teadd", "teahh"]


async def test_vectors_move_into_the_copy_and_give_the_same_answers(tmp_path: Path) -> None:
    """Memory is given back; what came while the copy was written, and comes later, is found as well."""
    index, calm = EmbeddedIndex(Words(), kept_in(tmp_path)), EmbeddedIndex(Words())
    for each in (index, calm):
        each.apply(changes(records(200)))
    saving = asyncio.create_task(index.save())
    await asyncio.sleep(0)
    for each in (index, calm):
        each.apply(changes(records(20, 500)))
    await saving
    for each in (index, calm):
        each.apply(changes(records(30, 700)))
    (partition,) = index._partitions.values()
    (rows,) = partition.vectors.values()

    assert facts(index) == facts(calm)
    embedded = [
        sum(1 for record in made if record.embedding)
        for made in (records(200), records(20, 500), records(30, 700))
    ]
    assert not rows._based.flags.owndata
    assert (len(rows._based), rows.count) == (embedded[0], sum(embedded))
