"""Records that are kept after a read: under their namespace alone, never longer than they are true."""

from memory_server.adapters.embedded.recent import RecentRecords
from memory_server.domain.memory import MemoryId, MemoryRecord
from tests.support.memories import a_record


def record(seq: int, id: str = "tea", payload: bytes = b"{}") -> MemoryRecord:
    return a_record(id=MemoryId(id), payload_json=payload)._replace(commit_seq=seq)


def test_a_record_is_found_under_its_namespace_alone() -> None:
    """By its commit and by its id."""
    recent = RecentRecords()
    recent.keep(1, record(7))

    assert recent.by_seq(1, 7) == recent.by_id(1, MemoryId("tea")) == record(7)
    assert recent.by_seq(2, 7) is None
    assert recent.by_id(2, MemoryId("tea")) is None


def test_what_was_overwritten_is_not_found() -> None:
    """Also where its successor was read before that was told."""
    recent = RecentRecords()
    recent.keep(1, record(7))
    recent.keep(1, record(9))
    recent.forget(7)

    assert recent.by_seq(1, 7) is None
    assert recent.by_seq(1, 9) == record(9)
    assert recent.by_id(1, MemoryId("tea")) in (None, record(9))


def test_what_was_changed_in_its_place_is_forgotten() -> None:
    """In either generation."""
    payload = b"x" * 1000
    recent = RecentRecords(max_bytes=8000)
    recent.keep(1, record(1, "old", payload))
    for seq in range(2, 4):
        recent.keep(1, record(seq, f"more-{seq}", payload))
    recent.forget_id(1, MemoryId("old"))
    recent.forget_id(1, MemoryId("more-3"))

    assert [recent.by_seq(1, seq) is None for seq in (1, 2, 3)] == [True, False, True]


def test_what_is_asked_for_stays_and_the_rest_goes() -> None:
    """However much is read, so much is held at most."""
    payload = b"x" * 1000
    recent = RecentRecords(max_bytes=20_000)
    recent.keep(1, record(1, "wanted", payload))
    for seq in range(2, 200):
        recent.keep(1, record(seq, f"once-{seq}", payload))
        assert recent.by_id(1, MemoryId("wanted")) is not None
    held = sum(recent.by_seq(1, seq) is not None for seq in range(1, 200))

    assert recent.by_seq(1, 2) is None
    assert 1 < held <= 20


def test_nothing_of_a_dropped_namespace_is_found() -> None:
    """The next one may have its number."""
    recent = RecentRecords()
    recent.keep(1, record(7))
    recent.clear()

    assert recent.by_seq(1, 7) is None
    assert recent.by_id(1, MemoryId("tea")) is None
