"""The keyword index of one partition: the exactly scanned tail and tantivy are one."""

import random

import pytest

from memory_server.adapters.embedded.keywords import KeywordIndex

WORDS = [f"word{number}" for number in range(60)]


def a_text(source: random.Random) -> str:
    return " ".join(source.choices(WORDS, k=source.randint(3, 30)))


def everything(_seq: int) -> bool:
    return True


def flush(index: KeywordIndex) -> None:
    index.thaw(index.freeze()())


def test_the_tail_scores_as_tantivy_does() -> None:
    """The same memories get the same scores before and after a flush."""
    source = random.Random(7)
    index = KeywordIndex()
    for seq in range(1, 400):
        index.add(seq, a_text(source))

    before = dict(index.search("word1 word2 word3", everything, 1000))
    flush(index)
    after = dict(index.search("word1 word2 word3", everything, 1000))

    assert index.tail_size == 0
    assert before.keys() == after.keys()
    assert [after[seq] for seq in before] == pytest.approx(list(before.values()), rel=1e-5)


def test_a_filter_applies_before_the_best_are_chosen() -> None:
    """However few pass, all of them are found, in the tail and in tantivy."""
    index = KeywordIndex()
    for seq in range(1, 3001):
        index.add(seq, "tea " * (1 + seq % 5))
    flush(index)
    for seq in range(3001, 3011):
        index.add(seq, "tea")
    few = {13, 1777, 2999, 3005}

    found = index.search("tea", few.__contains__, 3)
    all_of_them = index.search("tea", few.__contains__, 10)

    assert len(found) == 3
    assert {seq for seq, _ in all_of_them} == few


def test_what_comes_and_goes_during_a_flush_is_right_after_it() -> None:
    """Removed while it is written to tantivy: not found once the next flush took it out; added meanwhile: found."""
    index = KeywordIndex()
    live = {1, 2}
    index.add(1, "tea")
    index.add(2, "tea")
    work = index.freeze()
    index.remove(1)
    live.remove(1)
    index.add(3, "tea")
    live.add(3)
    during = index.search("tea", live.__contains__, 10)
    index.thaw(work())
    after = index.search("tea", live.__contains__, 10)
    flush(index)

    assert {seq for seq, _ in during} == {seq for seq, _ in after} == {2, 3}
    assert {seq for seq, _ in index.search("tea", everything, 10)} == {2, 3}


def test_words_match_by_their_stem_without_accents_and_case() -> None:
    """Running finds run, Café finds cafe; a word that occurs nowhere finds nothing."""
    index = KeywordIndex()
    index.add(1, "We were RUNNING to the café")

    assert index.search("run", everything, 5)
    assert index.search("Cafe", everything, 5)
    assert index.search("absent", everything, 5) == []
    assert index.search("?!", everything, 5) == []


def test_a_score_is_a_share_of_what_is_attainable() -> None:
    """Scores are in (0, 1], and a memory with all the words beats one with some."""
    index = KeywordIndex()
    index.add(1, "green tea in the morning")
    index.add(2, "green door")
    index.add(3, "nothing of it")

    found = index.search("green tea morning", everything, 5)

    assert [seq for seq, _ in found] == [1, 2]
    assert 1 >= found[0][1] > found[1][1] > 0


def test_the_tail_is_flushed_when_it_is_long_or_when_a_pause_comes() -> None:
    """A few memories are never worth it; some dozens are once nothing has come since the last look."""
    index = KeywordIndex()
    for seq in range(31):
        index.add(seq, "tea")
    looks = [index.wants_flush(), index.wants_flush()]
    index.add(31, "tea")
    looks += [index.wants_flush(), index.wants_flush()]
    for seq in range(32, 512):
        index.add(seq, "tea")
    looks.append(index.wants_flush())

    assert looks == [False, False, False, True, True]
