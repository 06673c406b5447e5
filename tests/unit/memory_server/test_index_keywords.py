"""The keyword index of one partition."""

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from memory_server.adapters.embedded.index import keywords
from memory_server.adapters.embedded.index.analysis import question_words_of, words_of
from memory_server.adapters.embedded.index.keywords import KeywordIndex
from memory_server.domain import ranking
from memory_server.kernels.keywords import Occurrences
from memory_server.ports import Vectors

WORDS = [f"word{number}" for number in range(60)]


def a_text(source: random.Random, least: int = 3) -> str:
    return " ".join(source.choices(WORDS, k=source.randint(least, 30)))


def an_index(texts: Iterable[str]) -> KeywordIndex:
    index = KeywordIndex(None)
    for slot, text in enumerate(texts):
        index.add(slot, text)
    return index


def found_by(index: KeywordIndex, query: str, limit: int = 1000) -> dict[int, float]:
    """Return score by slot, of the best."""
    (words,) = index.words_of([query])
    if words is None:
        return {}
    occurrences = Occurrences()
    occurrences.search(words)
    slots, _ = occurrences.best(words, None, limit)
    return dict(zip(slots.tolist(), occurrences.of(words, slots).tolist(), strict=True))


def bm25(texts: dict[int, str], query: list[str]) -> dict[int, float]:
    """Return the scores by the book."""
    counts = {slot: Counter(text.split()) for slot, text in texts.items()}
    mean = ranking.mean_length(sum(c.total() for c in counts.values()), len(counts))
    idfs = {}
    for word in query:
        frequency = sum(word in each for each in counts.values())
        if frequency:
            idfs[word] = math.log(1 + (len(counts) - frequency + 0.5) / (frequency + 0.5))
    scores = {}
    for slot, each in counts.items():
        norm = ranking.BM25_K1 * (1 - ranking.BM25_B + ranking.BM25_B * each.total() / mean)
        score = sum(idf * each[word] / (each[word] + norm) for word, idf in idfs.items())
        if score:
            scores[slot] = score / sum(idfs.values())
    return scores


def test_scores_are_those_of_bm25() -> None:
    """Also where words repeat, and where memories were removed: they count no more."""
    source = random.Random(7)
    texts = {slot: a_text(source) for slot in range(400)}
    index = an_index(texts.values())
    query = ["word1", "word2", "word3", "word4"]
    everything = found_by(index, " ".join(query))
    for slot in range(0, 400, 3):
        index.remove(slot)
        del texts[slot]
    rest = {slot: score for slot, score in found_by(index, " ".join(query)).items() if slot % 3}

    assert everything.keys() > rest.keys()
    expected = bm25(texts, query)
    assert rest.keys() == expected.keys()
    assert [rest[slot] for slot in expected] == pytest.approx(list(expected.values()), rel=1e-5)


