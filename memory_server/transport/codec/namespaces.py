"""Namespaces and their policies."""

from memory_server.domain.limits import MAX_DECAY_FIELDS, MAX_DECAY_LEVELS
from memory_server.domain.policy import (
    DEFAULT_DECAY_THRESHOLD,
    DEFAULT_MAX_VERSIONS,
    DecayLevel,
    NamespaceInfo,
    NamespacePolicy,
    ScoreDecay,
)
from memory_server.transport.codec.values import few, timestamp
from soma.memory.v1 import namespace_service_pb2


def policy_of(message: namespace_service_pb2.NamespacePolicy) -> NamespacePolicy:
    """Return the policy of a message."""
    has_versions = message.HasField("max_versions")
    decay = message.score_decay
    threshold = decay.threshold if decay.HasField("threshold") else DEFAULT_DECAY_THRESHOLD
    return NamespacePolicy(
        default_ttl_s=message.default_ttl_s,
        max_memories=message.max_memories,
        max_versions=message.max_versions if has_versions else DEFAULT_MAX_VERSIONS,
        recency_half_life_s=message.recency_half_life_s,
        decay_levels=tuple(
            DecayLevel(level.age_s, tuple(few(level.drop_fields, MAX_DECAY_FIELDS)))
            for level in few(message.decay_levels, MAX_DECAY_LEVELS)
        ),
        score_decay=(
            ScoreDecay(threshold, tuple(few(decay.keep_fields, MAX_DECAY_FIELDS)))
            if message.HasField("score_decay")
            else None
        ),
        quota_memories=message.quota_memories,
        quota_payload_bytes=message.quota_payload_bytes,
    )


def namespace_message(info: NamespaceInfo) -> namespace_service_pb2.Namespace:
    """Return a namespace as callers see it."""
    return namespace_service_pb2.Namespace(
        name=info.name,
        policy=_policy_message(info.policy),
        create_time=timestamp(info.create_time_us),
        version=info.version,
        commit_seq=info.commit_seq,
    )


def _policy_message(policy: NamespacePolicy) -> namespace_service_pb2.NamespacePolicy:
    message = namespace_service_pb2.NamespacePolicy(
        default_ttl_s=policy.default_ttl_s,
        max_memories=policy.max_memories,
        max_versions=policy.max_versions,
        recency_half_life_s=policy.recency_half_life_s,
        quota_memories=policy.quota_memories,
        quota_payload_bytes=policy.quota_payload_bytes,
    )
    for level in policy.decay_levels:
        message.decay_levels.add(age_s=level.age_s, drop_fields=level.drop_fields)
    if policy.score_decay is not None:
        message.score_decay.threshold = policy.score_decay.threshold
        message.score_decay.keep_fields.extend(policy.score_decay.keep_fields)
    return message
