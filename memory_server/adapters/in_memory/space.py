"""One namespace in dictionaries: its memories, versions, links, and what was removed."""

from collections.abc import Collection
from dataclasses import dataclass, field

from memory_server.domain.memory import (
    CALLER_MODEL,
    ChangeType,
    LoggedChange,
    MemoryId,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    MemoryVersion,
)
from memory_server.domain.policy import DEFAULT_POLICY, NamespacePolicy
from memory_server.domain.refusals import memory_not_found
from memory_server.domain.summary import CONSOLIDATED_FROM, CONSOLIDATION, subject_digest
from memory_server.ports import NewEmbedding

LinkKey = tuple[MemoryId, MemoryId, str]


@dataclass(slots=True)
class Space:
    """One scope's content."""

    create_time_us: int = 0
    policy: NamespacePolicy = DEFAULT_POLICY
    policy_version: int = 1
    memories: dict[MemoryId, MemoryRecord] = field(default_factory=dict)
    versions: dict[MemoryId, list[MemoryVersion]] = field(default_factory=dict)
    links: dict[LinkKey, MemoryLink] = field(default_factory=dict)
    linked: dict[LinkKey, tuple[int, int]] = field(default_factory=dict)
    """Commit and time of each link's last write."""
    inherited: dict[MemoryId, set[bytes]] = field(default_factory=dict)
    """Whom summaries are about by sources that are gone: digests of metadata values."""
    removals: list[LoggedChange] = field(default_factory=list)
    beside: dict[int, NewEmbedding] = field(default_factory=dict)
    """Embeddings of a model to come, by commit; those of memories that are gone mean nothing."""
    commit_seq: int = 0

    @property
    def payload_bytes(self) -> int:
        """Size of all payloads; kept versions are not counted."""
        return sum(len(record.payload_json) for record in self.memories.values())

    def at(self, ref: MemoryRef) -> MemoryRecord | None:
        """Return the memory at a reference, expired or not."""
        if ref.id is not None:
            return self.memories.get(ref.id)
        if ref.coordinate is None:
            return None
        records = self.memories.values()
        return next((record for record in records if record.coordinate == ref.coordinate), None)

    def require_live(self, ref: MemoryRef, now_us: int) -> MemoryRecord:
        """Return the live memory at a reference.

        Raises:
            NotFound: There is none.
        """
        record = self.at(ref)
        if record is None or record.is_expired(now_us):
            raise memory_not_found(ref)
        return record

    def supersede(self, record: MemoryRecord, now_us: int, kept: int) -> None:
        """Take the current version away, and keep it and the newest others up to a number."""
        self._pass_on(record)
        del self.memories[record.id]
        self.keep(record, now_us, kept)

    def keep(self, record: MemoryRecord, superseded_us: int, kept: int) -> None:
        """Keep a version that was overwritten at a time, and the newest others up to a number."""
        versions = self.versions.setdefault(record.id, [])
        versions.append(MemoryVersion(record, max(superseded_us, record.update_time_us)))
        del versions[: max(len(versions) - kept, 0)]

    def remove(
        self, record: MemoryRecord, commit_seq: int, now_us: int, *, is_told: bool = True
    ) -> int:
        """Remove a memory with its versions and links; return how many links went.

        Watchers are not told where another memory takes the id by the same commit.
        """
        self._pass_on(record)
        self.inherited.pop(record.id, None)
        del self.memories[record.id]
        self.versions.pop(record.id, None)
        gone = [key for key in self.links if record.id in key[:2]]
        for key in gone:
            del self.links[key], self.linked[key]
        if is_told:
            self.note_removal(commit_seq, record.id, record.version, now_us)
        return len(gone)

    def summaries_of(self, ids: Collection[MemoryId]) -> set[MemoryId]:
        """Return what was consolidated from one of some memories."""
        return {
            start
            for start, end, link_type in self.links
            if link_type == CONSOLIDATED_FROM and end in ids and self.is_summary(start)
        }

    def is_summary(self, memory_id: MemoryId) -> bool:
        """Tell whether a memory is there and a consolidation wrote a version of it that is kept."""
        record = self.memories.get(memory_id)
        if record is None:
            return False
        kept = [version.record for version in self.versions.get(memory_id, [])]
        return any(CONSOLIDATION in one.metadata for one in (record, *kept))

    def _pass_on(self, record: MemoryRecord) -> None:
        """Let the summaries of a memory inherit what it is about, and what it was made of, before it goes."""
        if heirs := self.summaries_of({record.id}):
            self.leave(record, heirs)

    def leave(self, record: MemoryRecord, heirs: Collection[MemoryId]) -> None:
        """Let some summaries inherit what a memory is about."""
        subjects = set[bytes]()
        for one in self._sources_of(record.id):
            kept = [version.record for version in self.versions.get(one, [])]
            for said in (self.memories[one], *kept):
                subjects.update(subject_digest(*item) for item in said.metadata.items())
            subjects |= self.inherited.get(one, set())
        for heir in heirs:
            self.inherited.setdefault(heir, set()).update(subjects)

    def _sources_of(self, memory_id: MemoryId) -> set[MemoryId]:
        """Return a memory and, where it is a summary, what it was consolidated from, and what that was again."""
        found, pending = {memory_id}, [memory_id]
        while pending:
            start = pending.pop()
            if self.is_summary(start):
                ends = {key[1] for key in self.links if key[::2] == (start, CONSOLIDATED_FROM)}
                pending += ends - found
                found |= ends
        return found

    def note_removal(
        self,
        commit_seq: int,
        memory_id: MemoryId,
        version: int,
        now_us: int,
        link: tuple[MemoryId, str] = (MemoryId(""), ""),
    ) -> None:
        """Tell watchers that a memory, or a link to another one of a type, is gone."""
        last = self.removals[-1] if self.removals else None
        position = last.position + 1 if last and last.commit_seq == commit_seq else 1
        kind = ChangeType.UNLINKED if link[1] else ChangeType.DELETED
        self.removals.append(
            LoggedChange(commit_seq, position, kind, memory_id, version, now_us, *link)
        )

    def changes(self, after: tuple[int, int]) -> list[LoggedChange]:
        """Return the changes after (commit, position), in order."""
        stored = [
            LoggedChange(r.commit_seq, 0, ChangeType.STORED, r.id, r.version, r.update_time_us)
            for r in self.memories.values()
        ]
        linked = [
            LoggedChange(seq, 0, ChangeType.LINKED, key[0], link.version, time_us, key[1], key[2])
            for key, link in self.links.items()
            for seq, time_us in [self.linked[key]]
        ]
        everything = [*stored, *linked, *self.removals]
        new = [change for change in everything if (change.commit_seq, change.position) > after]
        return sorted(new, key=lambda change: (change.commit_seq, change.position))

    def at_moment(self, moment_us: int, now_us: int) -> list[MemoryRecord]:
        """Return the versions that were current and not expired at a moment, of memories that have not by now."""
        live = [record for record in self.memories.values() if not record.is_expired(now_us)]
        kept = [version for record in live for version in self.versions.get(record.id, [])]
        everything = [*kept, *map(MemoryVersion, live)]
        found = [
            version.record
            for version in everything
            if version.record.update_time_us <= moment_us
            and not version.record.is_expired(moment_us)
            and (version.supersede_time_us is None or version.supersede_time_us > moment_us)
        ]
        # An import may date what it writes before what it overwrites: then the last version counts.
        last = {one.id: one for one in sorted(found, key=lambda one: one.version)}
        return list(last.values())

    def least_important(self, spared: Collection[MemoryId], count: int) -> list[MemoryRecord]:
        """Return the least important memories, of equals the oldest first."""
        others = [record for record in self.memories.values() if record.id not in spared]
        return sorted(others, key=lambda record: (record.importance, record.commit_seq))[:count]

    def embed(self, embedding: NewEmbedding) -> bool:
        """Take an embedding in; return whether its memory is still there and not embedded by its caller."""
        record = next((r for r in self.memories.values() if r.commit_seq == embedding.seq), None)
        if record is None or record.embedding_model == CALLER_MODEL:
            return False
        if embedding.is_beside:
            self.beside[embedding.seq] = embedding
        else:
            self.beside.pop(embedding.seq, None)
            self.memories[record.id] = record._replace(
                embedding=embedding.vector, embedding_model=embedding.model
            )
        return True

    def live_beside(self) -> list[NewEmbedding]:
        """Return what is kept beside the embeddings of memories that are still there."""
        live = {record.commit_seq for record in self.memories.values()}
        return [kept for seq, kept in sorted(self.beside.items()) if seq in live]

    def lacking(self, model: str) -> list[MemoryRecord]:
        """Return the memories with a text that a model has not embedded."""
        done = {kept.seq for kept in self.live_beside() if kept.model == model}
        return [
            record
            for record in self.memories.values()
            if record.text
            and record.embedding_model not in (model, CALLER_MODEL)
            and record.commit_seq not in done
        ]

    def count_access(self, memory_id: MemoryId, count: int, last_us: int) -> None:
        """Add to the accesses of a memory; one that is gone is left out."""
        record = self.memories.get(memory_id)
        if record is not None:
            last = max(record.last_access_us or last_us, last_us)
            total = record.access_count + count
            self.memories[memory_id] = record._replace(access_count=total, last_access_us=last)
