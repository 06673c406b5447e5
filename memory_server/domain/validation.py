"""What the server accepts. Every check collects all violations of a request, so that a caller mends them at once.

Field paths are those of the wire messages. No violation repeats a value: payloads never reach an error text.
"""

import json
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from memory_server.domain import limits
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.limits import Limits
from memory_server.domain.memory import Coordinate, MemoryDraft, MemoryKind, MemoryRef, Metadata
from memory_server.kernels.vectors import squared_length
from soma_common.errors import InvalidInput, Violation


@dataclass(slots=True)
class Violations:
    """Collects what is wrong with one request."""

    found: list[Violation] = field(default_factory=list)

    def add(self, path: str, description: str) -> None:
        """Note one bad field."""
        self.found.append(Violation(path, description))

    def require(self, ok: bool, path: str, description: str) -> bool:
        """Note the field unless it is right; return whether it is."""
        if not ok:
            self.add(path, description)
        return ok

    def refusal(self) -> InvalidInput | None:
        """Return the error with every violation; None: nothing was found."""
        return (
            InvalidInput("the request is not valid", violations=self.found) if self.found else None
        )

    def raise_if_any(self) -> None:
        """Refuse the request if anything was found.

        Raises:
            InvalidInput: With every violation.
        """
        refusal = self.refusal()
        if refusal is not None:
            raise refusal


def check_name(found: Violations, path: str, name: str, max_bytes: int) -> None:
    """Check a namespace, an id, a type or a request id: printable text of bounded size."""
    if (
        name.isascii()
        and 0 < len(name) <= max_bytes
        and name.isprintable()
        and " " not in (name[0], name[-1])
    ):
        # Nearly every name: the blank is the only white space that is printable.
        return
    size = len(name.encode("utf-8", "surrogatepass"))
    if not found.require(size > 0, path, "must not be empty"):
        return
    found.require(size <= max_bytes, path, f"must be at most {max_bytes} bytes of UTF-8")
    found.require(name == name.strip(), path, "must not begin or end with white space")
    found.require(_has_no_controls(name), path, "must not contain control characters")


def _has_no_controls(name: str) -> bool:
    if name.isascii():
        return name.isprintable()
    return all(unicodedata.category(character) not in ("Cc", "Cs") for character in name)


def check_namespace(found: Violations, namespace: str) -> None:
    """Check the name of a namespace."""
    check_name(found, "namespace", namespace, limits.MAX_NAMESPACE_BYTES)


def check_request_id(found: Violations, request_id: str, path: str = "request_id") -> None:
    """Check a caller's request id; none is fine."""
    if request_id:
        check_name(found, path, request_id, limits.MAX_REQUEST_ID_BYTES)


def check_expected_version(found: Violations, version: int | None, *, minimum: int = 0) -> None:
    """Check an expected version; none is fine."""
    if version is not None:
        found.require(version >= minimum, "expected_version", f"must be {minimum} or more")


def check_coordinate(found: Violations, path: str, coordinate: Coordinate) -> None:
    """Check that a coordinate has a bounded number of finite values."""
    count = len(coordinate)
    if not found.require(count > 0, path, "must have at least one value"):
        return
    most = limits.MAX_COORDINATE_DIMENSIONS
    if not found.require(count <= most, path, f"must have at most {most} values"):
        return
    for place, value in enumerate(coordinate):
        found.require(math.isfinite(value), f"{path}.values[{place}]", "must be finite")


def check_ref(found: Violations, path: str, ref: MemoryRef) -> None:
    """Check that a reference names a memory by one well-formed address."""
    if ref.id is not None:
        check_name(found, f"{path}.id", ref.id, limits.MAX_ID_BYTES)
    elif ref.coordinate is not None:
        check_coordinate(found, f"{path}.coordinate", ref.coordinate)
    else:
        found.add(path, "must name an id or a coordinate")


