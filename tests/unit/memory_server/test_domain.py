"""The smaller parts of the domain: text, ids, pages, digests, filters, walks."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_server.domain import pages
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.ids import new_ulid, new_ulids
from memory_server.domain.limits import MAX_TEXT_BYTES
from memory_server.domain.links import Walk
from memory_server.domain.memory import MemoryDraft, MemoryId, MemoryKind, MemoryLink
from memory_server.domain.requests import body_digest, first_store_digest, store_digest
from memory_server.domain.text import asked_words, is_question, searchable_text
from soma_common.errors import InvalidInput
from tests.support.memories import NOW_US, a_draft, a_record

KEY = b"k" * 32


def test_text_is_the_payloads_strings_in_their_order() -> None:
    """Nested strings count, in reading order; keys and numbers do not."""
    payload = {"b": "one", "a": ["two", {"x": "three", "y": 4}], "z": "five"}

    assert searchable_text("", payload) == "one\ntwo\nthree\nfive"


def test_a_question_is_asked_by_the_words_that_carry_its_meaning() -> None:
    """Names and things stay, in their order; a question of nothing else stays as it is."""
    assert asked_words("What did Ana's brother want to drink?") == "Ana's brother drink"
    assert asked_words("who are you") == "who are you"


def test_a_question_is_known_by_its_mark() -> None:
    """Of any script."""
    assert is_question("user: Where to? I wonder.")
    assert is_question("去哪里？")
    assert not is_question("Lisbon.")


def test_given_text_wins() -> None:
    """The author's text is what is searched."""
    assert searchable_text("mine", {"a": "other"}) == "mine"


def test_text_is_cut_between_characters() -> None:
    """A long payload is searched by its beginning; the cut leaves valid text."""
    text = searchable_text("", {"a": "é" * MAX_TEXT_BYTES})

    assert len(text.encode()) <= MAX_TEXT_BYTES
    assert set(text) == {"é"}


def test_half_a_surrogate_pair_does_no_harm() -> None:
    """JSON can spell what UTF-8 cannot; the text can be encoded all the same."""
    searchable_text("", json.loads('{"a": "\\ud800"}')).encode()


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_ulids_sort_by_time(one_ms: int, other_ms: int) -> None:
    """The id of an earlier millisecond sorts first."""
    one, other = (new_ulid(ms * 1000, random.Random(1).randbytes) for ms in (one_ms, other_ms))

    assert (one < other) == (one_ms < other_ms)
    assert len(one) == 26


@given(st.binary(max_size=40), st.text(), st.text())
def test_a_page_token_works_for_its_question_only(
    position: bytes, question: str, other: str
) -> None:
    """A token gives its position back, and is refused with any other question or key."""
    token = pages.page_token(position, question=question, key=KEY)

    assert pages.read_page_token(token, question=question, key=KEY) == position
    for wrong, key in ((other, KEY), (question, b"other key")):
        if (wrong, key) != (question, KEY):
            with pytest.raises(InvalidInput):
                pages.read_page_token(token, question=wrong, key=key)


@given(st.text())
def test_a_forged_token_is_refused(token: str) -> None:
    """Whatever is not one of ours is an error of the caller."""
    with pytest.raises(InvalidInput):
        pages.read_page_token(token, question="q", key=KEY)


def test_digests_tell_requests_apart() -> None:
    """Another verb, another value, another type: another digest."""
    digests = [
        body_digest("store", a_draft(), []),
        body_digest("delete", a_draft(), []),
        body_digest("store", a_draft(id="1"), []),
        body_digest("store", a_draft(), [("a", 1.0)]),
        body_digest("store", a_draft(), [("a", True)]),
        body_digest("store", a_draft(), [("a", "1.0")]),
    ]

    assert len(set(digests)) == len(digests)


def test_digests_stay_what_they_were() -> None:
    """A request is known again by a server of another version: its digest is in the store."""
    draft = MemoryDraft(
        payload_json=b'{"a": 1}',
        id="x",
        coordinate=(1.0, 2.5),
        kind=2,
        text="it's tea",
        importance=0.5,
        metadata={},
        event_time_us=7,
        embedding=b"\x01",
    )
    digest = body_digest("store", "notes", draft, [("k", True)], 3)

    assert digest.hex() == "8e08c5709b5cd1974818e33c07dc4e7b6de25fd9ae9052f63b55ebaa020ec927"


DRAFTS = st.builds(
    MemoryDraft,
    payload_json=st.binary(max_size=5000),
    id=st.text(),
    coordinate=st.none() | st.tuples(st.floats(), st.floats()),
    kind=st.sampled_from([1, 2, 9, MemoryKind.EPISODIC, MemoryKind.SEMANTIC]),
    text=st.text(),
    importance=st.floats(),
    metadata=st.dictionaries(st.text(), st.one_of(st.booleans(), st.floats(), st.text())),
    event_time_us=st.none() | st.integers(),
    expire_time_us=st.none() | st.integers(),
    embedding=st.binary(max_size=1100),
)
VERSIONS = st.none() | st.integers()


