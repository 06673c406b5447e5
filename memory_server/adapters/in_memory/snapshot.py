"""A namespace as it was at one commit."""

from collections.abc import AsyncIterator, Sequence

from memory_server.adapters.in_memory.space import Space
from memory_server.domain.filters import Filter
from memory_server.domain.limits import MAX_RESPONSE_BYTES
from memory_server.domain.memory import MemoryLink, MemoryRecord, MemoryVersion
from memory_server.domain.sizes import latest_fitting
from memory_server.ports import ExportedMemory


class InMemorySnapshot:
    """Copies of the dictionaries; see `ports.Snapshot`."""

    def __init__(self, space: Space, commit_seq: int) -> None:
        self.commit_seq = commit_seq
        """The last commit that it holds."""
        self._memories = sorted(space.memories.values(), key=lambda record: record.commit_seq)
        self._versions = {key: tuple(versions) for key, versions in space.versions.items()}
        self._links = sorted(
            space.links.values(), key=lambda link: (link.from_id, link.type, link.to_id)
        )

    async def memories(
        self,
        given: Filter,
        now_us: int,
        *,
        with_versions: bool,
        most_bytes: int = MAX_RESPONSE_BYTES,
    ) -> AsyncIterator[Sequence[ExportedMemory]]:
        """See the port."""
        versions = self._versions if with_versions else {}
        passing = [record for record in self._memories if given.passes(record, now_us)]
        if passing:
            yield [_exported(record, versions.get(record.id, ()), most_bytes) for record in passing]

    async def links(self) -> AsyncIterator[Sequence[MemoryLink]]:
        """See the port."""
        if self._links:
            yield self._links


def _exported(
    record: MemoryRecord, versions: Sequence[MemoryVersion], most_bytes: int
) -> ExportedMemory:
    fitting = latest_fitting(record, reversed(versions), most_bytes)
    return ExportedMemory(record, fitting, len(versions) - len(fitting))
