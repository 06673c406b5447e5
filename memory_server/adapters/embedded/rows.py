"""Records, links and receipts as rows, both ways."""

import dataclasses
import json
import struct
from collections.abc import Iterator
from typing import Any

from memory_server.domain.memory import (
    Coordinate,
    MemoryId,
    MemoryKind,
    MemoryLink,
    MemoryRecord,
    MemoryVersion,
    Metadata,
    MetadataValue,
    Receipt,
)
from memory_server.domain.policy import DecayLevel, NamespacePolicy, ScoreDecay

MEMORY_COLUMNS = (
    "memory.commit_seq, id, version, kind, payload_json, text, importance, metadata_json, event_time_us,"
    " expire_time_us, create_time_us, update_time_us, coordinate, embedding, embedding_model, access_count,"
    " last_access_us"
)
SHOWN_COLUMNS = MEMORY_COLUMNS.replace(" embedding,", " X'' AS embedding,")
"""The same columns of what is read to be shown."""

VERSION_COLUMNS = MEMORY_COLUMNS.replace("memory.", "", 1)
"""The same columns of `memory_version`."""

MEMORY_INSERT = VERSION_COLUMNS.replace("commit_seq,", "commit_seq, namespace_key,", 1)
"""The same columns of a new row, whose namespace comes second."""

LINK_COLUMNS = "from_id, to_id, type, weight, metadata_json, version"

TEXT, NUMBER, FLAG = 1, 2, 3
"""Types of metadata values, as the column `metadata.type` has them."""

Row = tuple[Any, ...]

_KINDS = {int(kind): kind for kind in MemoryKind}
"""Looking a member up by calling the enum takes ten times as long."""


def new_memory_row(namespace_key: int, record: MemoryRecord) -> Row:
    """Return the values of `MEMORY_INSERT`."""
    return (
        record.commit_seq,
        namespace_key,
        record.id,
        record.version,
        int(record.kind),
        record.payload_json,
        record.text,
        record.importance,
        metadata_json(record.metadata),
        record.event_time_us,
        record.expire_time_us,
        record.create_time_us,
        record.update_time_us,
        coordinate_blob(record.coordinate),
        record.embedding,
        record.embedding_model,
        record.access_count,
        record.last_access_us,
    )


def memory_record(row: Row) -> MemoryRecord:
    """Return the record of a row of `MEMORY_COLUMNS`."""
    return MemoryRecord(
        row[1],
        row[2],
        row[0],
        _KINDS[row[3]],
        row[4],
        row[5],
        row[6],
        metadata_of_json(row[7]),
        row[8],
        row[9],
        row[10],
        row[11],
        _coordinate(row[12]),
        row[13],
        row[14],
        row[15],
        row[16],
    )


def memory_link(row: Row) -> MemoryLink:
    """Return the link of a row of `LINK_COLUMNS`."""
    from_id, to_id, kind, weight, metadata, version = row
    return MemoryLink(
        MemoryId(from_id), MemoryId(to_id), kind, weight, json.loads(metadata), version
    )


def memory_version(row: Row) -> MemoryVersion:
    """Return the version of a row of `VERSION_COLUMNS` and the time it was superseded."""
    return MemoryVersion(memory_record(row[:-1]), row[-1])


_json_text = json.encoder.encode_basestring_ascii
"""What `json.dumps` does with a text, without looking first what it is given."""

_FLAGS = {True: "true", False: "false"}


def metadata_json(metadata: Metadata) -> str:
    """Return metadata as JSON, sorted by name: text, finite floats and booleans keep their types."""
    if not metadata:
        return "{}"
    # Spelt out, as the receipt below: an encoder takes three times as long.
    values = [
        f"{_json_text(name)}: {_json_value(value)}" for name, value in sorted(metadata.items())
    ]
    return f"{{{', '.join(values)}}}"


def _json_value(value: MetadataValue) -> str:
    if isinstance(value, str):
        return _json_text(value)
    if isinstance(value, bool):
        return _FLAGS[value]
    if isinstance(value, int | float):
        return repr(value)
    # Only a bug brings it here, and its caller hears of it: nobody could read such a row.
    raise TypeError(f"a {type(value).__name__} is no value of metadata")


def metadata_of_json(stored_json: str) -> Metadata:
    """Return the metadata of what `metadata_json` wrote."""
    if stored_json == "{}":
        return {}
    metadata: Metadata = json.loads(stored_json)
    return metadata


def typed_values(metadata: Metadata) -> Iterator[tuple[str, int, str | float]]:
    """Yield (name, type, value) of every metadata value, as the table `metadata` has them."""
    for name, value in metadata.items():
        yield name, *typed(value)


def typed(value: MetadataValue) -> tuple[int, str | float]:
    """Return (type, value) of a metadata value, as the table `metadata` has them."""
    if isinstance(value, bool):
        return FLAG, int(value)
    return (TEXT, value) if isinstance(value, str) else (NUMBER, value)


def coordinate_blob(coordinate: Coordinate | None) -> bytes | None:
    """Return a coordinate as little-endian float64: equal coordinates, equal bytes."""
    return None if coordinate is None else struct.pack(f"<{len(coordinate)}d", *coordinate)


def _coordinate(blob: bytes | None) -> Coordinate | None:
    return None if blob is None else struct.unpack(f"<{len(blob) // 8}d", blob)


def receipt_json(receipt: Receipt) -> str:
    """Return what a repeat of the request is answered with."""
    # Spelt out: an encoder takes three times as long for five values. Of these only the id may need any.
    is_embedded, is_removed = _FLAGS[receipt.is_embedded], _FLAGS[receipt.is_removed]
    return (
        f'{{"memory_id": {_json_text(receipt.memory_id)}, "commit_seq": {receipt.commit_seq},'
        f' "version": {receipt.version}, "is_embedded": {is_embedded}, "is_removed": {is_removed}}}'
    )


def replayed_receipt(request_id: str, stored_json: str) -> Receipt:
    """Return the stored receipt, marked as replayed."""
    return Receipt(request_id=request_id, is_replayed=True, **json.loads(stored_json))


def policy_json(policy: NamespacePolicy) -> str:
    """Return a policy as JSON."""
    return json.dumps(dataclasses.asdict(policy))


def policy_of(stored_json: str) -> NamespacePolicy:
    """Return the policy of what `policy_json` wrote; what an older server did not write has its default."""
    stored = json.loads(stored_json)
    stored["decay_levels"] = tuple(
        DecayLevel(level["age_s"], tuple(level["drop_fields"]))
        for level in stored.get("decay_levels", ())
    )
    if decay := stored.get("score_decay"):
        stored["score_decay"] = ScoreDecay(decay["threshold"], tuple(decay["keep_fields"]))
    return NamespacePolicy(**stored)
