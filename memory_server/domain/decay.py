"""Decay: what a memory's payload loses as it ages unused.

Formulas are the predecessor's: fields drop by levels of age; and a score of age, disuse and unimportance reduces a
memory to the fields that are kept.
"""

import json
import re
from collections.abc import Iterator

from memory_server.domain.memory import MemoryRecord
from memory_server.domain.policy import NamespacePolicy, ScoreDecay

HOUR_US = 3600 * 1_000_000

MOST_IMPORTANT = 1.0
"""Raw importance above which no score reduces a memory."""

_DECODER = json.JSONDecoder()
_BLANKS = re.compile(r"[ \t\n\r]*")

_ACCESS_WEIGHT, _IMPORTANCE_WEIGHT = 0.5, 2.0


def decay_score(record: MemoryRecord, now_us: int) -> float:
    """Return age in hours + hours since the last access - 0.5 x accesses - 2 x raw importance.

    A memory that was never given to anybody was last touched when it was made. Ages are never negative: a clock that
    went back makes nothing older or younger.
    """
    last_us = record.create_time_us if record.last_access_us is None else record.last_access_us
    age_h = max(now_us - record.create_time_us, 0) / HOUR_US
    unused_h = max(now_us - last_us, 0) / HOUR_US
    return (
        age_h
        + unused_h
        - _ACCESS_WEIGHT * record.access_count
        - _IMPORTANCE_WEIGHT * record.importance
    )


def decayed_payload(record: MemoryRecord, policy: NamespacePolicy, now_us: int) -> bytes | None:
    """Return the payload without what has decayed; None: nothing has."""
    dropped = {
        name
        for level in policy.decay_levels
        if now_us - record.create_time_us > level.age_s * 1_000_000
        for name in level.drop_fields
    }
    is_reduced = policy.score_decay is not None and _is_reduced(record, policy.score_decay, now_us)
    if not dropped and not is_reduced:
        return None
    fields = list(_fields(record.payload_json.decode()))
    kept = [field for field in fields if field[0] not in dropped]
    if is_reduced:
        assert policy.score_decay is not None
        kept = [field for field in kept if field[0] in policy.score_decay.keep_fields]
    if len(kept) == len(fields):
        return None
    return ("{" + ", ".join(text for _, text in kept) + "}").encode()


def _is_reduced(record: MemoryRecord, decay: ScoreDecay, now_us: int) -> bool:
    is_important = record.importance > MOST_IMPORTANT
    return not is_important and decay_score(record, now_us) > decay.threshold


def _fields(document: str) -> Iterator[tuple[str, str]]:
    """Yield (name, the field as it stands) of a JSON object: what stays is not written anew, to the last digit."""
    place = _after_blanks(document, document.index("{") + 1)
    while document[place] != "}":
        start = place
        name, place = _DECODER.raw_decode(document, place)
        place = _after_blanks(document, _after_blanks(document, place) + 1)
        _, place = _DECODER.raw_decode(document, place)
        yield name, document[start:place]
        place = _after_blanks(document, place)
        if document[place] == ",":
            place = _after_blanks(document, place + 1)


def _after_blanks(document: str, place: int) -> int:
    blanks = _BLANKS.match(document, place)
    assert blanks is not None
    return blanks.end()
