"""What the API server wrote down of a user's requests."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soma_operator.core.kinds import Manifest

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Trail:
    """The requests of one user since a moment."""

    log: Path
    user: str
    start: int = 0

    def now(self) -> "Trail":
        """Return the trail that begins now."""
        return Trail(self.log, self.user, self.log.stat().st_size)

    def entries(self) -> Iterator[Manifest]:
        """Give every request to a resource."""
        for entry in entries(self.log, self.start):
            if entry["user"]["username"] == self.user:
                yield entry

    def writes(self) -> list[str]:
        """Return the writes, but for those of the Lease, which beats on purpose."""
        return [
            f"{entry['verb']} {entry['requestURI']}"
            for entry in self.entries()
            if entry["verb"] in WRITES and entry["objectRef"]["resource"] != "leases"
        ]


def entries(log: Path, start: int) -> Iterator[Manifest]:
    """Give everybody's requests to resources since a place in the log."""
    with log.open() as file:
        file.seek(start)
        for line in file:
            entry = json.loads(line)
            if "objectRef" in entry:
                yield entry