def test_digests_of_stores_stay_what_they_were() -> None:
    """Both forms: a store that is repeated after an upgrade is known again."""
    draft = MemoryDraft(
        payload_json=b'{"a": 1}', id="x", text="it's tea", metadata={"b": True, "a": 1.5}
    )

    second, first = store_digest("notes", draft, 3), first_store_digest("notes", draft, 3)

    assert second.hex() == "bc8671feb88ee86869da9ab7cf713ecb9172d3cf5cc0ae896e679f0f00d35243"
    assert first.hex() == "94834382ff8bf0825db1c8d57416a6906d397c99861bf9e6f68ad647d230c9e0"


@given(st.text(), DRAFTS, VERSIONS)
def test_the_first_form_is_the_digest_of_what_is_printed(
    namespace: str, draft: MemoryDraft, version: int | None
) -> None:
    """As every other digest is made."""
    metadata = sorted(draft.metadata.items())
    expected = body_digest("store", namespace, draft._replace(metadata={}), metadata, version)

    assert first_store_digest(namespace, draft, version) == expected


@given(st.text(), DRAFTS, VERSIONS, st.data())
def test_stores_that_differ_have_other_digests(
    namespace: str, draft: MemoryDraft, version: int | None, data: st.DataObject
) -> None:
    """In any field, and wherever bytes could move from one to the next; the order of metadata is no difference."""
    field = data.draw(st.sampled_from(draft._fields))
    other = draft._replace(**{field: getattr(data.draw(DRAFTS), field)})
    moved = draft._replace(
        payload_json=draft.payload_json + draft.embedding[:1], embedding=draft.embedding[1:]
    )
    backwards = draft._replace(metadata=dict(reversed(list(draft.metadata.items()))))
    digest = store_digest(namespace, draft, version)

    def is_same(one: MemoryDraft) -> bool:
        return store_digest(namespace, one, version) == digest

    assert is_same(other) == (_sorted_out(other) == _sorted_out(draft))
    assert is_same(moved) == (not draft.embedding)
    assert is_same(backwards)
    assert store_digest(f"{namespace}x", draft, version) != digest


def _sorted_out(draft: MemoryDraft) -> str:
    return repr(draft._replace(metadata=sorted(draft.metadata.items()), kind=int(draft.kind)))  # type: ignore[arg-type]


def test_values_of_different_types_are_never_equal() -> None:
    """True is not 1, and "1" is not 1."""
    record = a_record(metadata={"flag": True, "number": 1.0, "text": "1"})

    def passes(key: str, value: str | float | bool) -> bool:
        return Filter(metadata=(MetadataTest(key, any_of=(value,)),)).passes(record, NOW_US)

    assert passes("flag", True)
    assert passes("number", 1.0)
    assert passes("text", "1")
    assert not passes("flag", 1.0)
    assert not passes("number", True)
    assert not passes("text", 1.0)


def test_expiry_is_exact() -> None:
    """At its expire time a memory is gone; a microsecond before, it is not."""
    record = a_record(expire_time_us=NOW_US)

    assert not Filter().passes(record, NOW_US)
    assert Filter().passes(record, NOW_US - 1)


def test_every_part_of_a_filter_must_hold() -> None:
    """Kind, times and importance each restrict."""
    record = a_record(kind=MemoryKind.SEMANTIC, importance=0.5, event_time_us=100)

    assert Filter(frozenset({2}), (), 100, 101, 0.5).passes(record, NOW_US)
    assert not Filter(frozenset({1})).passes(record, NOW_US)
    assert not Filter(event_time_from_us=101).passes(record, NOW_US)
    assert not Filter(event_time_until_us=100).passes(record, NOW_US)
    assert not Filter(min_importance=0.6).passes(record, NOW_US)


def edge(from_id: str, to_id: str, weight: float = 1.0) -> MemoryLink:
    return MemoryLink(MemoryId(from_id), MemoryId(to_id), "t", weight, {}, 1)


def test_a_walk_reaches_each_memory_once_at_its_least_distance() -> None:
    """Cycles end, the start is never reached, heavier links come first."""
    walk = Walk(MemoryId("a"), limit=10)
    walk.step([(MemoryId("b"), edge("a", "b", 1)), (MemoryId("c"), edge("a", "c", 2))])
    walk.step([(MemoryId("a"), edge("b", "a")), (MemoryId("c"), edge("b", "c"))])

    assert [(other, distance) for other, (distance, _) in walk.reached.items()] == [
        ("c", 1),
        ("b", 1),
    ]
    assert walk.frontier == []
    assert not walk.is_truncated


def test_a_walk_says_when_there_are_more_than_its_limit() -> None:
    """Exactly the limit is not truncated; one more is."""
    steps = [(MemoryId(name), edge("a", name)) for name in ("b", "c")]
    enough, short = Walk(MemoryId("a"), limit=2), Walk(MemoryId("a"), limit=1)
    enough.step(steps)
    short.step(steps)

    assert not enough.is_truncated
    assert short.is_truncated
    assert list(short.reached) == ["b"]


def test_ulids_of_other_randomness_are_others() -> None:
    """Every random bit but the highest counts, so that neighbours in randomness never meet."""
    made = [new_ulid(0, lambda size, n=n: n.to_bytes(size, "big")) for n in range(100)]  # type: ignore[misc]

    assert made == sorted(set(made))


def test_ulids_of_a_batch_follow_each_other() -> None:
    """Also from the greatest randomness on, they stay in their millisecond."""
    made = new_ulids(1000, 5_000, lambda size: b"\xff" * size)

    assert made == sorted(set(made))
    assert {one[:10] for one in made} == {new_ulid(5_000, bytes)[:10]}
