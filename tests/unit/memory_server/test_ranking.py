"""Ranking, importance and looking into payloads: pure."""

import json
import random
import time
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_server.domain import ranking
from memory_server.domain.fields import PIECE, FieldMatch
from memory_server.domain.importance import ImportanceScale, Shape, scale_of
from memory_server.domain.ranking import Boosts, Candidates, LinkedPlaces, RankingOptions

HYBRID = RankingOptions().weights(with_keywords=True, with_vectors=True)
DAY_US = 86_400_000_000


def candidates(
    keyword: list[float],
    cosine: list[float] | None = None,
    *,
    age_days: list[float] | None = None,
    importance: list[float] | None = None,
    now_us: int = 0,
) -> Candidates:
    count = len(keyword)
    raw = np.array(importance or [1.0] * count)
    ages = np.array(age_days or [0.0] * count)
    return Candidates(
        np.array(keyword),
        np.array(cosine or [0.0] * count),
        (now_us - DAY_US * ages).astype(np.int64),
        raw,
        scale_of(raw),
        np.zeros(count, np.int64),
        np.zeros(count, np.bool_),
        ranking.no_one_beside(count),
    )


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(-1, 1), st.floats(0, 99)), max_size=60),
    st.integers(1, 60),
)
def test_ranking_keeps_the_best_in_order(
    rows: list[tuple[float, float, float]], limit: int
) -> None:
    """Scores are in [0, 1], best first, the latest first among equals; fewer are the beginning of more.

    Among those that answer fully, whose score is 1, the lifts decide.
    """
    made = candidates(
        [row[0] for row in rows], [row[1] for row in rows], importance=[row[2] for row in rows]
    )
    gained = ranking.spread(ranking.relevance(made, HYBRID), made, RankingOptions(), None)
    boosts = Boosts(recency=0.2, importance=0.3, half_life_us=DAY_US)

    ranked = ranking.rank(
        made, HYBRID, ranking.relevance(made, HYBRID), gained, boosts, limit=limit
    )
    everything = ranking.rank(
        made, HYBRID, ranking.relevance(made, HYBRID), gained, boosts, limit=1000
    )

    assert ranked.places == everything.places[:limit]
    assert all(0 < score <= 1 for score in ranked.scores)
    assert ranked.scores == sorted(ranked.scores, reverse=True)
    below = [pair for pair in zip(ranked.scores, ranked.places, strict=True) if pair[0] < 1]
    assert below == sorted(below, key=lambda entry: (-entry[0], -entry[1]))


def test_of_two_that_answer_fully_the_lifts_decide() -> None:
    """The bound of the score does not hide which is better."""
    made = candidates([1.0, 1.0], [1.0, 1.0], age_days=[0.0, 300.0])
    boosts = Boosts(recency=0.2, half_life_us=DAY_US)

    ranked = ranking.rank(
        made, HYBRID, ranking.relevance(made, HYBRID), np.zeros(2), boosts, limit=2
    )

    assert (ranked.places, ranked.scores) == ([0, 1], [1.0, 1.0])


def test_the_parts_add_up_to_the_score() -> None:
    """Each part says what it brought."""
    made = candidates([0.4, 0.2], [0.3, 0.1], age_days=[0.0, 7.0], importance=[1.0, 5.0])
    boosts = Boosts(0.2, 0.1, 0.3, 7 * DAY_US, 0, np.array([0.0, 1.0]))

    ranked = ranking.rank(
        made, HYBRID, ranking.relevance(made, HYBRID), np.array([0.0, 0.1]), boosts, limit=2
    )

    for score, part in zip(ranked.scores, ranked.parts, strict=True):
        shares = (part.keyword, part.vector, part.links, part.recency, part.importance)
        assert score == pytest.approx(sum(shares) + part.context)
    base = HYBRID.keyword * 0.2 + HYBRID.vector * 0.1 + 0.1
    lifted = ranked.parts[ranked.places.index(1)]
    assert lifted.recency == pytest.approx(base * 0.2 * 0.5)
    assert lifted.importance == pytest.approx(base * 0.1)
    assert lifted.context == pytest.approx(base * 0.3)


