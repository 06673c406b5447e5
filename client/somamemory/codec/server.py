"""Namespaces and facts of the server."""

from dataclasses import fields

from soma.memory.v1 import admin_service_pb2
from soma.memory.v1 import namespace_service_pb2 as namespace_pb2
from somamemory import model
from somamemory.codec.memories import durability
from somamemory.codec.values import moment


def stats(wire: namespace_pb2.GetStatsResponse) -> model.Stats:
    """Return the counts of a namespace."""
    return model.Stats(**{each.name: getattr(wire, each.name) for each in fields(model.Stats)})


def server_info(wire: admin_service_pb2.GetServerInfoResponse) -> model.ServerInfo:
    """Return the server's facts."""
    limits = {each.name: getattr(wire.limits, each.name) for each in fields(model.Limits)}
    return model.ServerInfo(
        version=wire.version,
        store=wire.store,
        durability=durability(wire.durability),
        embedding_model=wire.embedding_model,
        embedding_dimensions=wire.embedding_dimensions,
        limits=model.Limits(**limits),
        commit_seq=wire.commit_seq,
        tenant=wire.tenant,
        authentication=wire.authentication,
    )


def policy_message(ours: model.NamespacePolicy) -> namespace_pb2.NamespacePolicy:
    """Return a policy to write."""
    wire = namespace_pb2.NamespacePolicy(
        default_ttl_s=ours.default_ttl_s,
        max_memories=ours.max_memories,
        max_versions=ours.max_versions,
        recency_half_life_s=ours.recency_half_life_s,
        quota_memories=ours.quota_memories,
        quota_payload_bytes=ours.quota_payload_bytes,
    )
    for level in ours.decay_levels:
        wire.decay_levels.add(age_s=level.age_s, drop_fields=level.drop_fields)
    if ours.score_decay is not None:
        wire.score_decay.threshold = ours.score_decay.threshold
        wire.score_decay.keep_fields.extend(ours.score_decay.keep_fields)
    return wire


def namespace(wire: namespace_pb2.Namespace) -> model.Namespace:
    """Return one namespace."""
    return model.Namespace(
        name=wire.name,
        policy=_policy(wire.policy),
        create_time=moment(wire, "create_time"),
        version=wire.version,
        commit_seq=wire.commit_seq,
    )


def _policy(wire: namespace_pb2.NamespacePolicy) -> model.NamespacePolicy:
    decay = wire.score_decay
    return model.NamespacePolicy(
        default_ttl_s=wire.default_ttl_s,
        max_memories=wire.max_memories,
        max_versions=wire.max_versions,
        recency_half_life_s=wire.recency_half_life_s,
        decay_levels=tuple(
            model.DecayLevel(level.age_s, tuple(level.drop_fields)) for level in wire.decay_levels
        ),
        score_decay=(
            model.ScoreDecay(decay.threshold, tuple(decay.keep_fields))
            if wire.HasField("score_decay")
            else None
        ),
        quota_memories=wire.quota_memories,
        quota_payload_bytes=wire.quota_payload_bytes,
    )
