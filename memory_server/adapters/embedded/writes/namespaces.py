"""Namespaces as the writer sees them: found once, their counts kept up to date, their policies at hand."""

import json
from dataclasses import dataclass

from memory_server.adapters.embedded import rows
from memory_server.adapters.embedded.writes.done import NO_MEMORY, Done
from memory_server.adapters.embedded.writes.statements import Executes, Statements
from memory_server.domain.memory import Receipt, Scope, Tenant
from memory_server.domain.policy import DEFAULT_POLICY, NamespacePolicy
from memory_server.domain.quota import Usage
from memory_server.domain.refusals import check_version, namespace_exists, namespace_not_found
from memory_server.ports import Change, CreateNamespaceWrite, DropNamespaceWrite, PolicyWrite


@dataclass(slots=True)
class Space:
    """One namespace; the counts are those of the open transaction."""

    key: int
    policy: NamespacePolicy
    policy_version: int
    memory_count: int
    payload_bytes: int


def spaces_of(connection: Executes, tenant: Tenant, name: str) -> list[tuple[int, str]]:
    """Return (key, name) of a tenant's namespaces, in the order of names: all, or those of a name.

    What was dropped and is not swept away yet is among them, before what took its name.
    """
    found = connection.execute(
        "SELECT key, tenant, name FROM namespace WHERE tenant IN (?, '') ORDER BY key", (tenant,)
    ).fetchall()
    own = [
        (key, owned[1])
        for key, owner, named in found
        if (owned := (owner, named) if owner else _before_drop(named))[0] == tenant
    ]
    return sorted((one for one in own if name in ("", one[1])), key=lambda one: one[1])


def _before_drop(named: str) -> tuple[str, str]:
    """Return the tenant and the name that a dropped namespace had; empty: an older release dropped it."""
    parts = json.loads(named)
    return (parts[1], parts[2]) if isinstance(parts, list) else ("", "")


class Namespaces:
    """Cache of the namespaces that are written to, on the writer's connection."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._spaces: dict[Scope, Space] = {}
        self._touched: dict[int, tuple[Space, int]] = {}

    def find(self, scope: Scope) -> Space | None:
        """Return a namespace; None if there is none."""
        space = self._spaces.get(scope)
        if space is None:
            row = self._statements.execute(
                "SELECT key, policy_json, policy_version, memory_count, payload_bytes FROM namespace"
                " WHERE tenant = ? AND name = ?",
                (scope.tenant, scope.namespace),
            ).fetchone()
            if row is None:
                return None
            space = self._spaces[scope] = Space(row[0], rows.policy_of(row[1]), *row[2:])
        return space

    def require(self, scope: Scope) -> Space:
        """Return a namespace.

        Raises:
            NotFound: There is none.
        """
        space = self.find(scope)
        if space is None:
            raise namespace_not_found(scope)
        return space

    def make(
        self, scope: Scope, now_us: int, commit_seq: int, policy: NamespacePolicy = DEFAULT_POLICY
    ) -> Space:
        """Make a namespace.

        Its key is its commit, which no other one ever has: whoever still reads by the key of one that was dropped
        must not find what belongs to the next.
        """
        self._statements.execute(
            "INSERT INTO namespace (key, tenant, name, create_time_us, commit_seq, policy_json, policy_version,"
            " memory_count, payload_bytes) VALUES (?, ?, ?, ?, ?, ?, 1, 0, 0)",
            (
                commit_seq,
                scope.tenant,
                scope.namespace,
                now_us,
                commit_seq,
                rows.policy_json(policy),
            ),
        )
        space = self._spaces[scope] = Space(commit_seq, policy, 1, 0, 0)
        return space

    def touch(self, space: Space, commit_seq: int) -> None:
        """Note that a commit changed a namespace, or its counts."""
        self._touched[space.key] = (space, commit_seq)

    def usage(self, tenant: Tenant) -> Usage:
        """Return what all namespaces of a tenant hold, this transaction included."""
        self.flush_counts()
        row = self._statements.execute(
            "SELECT ifnull(sum(memory_count), 0), ifnull(sum(payload_bytes), 0) FROM namespace WHERE tenant = ?",
            (tenant,),
        ).fetchone()
        return Usage(*row)

    def flush_counts(self) -> None:
        """Write the counts down that changed, and go on; `flush` comes at the end all the same."""
        for space, commit_seq in self._touched.values():
            self._statements.execute(
                "UPDATE namespace SET commit_seq = ?, memory_count = ?, payload_bytes = ? WHERE key = ?",
                (commit_seq, space.memory_count, space.payload_bytes, space.key),
            )

    def flush(self) -> None:
        """Write down what was touched; to be called at the end of a transaction."""
        self.flush_counts()
        self._touched.clear()

    def forget(self) -> None:
        """Forget what a transaction that was rolled back had made; to be called after each."""
        self._spaces.clear()
        self._touched.clear()

    def create(self, write: CreateNamespaceWrite, commit_seq: int) -> Done:
        """Carry out a CreateNamespaceWrite.

        Raises:
            AlreadyExists: There is one of that name.
        """
        if self.find(write.scope) is not None:
            raise namespace_exists(write.scope)
        self.make(write.scope, write.now_us, commit_seq, write.policy)
        return Done(Receipt("", NO_MEMORY, commit_seq, version=1))

    def set_policy(self, write: PolicyWrite, commit_seq: int) -> Done:
        """Carry out a PolicyWrite.

        Raises:
            NotFound, Conflict: Nothing was changed.
        """
        space = self.require(write.scope)
        check_version(write.expected_version, space.policy_version)
        space.policy = write.policy
        space.policy_version += 1
        self._statements.execute(
            "UPDATE namespace SET policy_json = ?, policy_version = ? WHERE key = ?",
            (rows.policy_json(space.policy), space.policy_version, space.key),
        )
        self.touch(space, commit_seq)
        return Done(Receipt("", NO_MEMORY, commit_seq, version=space.policy_version))

    def drop(self, write: DropNamespaceWrite, commit_seq: int) -> Done:
        """Carry out a DropNamespaceWrite: its rows lose their owner at once, and are swept away later.

        Raises:
            NotFound: There is none.
        """
        space = self.require(write.scope)
        self._touched.pop(space.key, None)
        del self._spaces[write.scope]
        self._statements.execute(
            "UPDATE namespace SET tenant = '', name = ?, commit_seq = ? WHERE key = ?",
            (json.dumps([space.key, *write.scope]), commit_seq, space.key),
        )
        receipt = Receipt("", NO_MEMORY, commit_seq, space.memory_count, is_removed=True)
        return Done(receipt, (Change(write.scope, commit_seq, drops_namespace=True),))