def check_draft(found: Violations, draft: MemoryDraft, allowed: Limits, path: str) -> None:
    """Check everything about a memory that is to be written."""
    if draft.id:
        check_name(found, f"{path}.id", draft.id, limits.MAX_ID_BYTES)
    if draft.coordinate is not None:
        check_coordinate(found, f"{path}.coordinate", draft.coordinate)
    if draft.kind not in _KINDS:
        check_kind(found, f"{path}.kind", draft.kind)
    if draft.event_time_us is not None:
        check_time(found, f"{path}.event_time", draft.event_time_us)
    if draft.expire_time_us is not None:
        check_time(found, f"{path}.expire_time", draft.expire_time_us)
    check_payload(found, f"{path}.payload_json", draft.payload_json, allowed.max_payload_bytes)
    most = limits.MAX_TEXT_BYTES
    # A text of a quarter of the characters is short enough in any case.
    if 4 * len(draft.text) > most and len(draft.text.encode("utf-8", "surrogatepass")) > most:
        found.add(f"{path}.text", f"must be at most {most} bytes of UTF-8")
    if not math.isfinite(draft.importance):
        found.add(f"{path}.importance", "must be finite")
    if draft.metadata:
        check_metadata(found, f"{path}.metadata", draft.metadata)
    if draft.embedding:
        check_vector(found, f"{path}.embedding", draft.embedding, allowed.embedding_dimensions)


_KINDS = frozenset(int(kind) for kind in MemoryKind)


def check_kind(found: Violations, path: str, kind: int) -> None:
    """Check that a number is one of a kind."""
    if kind not in _KINDS:
        found.add(path, "must be episodic or semantic")


def check_time(found: Violations, path: str, time_us: int | None) -> None:
    """Check that a time is within the years that a timestamp can name; none is fine."""
    if time_us is not None:
        is_named = limits.MIN_TIME_US <= time_us <= limits.MAX_TIME_US
        found.require(is_named, path, "must be in the years 1 to 9999")


def check_payload(found: Violations, path: str, payload_json: bytes, max_bytes: int) -> None:
    """Check that a payload is one JSON object of bounded size."""
    if not payload_json:
        found.add(path, "must not be empty")
        return
    if len(payload_json) > max_bytes:
        found.add(path, f"must be at most {max_bytes} bytes")
        return
    try:
        payload = parse_json(payload_json)
    except ValueError as error:
        found.add(path, f"must be valid JSON: {error}")
        return
    found.require(isinstance(payload, dict), path, "must be a JSON object")