def test_min_score_leaves_out_what_is_below() -> None:
    """The bound is inclusive; without one only what nothing speaks for is left out."""
    made = candidates([0.5, 0.49, 0.0])
    words = RankingOptions().weights(with_keywords=True, with_vectors=False)

    def places(min_score: float | None) -> list[int]:
        nothing = np.zeros(3)
        return ranking.rank(
            made,
            words,
            ranking.relevance(made, words),
            nothing,
            Boosts(),
            limit=9,
            min_score=min_score,
        ).places

    assert places(0.5) == [0]
    assert places(None) == [0, 1]
    assert places(0.0) == [0, 1, 2]


def test_relevance_dominates_recency_and_importance() -> None:
    """What is half again as relevant comes first, however old and unimportant."""
    made = candidates([0.76, 0.5], age_days=[9999.0, 0.0], importance=[0.0, 10.0])
    options = RankingOptions()
    assert options.recency + options.importance <= 0.5
    boosts = Boosts(options.recency, options.importance, half_life_us=DAY_US)

    assert ranking.rank(
        made, HYBRID, ranking.relevance(made, HYBRID), np.zeros(2), boosts, limit=2
    ).places == [0, 1]


SPREAD = RankingOptions(before=0.4, after=0.5, answer=0.8, session=0.0, linked=0.5)


def spread(made: Candidates, options: RankingOptions = SPREAD) -> list[float]:
    gained: list[float] = ranking.spread(made.keyword, made, options, None).tolist()
    return gained


def test_an_episode_gains_from_the_best_one_beside_it() -> None:
    """A share of the better neighbour, never a sum."""
    made = candidates([0.6, 0.0, 0.4, 0.0])
    made.beside[0, 1, 0] = 1
    made.beside[2, :, 0] = [1, 3]

    assert spread(made) == pytest.approx([0.0, 0.3, 0.0, 0.2])


def test_what_comes_after_a_question_gains_more() -> None:
    """It answers it; what comes before does not."""
    made = candidates([0.0, 0.5, 0.0])
    made.beside[1, 0, 0], made.beside[1, 1, 0] = 0, 2
    plain = spread(made)
    made.asks[1] = True

    assert plain == pytest.approx([0.2, 0.0, 0.25])
    assert spread(made) == pytest.approx([0.2, 0.0, 0.4])


def test_a_session_passes_on_what_its_best_one_has() -> None:
    """To the others of it; the best gains from the second; the sessions that are not named are told apart by time."""
    options = RankingOptions(before=0, after=0, answer=0, linked=0, session=0.5)
    made = candidates([0.8, 0.2, 0.4, 0.6, 0.3], age_days=[9, 9, 9, 5, 1])
    made.session[:] = [7, 7, 7, 0, 0]
    alone = candidates([0.8, 0.8, 0.4], age_days=[3, 3, 3])

    assert spread(made, options) == pytest.approx([0.2, 0.4, 0.4, 0.0, 0.0])
    assert spread(alone, options) == pytest.approx([0.4, 0.4, 0.4])
    assert spread(candidates([0.5]), options) == [*spread(candidates([]), options), 0.0]
    alone.session[:] = -1
    assert spread(alone, options) == [0.0, 0.0, 0.0]


def test_a_linked_memory_gains_by_the_weight_of_the_link() -> None:
    """The best link counts."""
    made = candidates([0.6, 0.4, 0.0])
    linked = LinkedPlaces(np.array([0, 1]), np.array([2, 2]), np.array([0.5, 1.0]))

    gained = ranking.spread(made.keyword, made, SPREAD, linked)

    assert gained.tolist() == pytest.approx([0.0, 0.0, 0.2])


def test_importance_is_scaled_by_the_shape_of_its_tail() -> None:
    """Light, heavier and very heavy tails of 1 to 63 and one more: where 32 comes to lie."""
    core = [float(value) for value in range(1, 64)]

    def scaled(outlier: float) -> tuple[Shape, float]:
        scale = scale_of(np.array([*core, outlier]))
        return scale.shape, float(scale.of(np.array([32.0]))[0])

    assert [scaled(outlier)[0] for outlier in (100, 300, 5000)] == [
        Shape.PROPORTION,
        Shape.FENCED,
        Shape.LOGISTIC,
    ]
    expected = [0.3131, 0.4473, 0.4946]
    found = [scaled(outlier)[1] for outlier in (100, 300, 5000)]
    assert found == pytest.approx(expected, abs=1e-4)