def test_very_common_words_score_what_rarer_ones_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores of what is found are the same, whether a common word took part in the choice or not."""
    source = random.Random(3)
    texts = [a_text(source) + (" tea tea" if slot % 50 == 0 else "") for slot in range(500)]
    index = an_index(texts)
    whole = found_by(index, "tea word1 word2")
    monkeypatch.setattr(keywords, "COMMON_LEAST", 100)
    monkeypatch.setattr(keywords, "VERY_COMMON_SHARE", 0.1)

    chosen = found_by(index, "tea word1 word2")

    assert set(chosen) == set(range(0, 500, 50))
    assert chosen == pytest.approx({slot: whole[slot] for slot in chosen})
    only_common = found_by(index, "word1")
    assert only_common.keys() == bm25(dict(enumerate(texts)), ["word1"]).keys()


def test_a_filter_applies_before_the_best_are_chosen() -> None:
    """However few pass, all of them are found."""
    index = an_index("tea " * (1 + slot % 5) for slot in range(3000))
    few = [13, 1777, 2999]
    allowed = np.zeros(3000, np.bool_)
    allowed[few] = True
    (words,) = index.words_of(["tea"])
    assert words is not None
    occurrences = Occurrences()
    occurrences.search(words)

    assert occurrences.best(words, allowed, 10)[0].tolist() == few
    assert len(occurrences.best(words, allowed, 2)[0]) == 2


def test_words_match_by_their_stem_without_accents_and_case() -> None:
    """Running finds run, Café finds cafe; a word that occurs nowhere finds nothing."""
    index = an_index(["We were RUNNING to the café"])

    assert found_by(index, "run")
    assert found_by(index, "Cafe")
    assert found_by(index, "absent") == {}
    assert found_by(index, "?!") == {}


def test_a_word_that_no_memory_has_is_taken_for_one_that_differs_by_a_letter() -> None:
    """Left out, added, changed or swapped; never for a short word, and never where the word itself is known."""
    index = an_index(["the kitchen is old", "a chicken", "a cat"])

    assert set(found_by(index, "kichen")) == {0, 1} - {1}
    assert set(found_by(index, "kitchenn")) == set(found_by(index, "kitcehn")) == {0}
    assert set(found_by(index, "kitchen")) == {0}
    assert found_by(index, "cot") == {}


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("我昨天在东京买了一台相机", "相机"),
        ("昨日、新しいカメラを買いました", "カメラ"),
        ("어제 새 카메라를 샀어요", "카메라"),
        ("เมื่อวานฉันซื้อกล้องใหม่", "กล้อง"),
        ("Ich habe die Straße gemessen", "strasse"),
    ],
)
def test_scripts_without_blanks_are_searched_too(text: str, query: str) -> None:
    """By pairs of characters; words of other scripts beside them count as well."""
    index = an_index(["something else", text + " camera"])

    assert set(found_by(index, query)) == {1}
    assert set(found_by(index, f"{query} camera")) == {1}


def test_a_score_is_a_share_of_what_is_attainable() -> None:
    """Scores are in (0, 1], and a memory with all the words beats one with some."""
    index = an_index(["green tea in the morning", "green door", "nothing of it"])

    found = found_by(index, "green tea morning")

    assert set(found) == {0, 1}
    assert 1 >= found[0] > found[1] > 0


def test_a_word_that_no_memory_has_lowers_the_scores() -> None:
    """Half of what was asked for is half an answer, at most."""
    index = an_index(["green tea", "green door", "a door"])

    whole, half = found_by(index, "green"), found_by(index, "green zebra")

    assert whole.keys() == half.keys()
    assert half[0] < whole[0] / 2


def test_question_words_say_nothing() -> None:
    """Unless there are no others."""
    assert list(question_words_of("What did you tell me about the reading groups?")) == [
        "read",
        "group",
    ]
    assert list(question_words_of("who are you")) == words_of("who are you")


class Synonyms:
    """Vectors of words: those of one row are near each other."""

    dimensions = 4
    _ROWS = (("flat", "apartment", "apartments"), ("film", "movie"), ("green",), ("film", "films"))

    def of(self, words: Sequence[str]) -> Vectors:
        made = np.zeros((len(words), self.dimensions), np.float32)
        for row, word in zip(made, words, strict=True):
            for place, alike in enumerate(self._ROWS):
                row[place] = word in alike
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        unit: Vectors = made / np.maximum(lengths, 1e-9)
        return unit


def a_kindred_index(texts: Iterable[str]) -> KeywordIndex:
    index = KeywordIndex(Synonyms())
    for slot, text in enumerate(texts):
        index.add(slot, text)
    return index


def test_related_words_stand_for_each_other() -> None:
    """Below the word itself, and also where no memory has it; a word that came later counts at once."""
    index = a_kindred_index(["our flat was sold", "an apartment", "a green door", "green grass"])
    before = found_by(index, "apartment")
    index.add(4, "a film about whales")

    assert set(before) == {0, 1}
    assert before[1] > before[0]
    assert set(found_by(index, "movie")) == {4}
    index.remove(4)
    assert found_by(index, "movie") == {}
    assert found_by(an_index(["our flat was sold"]), "apartment") == {}


def test_a_memory_counts_a_word_and_its_kindred_once() -> None:
    """The best of them: saying it in two ways is not saying two things."""
    index = a_kindred_index(["apartment here", "apartment flat", "else here", "other things"])

    found = found_by(index, "apartment")

    assert found[0] == pytest.approx(found[1])
