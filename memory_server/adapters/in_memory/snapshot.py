"""A namespace as it was at one commit."""

from collections.abc import AsyncIterator, Sequence

from memory_server.adapters.in_memory.space import Space
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryLink
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
        self, given: Filter, now_us: int, *, with_versions: bool
    ) -> AsyncIterator[Sequence[ExportedMemory]]:
        """See the port."""
        versions = self._versions if with_versions else {}
        passing = [record for record in self._memories if given.passes(record, now_us)]
        if passing:
            yield [ExportedMemory(record, versions.get(record.id, ())) for record in passing]

    async def links(self) -> AsyncIterator[Sequence[MemoryLink]]:
        """See the port."""
        if self._links:
            yield self._links