def test_equal_importance_changes_nothing() -> None:
    """Whatever it is; and a first memory is not the least important."""
    for values in ([], [7.0], [3.0] * 500):
        raw = np.array(values)
        assert scale_of(raw) == ImportanceScale()
        assert not scale_of(raw).of(raw).any()


@given(st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=200))
def test_scaled_importance_keeps_its_order(values: list[float]) -> None:
    """In [0, 1], and never less for more."""
    raw = np.sort(np.array(values))

    scaled = scale_of(raw).of(raw)

    assert ((scaled >= 0) & (scaled <= 1)).all()
    assert (np.diff(scaled) >= 0).all()


def test_outliers_never_crush_the_core() -> None:
    """With a huge value among them, the middle half of the others still spans a fifth of the scale."""
    for outlier in (1e3, 1e6, 1e12):
        raw = np.append(np.linspace(1, 10, 100), outlier)
        low, high = scale_of(raw).of(np.array([3.0, 8.0]))
        assert high - low > 0.2


def test_texts_are_compared_alike_however_long_they_are() -> None:
    """Cut into pieces a text is composed as it is in one: marks stay with their letters, and Korean syllables whole."""
    source = random.Random(3)
    letters = "aéΐᾳßŉǰ한\u1112\u1161\u11ab\u0301\u0323\u0345\u09c7\u09beﬁİ日"
    for _ in range(200):
        text = "".join(source.choices(letters, k=source.randrange(1, 4 * PIECE)))

        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())

        assert FieldMatch("")._folded(text) == folded
        assert FieldMatch(folded).holds(json.dumps([text], ensure_ascii=False).encode())


def test_a_long_row_of_marks_takes_no_longer_than_other_text() -> None:
    """Composed in one go it takes its square, and a megabyte of it seven minutes in which nothing else runs."""
    payload = json.dumps(["a" + "\u0301\u0323" * 40_000, "tea"], ensure_ascii=False).encode()

    begun = time.process_time()
    is_found = FieldMatch("tea").holds(payload)
    took_s = time.process_time() - begun

    assert is_found
    assert took_s < 2


PAYLOAD = (
    b'{"a": ["100% sure", {"b": "under_score"}], "c": {"d": "Caf\\u00e9"}, "n": 5, "name": "x"}'
)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (FieldMatch("100% sure"), True),
        (FieldMatch("100%"), False),
        (FieldMatch("100%", is_substring=True), True),
        (FieldMatch("%", is_substring=True), True),
        (FieldMatch("1__%", is_substring=True), False),
        (FieldMatch("under_score"), True),
        (FieldMatch("underxscore"), False),
        (FieldMatch("UNDER", is_substring=True), True),
        (FieldMatch("UNDER", is_substring=True, is_case_sensitive=True), False),
        (FieldMatch("CAFÉ"), True),
        (FieldMatch("Café", is_case_sensitive=True), True),
        (FieldMatch("Cafe\u0301"), True),
        (FieldMatch("cafe\u0301", is_substring=True), True),
        (FieldMatch("Cafe\u0301", is_case_sensitive=True), True),
        (FieldMatch("cafe\u0301", is_case_sensitive=True), False),
        (FieldMatch("Cafe", is_substring=True), False),
        (FieldMatch("name"), False),
        (FieldMatch("5"), False),
    ],
)
def test_fields_match_as_they_stand(match: FieldMatch, expected: bool) -> None:
    """`%` and `_` are plain, names and numbers do not count, escapes and accents are what they stand for."""
    assert match.holds(PAYLOAD) is expected
    assert match.holds(PAYLOAD.replace(b"\\u00e9", "\u00e9".encode())) is expected
    assert match.holds(PAYLOAD.replace(b"\\u00e9", "e\u0301".encode())) is expected
    assert match.holds(b'{"t": ' + PAYLOAD + b', "e": "\\\\"}') is expected


@pytest.mark.parametrize(
    ("one", "other"), [("Straße", "STRASSE"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("\u1fb3", "Α\u0345")]
)
def test_case_is_folded_in_every_language(one: str, other: str) -> None:
    """What differs by case alone matches, and does not where case counts."""
    payload = json.dumps({"t": [f"x {one} y", one]}, ensure_ascii=False).encode()
    for is_substring in (False, True):
        assert FieldMatch(other, is_substring).holds(payload)
        assert not FieldMatch(other, is_substring, is_case_sensitive=True).holds(payload)
