"""Audit lines that hold each other: every line carries the hash of the one before it.

A line that is changed, taken out or put in between breaks the chain at that place, and `verify` says where. Who can
write the whole file can make a new chain: send the lines elsewhere, or note a hash now and then, to see that too.

`python -m soma_common.audit_chain FILE` checks a file.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FIRST = "0" * 64
"""What the first line of a chain names as the one before it."""


def chained(entry: Mapping[str, Any], number: int, previous: str) -> dict[str, Any]:
    """Return an entry with its number, the hash before it, and its own.

    Args:
        entry: What happened; JSON values only.
        number: Place in the chain, from 1.
        previous: Hash of the line before.
    """
    linked = {"number": number, **entry, "previous": previous}
    return {**linked, "hash": _hash(linked)}


def line_of(linked: Mapping[str, Any]) -> str:
    """Return a chained entry as one line of JSON, without the line's end."""
    return json.dumps(linked, separators=(",", ":"), sort_keys=True)


def verify(lines: Iterable[str]) -> tuple[int, str]:
    """Check a chain from its first line.

    Returns:
        How many lines hold, and the hash of the last one that does.

    Raises:
        ValueError: The line after those does not hold; the text says why.
    """
    previous, count = FIRST, 0
    for line in lines:
        place = f"line {count + 1}"
        try:
            linked = dict(json.loads(line))
            claimed = linked.pop("hash")
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"{place} is no line of a chain") from None
        if linked.get("previous") != previous or linked.get("number") != count + 1:
            raise ValueError(f"{place} does not follow the line before it")
        if claimed != _hash(linked):
            raise ValueError(f"{place} was changed")
        previous, count = claimed, count + 1
    return count, previous


def _hash(linked: Mapping[str, Any]) -> str:
    return hashlib.sha256(line_of(linked).encode()).hexdigest()


def main() -> int:
    """Check the file that the command line names; return 0 when it holds."""
    path = Path(sys.argv[1])
    try:
        with path.open(encoding="utf-8") as lines:
            count, last = verify(lines)
    except ValueError as error:
        sys.stderr.write(f"{path}: {error}\n")
        return 1
    sys.stdout.write(f"{path}: {count} lines hold; the last hash is {last}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