def parse_json(document: bytes) -> Any:
    """Parse strict JSON.

    Raises:
        ValueError: It is not UTF-8, not JSON by RFC 8259, or nested too deeply; the text names the place only.
    """
    try:
        text = document.decode("utf-8")
        # Nearly every payload begins and ends with its braces, with no white space to look for.
        value, end = _DECODER.raw_decode(text) if text.startswith("{") else (None, -1)
        if end != len(text):
            value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    # Python's own limit depends on who asks; what is taken in here must be readable everywhere.
    if document.count(b"[") + document.count(b"{") > limits.MAX_NESTING and _is_deep(value):
        raise ValueError("nested too deeply")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(limits.MAX_NESTING):
        containers = [one for one in level if isinstance(one, dict | list)]
        level = [
            inner
            for one in containers
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""Made once: `json.loads` makes a new one for each document."""


def check_metadata(found: Violations, path: str, metadata: Metadata) -> None:
    """Check the values to filter by."""
    most = limits.MAX_METADATA_ITEMS
    found.require(len(metadata) <= most, path, f"must have at most {most} values")
    for key, value in metadata.items():
        place = f'{path}["{key}"]'
        check_name(found, place, key, limits.MAX_METADATA_KEY_BYTES)
        check_metadata_value(found, place, value)


def check_metadata_value(found: Violations, path: str, value: object) -> None:
    """Check one value to filter by; None stands for a value that was not set."""
    if isinstance(value, str):
        most = limits.MAX_METADATA_TEXT_BYTES
        size = len(value.encode("utf-8", "surrogatepass"))
        found.require(size <= most, path, f"must be at most {most} bytes of UTF-8")
    elif isinstance(value, float):
        found.require(math.isfinite(value), path, "must be finite")
    elif value is None:
        found.add(path, "must have a value")


def check_vector(found: Violations, path: str, vector: bytes, dimensions: int) -> None:
    """Check a caller's vector: its size, finite values, and a direction."""
    if len(vector) != 4 * dimensions:
        size = 4 * dimensions
        found.add(path, f"must be {dimensions} little-endian float32 values ({size} bytes)")
        return
    squares = squared_length(vector)
    if found.require(math.isfinite(squares), path, "must hold finite values only"):
        found.require(squares > 0, path, "must not be all zeros")


def check_filter(found: Violations, given: Filter) -> None:
    """Check a filter: every part must be able to hold."""
    most = limits.MAX_FILTER_TESTS
    found.require(len(given.metadata) <= most, "filter.metadata", f"must have at most {most} tests")
    for place, test in enumerate(given.metadata):
        _check_test(found, f"filter.metadata[{place}]", test)
    for place, kind in enumerate(sorted(given.kinds)[: len(_KINDS) + 1]):
        check_kind(found, f"filter.kinds[{place}]", kind)
    check_time(found, "filter.event_time_from", given.event_time_from_us)
    check_time(found, "filter.event_time_until", given.event_time_until_us)
    if given.min_importance is not None:
        is_finite = math.isfinite(given.min_importance)
        found.require(is_finite, "filter.min_importance", "must be finite")
    if given.importance_below is not None:
        is_finite = math.isfinite(given.importance_below)
        found.require(is_finite, "filter.importance_below", "must be finite")
    if given.event_time_from_us is not None and given.event_time_until_us is not None:
        found.require(
            given.event_time_from_us < given.event_time_until_us,
            "filter.event_time_until",
            "must be after event_time_from",
        )


def _check_test(found: Violations, path: str, test: MetadataTest) -> None:
    check_name(found, f"{path}.key", test.key, limits.MAX_METADATA_KEY_BYTES)
    if test.any_of is not None:
        most = limits.MAX_FILTER_VALUES
        count = len(test.any_of)
        found.require(1 <= count <= most, f"{path}.any_of", f"must have 1 to {most} values")
        for place, value in enumerate(test.any_of):
            check_metadata_value(found, f"{path}.any_of.values[{place}]", value)
    elif test.is_range:
        _check_range(found, f"{path}.range", test.minimum, test.maximum)
    elif test.exists is None:
        found.add(path, "must have a test")


def _check_range(
    found: Violations, path: str, minimum: float | None, maximum: float | None
) -> None:
    ends = [end for end in (minimum, maximum) if end is not None]
    if not found.require(bool(ends), path, "must have min or max"):
        return
    are_finite = found.require(all(map(math.isfinite, ends)), path, "must have finite ends")
    if are_finite and minimum is not None and maximum is not None:
        found.require(minimum <= maximum, path, "must have min at most max")


def check_count(found: Violations, path: str, count: int, *, default: int, maximum: int) -> int:
    """Check a number of things asked for, and return it; 0 stands for the default."""
    found.require(0 <= count <= maximum, path, f"must be 1 to {maximum}, or 0 for {default}")
    return count or default


def check_mask(found: Violations, paths: Sequence[str]) -> None:
    """Check how many fields a mask names, so that each of them can be looked at.

    Raises:
        InvalidInput: They are too many.
    """
    most = limits.MAX_MASK_PATHS
    if not found.require(len(paths) <= most, "update_mask", f"must name at most {most}"):
        found.raise_if_any()


def check_batch(found: Violations, path: str, items: Sequence[object]) -> None:
    """Check the size of a batch."""
    most = limits.MAX_BATCH_ITEMS
    found.require(1 <= len(items) <= most, path, f"must have 1 to {most} items")
