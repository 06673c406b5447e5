"""Decay by level and by score."""

import json

import pytest

from memory_server.domain.decay import decay_score, decayed_payload
from memory_server.domain.policy import DecayLevel, NamespacePolicy, ScoreDecay
from tests.support.memories import NOW_US, a_record

HOUR_US = 3600 * 1_000_000
PAYLOAD = b'{"gist": "a", "detail": "b", "raw": "c"}'
LEVELS = (DecayLevel(3600, ("raw",)), DecayLevel(7200, ("detail", "absent")))


def left(age_h: float, policy: NamespacePolicy, **fields: object) -> set[str] | None:
    """Return the fields that a memory of an age keeps; None: it loses nothing."""
    record = a_record(
        payload_json=PAYLOAD, create_time_us=NOW_US - round(age_h * HOUR_US), **fields
    )
    payload = decayed_payload(record, policy, NOW_US)
    return None if payload is None else set(json.loads(payload))


@pytest.mark.parametrize(
    ("age_h", "kept"),
    [(0.5, None), (1.0, None), (1.5, {"gist", "detail"}), (2.5, {"gist"}), (-5.0, None)],
)
def test_levels_drop_their_fields_by_age(age_h: float, kept: set[str] | None) -> None:
    """From after the age of a level on; a memory of the future loses nothing."""
    assert left(age_h, NamespacePolicy(decay_levels=LEVELS)) == kept


def test_what_has_decayed_decays_no_further() -> None:
    """Otherwise it would be written again in every round."""
    policy = NamespacePolicy(decay_levels=LEVELS)
    record = a_record(payload_json=b'{"gist": "a"}', create_time_us=NOW_US - 9 * HOUR_US)
    assert decayed_payload(record, policy, NOW_US) is None


def test_the_score_adds_age_and_disuse_and_takes_use_and_importance_off() -> None:
    """Five hours old, used two hours ago: 5 + 2 - 0.5 x 4 - 2 x 1.5."""
    record = a_record(
        create_time_us=NOW_US - 5 * HOUR_US,
        last_access_us=NOW_US - 2 * HOUR_US,
        access_count=4,
        importance=1.5,
    )
    assert decay_score(record, NOW_US) == pytest.approx(2.0)
    assert decay_score(a_record(create_time_us=NOW_US + HOUR_US), NOW_US) == pytest.approx(-2.0)


def test_the_score_reduces_only_what_is_not_important() -> None:
    """Beyond the threshold, and up to a raw importance of 1, only the named fields stay."""
    policy = NamespacePolicy(score_decay=ScoreDecay(2.0, ("gist",)))
    assert left(1.0, policy, importance=0.0) is None
    assert left(1.5, policy, importance=0.0) == {"gist"}
    assert left(1.5, policy, importance=0.0, access_count=4) is None
    assert left(100.0, policy, importance=1.0) == {"gist"}
    assert left(100.0, policy, importance=1.1) is None


def test_half_of_a_surrogate_pair_survives() -> None:
    """JSON can spell what UTF-8 cannot."""
    record = a_record(
        payload_json=b'{"gist": "\\ud83d", "raw": "x"}', create_time_us=NOW_US - 2 * HOUR_US
    )
    policy = NamespacePolicy(decay_levels=(DecayLevel(1, ("raw",)),))
    assert decayed_payload(record, policy, NOW_US) == b'{"gist": "\\ud83d"}'


def test_what_stays_is_not_written_anew() -> None:
    """Numbers keep their digits, and those that no float holds stay JSON; blanks between fields may go."""
    kept = b'"big": 1e999, "exact": 0.10000000000000000555, "long": 123456789012345678901234567890'
    kept += b', "minus": -0.0, "in\\u0020side" : [1e999 , {"raw": "\\""}]'
    record = a_record(
        payload_json=b' {\n "raw" : {"a": "}"},' + kept + b' ,"r\\u0061w": ",{" } ',
        create_time_us=NOW_US - 2 * HOUR_US,
    )
    policy = NamespacePolicy(decay_levels=(DecayLevel(1, ("raw",)),))
    assert decayed_payload(record, policy, NOW_US) == b"{" + kept + b"}"
    policy = NamespacePolicy(score_decay=ScoreDecay(-1e9, ()))
    assert decayed_payload(record, policy, NOW_US) == b"{}"
    assert decayed_payload(record._replace(payload_json=b"{ }"), policy, NOW_US) is None
