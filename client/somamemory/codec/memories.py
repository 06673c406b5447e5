"""Memories, their versions, receipts, links and changes."""

from soma.memory.v1 import link_service_pb2, memory_pb2, memory_service_pb2
from somamemory import model
from somamemory.codec.values import (
    coordinate,
    embedding_bytes,
    enum_member,
    enum_number,
    metadata,
    moment,
    payload_json,
    scalars,
    timestamp,
)


def draft(ours: model.Draft) -> memory_pb2.MemoryDraft:
    """Return a memory to write."""
    wire = memory_pb2.MemoryDraft(
        id=ours.id,
        kind=enum_number(ours.kind, memory_pb2.MemoryKind, "MEMORY_KIND", "memory.kind"),
        payload_json=payload_json(ours.payload),
        text=ours.text,
        importance=ours.importance,
        metadata=metadata(ours.metadata, "memory.metadata"),
    )
    if ours.coordinate is not None:
        wire.coordinate.CopyFrom(coordinate(ours.coordinate))
    if ours.event_time is not None:
        wire.event_time.CopyFrom(timestamp(ours.event_time, "memory.event_time"))
    if ours.expire_time is not None:
        wire.expire_time.CopyFrom(timestamp(ours.expire_time, "memory.expire_time"))
    if ours.embedding is not None:
        wire.embedding = embedding_bytes(ours.embedding)
    return wire


def memory(wire: memory_pb2.Memory) -> model.Memory:
    """Return a memory."""
    return model.Memory(
        namespace=wire.namespace,
        id=wire.id,
        payload_json=wire.payload_json,
        kind=enum_member(wire.kind, memory_pb2.MemoryKind, "MEMORY_KIND", model.MemoryKind),
        text=wire.text,
        importance=wire.importance,
        metadata=scalars(wire.metadata),
        coordinate=tuple(wire.coordinate.values) if wire.HasField("coordinate") else None,
        event_time=moment(wire, "event_time"),
        expire_time=moment(wire, "expire_time"),
        version=wire.version,
        commit_seq=wire.commit_seq,
        create_time=moment(wire, "create_time"),
        update_time=moment(wire, "update_time"),
        embedding_model=wire.embedding_model,
        access_count=wire.access_count,
        last_access_time=moment(wire, "last_access_time"),
    )


def receipt(wire: memory_pb2.Receipt, *, memory_id: str = "") -> model.Receipt:
    """Return a receipt."""
    return model.Receipt(
        id=memory_id,
        request_id=wire.request_id,
        commit_seq=wire.commit_seq,
        version=wire.version,
        durability=durability(wire.durability),
        index_state=enum_member(
            wire.index_state, memory_pb2.IndexState, "INDEX_STATE", model.IndexState
        ),
        replayed=wire.replayed,
    )


def version(wire: memory_pb2.MemoryVersion) -> model.Version:
    """Return one version of a memory."""
    return model.Version(memory(wire.memory), moment(wire, "supersede_time"))


def change(wire: memory_service_pb2.WatchResponse) -> model.Change:
    """Return one change of a namespace."""
    kinds = memory_service_pb2.ChangeType
    return model.Change(
        resume_token=wire.resume_token,
        type=enum_member(wire.type, kinds, "CHANGE_TYPE", model.ChangeType),
        commit_seq=wire.commit_seq,
        id=wire.id,
        version=wire.version,
        to_id=wire.to_id,
        link_type=wire.link_type,
        memory=memory(wire.memory) if wire.HasField("memory") else None,
        commit_time=moment(wire, "commit_time"),
    )


def neighborhood(wire: link_service_pb2.NeighborsResponse) -> model.Neighborhood:
    """Return the answer to a walk."""
    return model.Neighborhood(
        neighbors=tuple(
            model.Neighbor(memory(each.memory), each.distance, link(each.link))
            for each in wire.neighbors
        ),
        truncated=wire.truncated,
    )


def path(wire: link_service_pb2.FindPathResponse) -> model.Path | None:
    """Return the lightest path; None: there is none."""
    if not wire.found:
        return None
    memories = tuple(memory(each) for each in wire.memories)
    return model.Path(wire.cost, memories, tuple(link(each) for each in wire.links))


def durability(number: int) -> model.Durability:
    """Return what a write has survived."""
    return enum_member(number, memory_pb2.Durability, "DURABILITY", model.Durability)


def link(wire: memory_pb2.MemoryLink) -> model.Link:
    """Return one link."""
    return model.Link(
        from_id=wire.from_id,
        to_id=wire.to_id,
        type=wire.type,
        weight=wire.weight,
        metadata=scalars(wire.metadata),
        version=wire.version,
    )


def link_message(ours: model.Link) -> memory_pb2.MemoryLink:
    """Return one link as it moves."""
    return memory_pb2.MemoryLink(
        from_id=ours.from_id,
        to_id=ours.to_id,
        type=ours.type,
        weight=ours.weight,
        metadata=metadata(ours.metadata, "links.metadata"),
        version=ours.version,
    )
