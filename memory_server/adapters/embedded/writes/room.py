"""Room for a store: quotas that refuse, limits that let the least important go."""

from collections.abc import Sequence

from memory_server.adapters.embedded.writes.heads import Head, heads, usage_of
from memory_server.adapters.embedded.writes.namespaces import Namespaces, Space
from memory_server.adapters.embedded.writes.statements import Statements
from memory_server.domain.memory import Scope, Tenant
from memory_server.domain.policy import MAX_EVICTED
from memory_server.domain.quota import UNLIMITED, Allowance, TenantQuotas, Usage
from memory_server.ports import StoreWrite

EXPIRE_FOR_ROOM = 500
"""Most expired memories that a store removes when it would go beyond a quota."""


class Room:
    """Tells what has to go before something is stored; it removes nothing itself."""

    def __init__(
        self, statements: Statements, namespaces: Namespaces, quotas: TenantQuotas
    ) -> None:
        self._statements = statements
        self._namespaces = namespaces
        self._quotas = quotas

    def to_go(self, space: Space | None, write: StoreWrite, found: Sequence[Head]) -> list[Head]:
        """Return the memories, besides those at its own address, that a store removes.

        First goes what has expired, if a quota stands in the way; then the least important beyond the namespace's
        limit. What they free counts for the quota.

        Args:
            space: The namespace; None: it is made by this store.
            write: The store.
            found: What stands at its address.

        Raises:
            QuotaExceeded: Even without them it would be too much.
        """
        allowances = self._allowances(space, write, found)
        if not allowances and (space is None or not space.policy.max_memories):
            # As nearly always.
            return []
        is_kept = all(allowance.is_kept for allowance in allowances)
        if space is None:
            expired, evicted = [], []
        else:
            expired = [] if is_kept else self._expired(space, write, found)
            evicted = self._beyond(space, write.now_us, [*found, *expired], stored=1)
        freed = usage_of(expired) + usage_of(evicted)
        for allowance in allowances:
            allowance.require(freed)
        return [*expired, *evicted]

    def over_limit(self, now_us: int, limit: int) -> tuple[Scope, list[Head]] | None:
        """Return a namespace that holds more than its limit, with up to `limit` of what has to go; None: none does."""
        self._namespaces.flush_counts()
        row = self._statements.execute(
            "SELECT tenant, name FROM namespace"
            " WHERE tenant <> '' AND memory_count > policy_json ->> '$.max_memories'"
            " AND policy_json ->> '$.max_memories' > 0 LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        scope = Scope(Tenant(row[0]), row[1])
        space = self._namespaces.require(scope)
        return scope, self._beyond(space, now_us, [], stored=0)[:limit]

    def _beyond(
        self, space: Space, now_us: int, others: Sequence[Head], *, stored: int
    ) -> list[Head]:
        """Return the least important memories beyond the limit, of equals the oldest; `others` go or stay anyway."""
        most = space.policy.max_memories
        if not most:
            return []
        excess = min(space.memory_count - len(others) + stored - most, MAX_EVICTED)
        if excess <= 0:
            return []
        where = "namespace_key = ? ORDER BY importance, commit_seq LIMIT ?"
        least = heads(self._statements, where, (space.key, excess + len(others)), now_us)
        spared = {head.commit_seq for head in others}
        return [head for head in least if head.commit_seq not in spared][:excess]

    def _expired(self, space: Space, write: StoreWrite, found: Sequence[Head]) -> list[Head]:
        where = "namespace_key = ? AND expire_time_us <= ? LIMIT ?"
        parameters = (space.key, write.now_us, EXPIRE_FOR_ROOM)
        expired = heads(self._statements, where, parameters, write.now_us)
        return [head for head in expired if head not in found]

    def _allowances(
        self, space: Space | None, write: StoreWrite, found: Sequence[Head]
    ) -> list[Allowance]:
        tenants = self._quotas(write.scope.tenant)
        has_own = space is not None and space.policy.has_quota
        if not has_own and tenants.is_unlimited:
            return []
        own = space.policy.quota if space else UNLIMITED
        added = Usage(1, len(write.record.payload_json)) - usage_of(found)
        allowances = []
        if space is not None:
            usage = Usage(space.memory_count, space.payload_bytes)
            subject = f"namespace:{write.scope.namespace}"
            allowances.append(Allowance(subject, own, usage + added))
        if not tenants.is_unlimited:
            usage = self._namespaces.usage(write.scope.tenant)
            allowances.append(Allowance("tenant", tenants, usage + added))
        return allowances
