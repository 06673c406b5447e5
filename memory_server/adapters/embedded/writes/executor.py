"""Carries out one write of any kind, and remembers the answers to request ids."""

import sqlite3
from collections.abc import Sequence
from typing import assert_never

from memory_server.adapters.embedded import rows
from memory_server.adapters.embedded.queries import filled_up, marks
from memory_server.adapters.embedded.writes.done import Done
from memory_server.adapters.embedded.writes.embeddings import EmbeddingWrites
from memory_server.adapters.embedded.writes.erasure import Erasure
from memory_server.adapters.embedded.writes.history import History
from memory_server.adapters.embedded.writes.inheritance import Inheritance
from memory_server.adapters.embedded.writes.links import LinkWrites
from memory_server.adapters.embedded.writes.memories import MemoryWrites
from memory_server.adapters.embedded.writes.namespaces import Namespaces
from memory_server.adapters.embedded.writes.statements import Executes, Insert, Statements
from memory_server.domain.memory import Receipt, Tenant
from memory_server.domain.quota import TenantQuotas, no_quotas
from memory_server.domain.refusals import request_id_reused
from memory_server.ports import (
    AccessWrite,
    CreateNamespaceWrite,
    DeleteWrite,
    DropNamespaceWrite,
    EraseWrite,
    EvictWrite,
    ExpireWrite,
    LinkWrite,
    PolicyWrite,
    PromoteWrite,
    ReembedWrite,
    RequestKey,
    StoreWrite,
    SweepWrite,
    UnlinkWrite,
    Write,
)

RequestedWrite = StoreWrite | DeleteWrite | LinkWrite | UnlinkWrite
"""Writes that may carry a request id."""

UpkeepWrite = ExpireWrite | EvictWrite | AccessWrite | SweepWrite | ReembedWrite | PromoteWrite
"""Writes that no caller asks for."""

LOOKED_UP_FROM = 2
"""Where so many writes share a transaction, what is known of them is looked up at once."""

MAX_REMOVALS = 200_000
"""Removals that are kept for watchers who come back; some 20 MB."""


def replayed(connection: Executes, tenant: Tenant, request: RequestKey | None) -> Receipt | None:
    """Return the receipt of a request that was carried out before; None: it was not.

    Raises:
        RequestIdReused: The id was used for another request.
    """
    if request is None:
        return None
    row = connection.execute(
        "SELECT body_digest, receipt_json FROM request WHERE tenant = ? AND id = ?",
        (tenant, request.id),
    ).fetchone()
    return _replay(request, row)


def _replay(request: RequestKey, row: tuple[bytes, str] | None) -> Receipt | None:
    if row is None:
        return None
    if not request.is_of(row[0]):
        raise request_id_reused(request.id)
    return rows.replayed_receipt(request.id, row[1])


class WriteExecutor:
    """Carries out writes on the writer's connection, which its caller has to itself meanwhile."""

    def __init__(self, connection: sqlite3.Connection, quotas: TenantQuotas = no_quotas) -> None:
        self._statements = statements = Statements(connection)
        self._namespaces = Namespaces(statements)
        self._history = History(statements)
        inheritance = Inheritance(statements)
        self._memories = MemoryWrites(
            statements, self._namespaces, self._history, inheritance, quotas
        )
        self._links = LinkWrites(statements, self._namespaces, self._memories, self._history)
        self._embeddings = EmbeddingWrites(statements)
        self._erasure = Erasure(
            statements, self._namespaces, self._memories, self._history, inheritance
        )
        self._answers: dict[tuple[Tenant, str], tuple[bytes, str] | None] = {}
        """Digests and receipts by request id, as they are in the transaction; None: there is none."""

    def begin_transaction(self, writes: Sequence[Write], *, may_take_long: bool = True) -> None:
        """Look up at once what is known of the writes that a transaction is to carry out.

        Where it may not take long, `execute` raises `TakesLong` of what would.
        """
        self._memories.may_take_long = may_take_long
        if len(writes) < LOOKED_UP_FROM:
            return
        stores = [write for write in writes if isinstance(write, StoreWrite)]
        self._memories.look_up(stores)
        asked: dict[Tenant, set[str]] = {}
        for write in writes:
            if isinstance(write, RequestedWrite) and write.request is not None:
                asked.setdefault(write.scope.tenant, set()).add(write.request.id)
        for tenant, ids in asked.items():
            named = filled_up(ids)
            found = self._statements.execute(
                f"SELECT id, body_digest, receipt_json FROM request WHERE tenant = ? AND id IN ({marks(len(named))})",
                (tenant, *named),
            )
            self._answers |= {(tenant, each): None for each in ids}
            self._answers |= {(tenant, row[0]): (row[1], row[2]) for row in found}

    def execute(self, write: Write, commit_seq: int) -> Done:
        """Carry out one write inside the open transaction.

        Raises:
            NotFound, AlreadyExists, Conflict, RequestIdReused, QuotaExceeded: Nothing was changed.
            sqlite3.Error: The transaction is to be rolled back.
        """
        # A store first, as nearly every write is one: asking whether it is one of six others takes a while.
        if not isinstance(write, StoreWrite):
            if isinstance(write, UpkeepWrite):
                return self._execute_upkeep(write, commit_seq)
            if not isinstance(write, RequestedWrite):
                # An erasure changes answers.
                self._answers.clear()
                return self._execute_other(write, commit_seq)
        request = write.request
        if request is None:
            return self._execute_requested(write, commit_seq)
        tenant = write.scope.tenant
        known = self._known(tenant, request)
        if known is not None:
            return Done(known)
        done = self._execute_requested(write, commit_seq)
        self._remember(tenant, request, done.receipt, write.now_us)
        return done

    def finish_transaction(self) -> None:
        """Note in each namespace what changed; to be called at the end of a transaction."""
        self._namespaces.flush()
        self._statements.flush()
        self._forget_looked_up()

    def forget_caches(self) -> None:
        """Forget what a transaction that was rolled back had made; to be called after each."""
        self._namespaces.forget()
        self._statements.forget()
        self._forget_looked_up()

    def _forget_looked_up(self) -> None:
        self._answers.clear()
        self._memories.forget()

    def _known(self, tenant: Tenant, request: RequestKey) -> Receipt | None:
        """Return the receipt of a request that was carried out before, if any; see `replayed`."""
        key = (tenant, request.id)
        if key in self._answers:
            return _replay(request, self._answers[key])
        return replayed(self._statements, tenant, request)

    def forget_old(self, before_us: int, limit: int) -> None:
        """Forget up to `limit` request ids that are older, and removals beyond what is kept."""
        self._statements.execute(
            "DELETE FROM request WHERE (tenant, id) IN"
            " (SELECT tenant, id FROM request WHERE create_time_us < ? LIMIT ?)",
            (before_us, limit),
        )
        self._history.forget(MAX_REMOVALS, limit)

    def _execute_requested(self, write: RequestedWrite, commit_seq: int) -> Done:
        match write:
            case StoreWrite():
                return self._memories.store(write, commit_seq)
            case DeleteWrite():
                return self._memories.delete(write, commit_seq)
            case LinkWrite():
                return self._links.link(write, commit_seq)
            case UnlinkWrite():
                return self._links.unlink(write, commit_seq)
            case _ as never:
                assert_never(never)

    def _execute_upkeep(self, write: UpkeepWrite, commit_seq: int) -> Done:
        match write:
            case ExpireWrite():
                return self._memories.expire(write, commit_seq)
            case EvictWrite():
                return self._memories.evict(write, commit_seq)
            case AccessWrite():
                return self._memories.count_accesses(write, commit_seq)
            case SweepWrite():
                return self._memories.sweep(write, commit_seq)
            case ReembedWrite():
                return self._embeddings.reembed(write, commit_seq)
            case PromoteWrite():
                return self._embeddings.promote(write, commit_seq)
            case _ as never:
                assert_never(never)

    def _execute_other(
        self,
        write: EraseWrite | CreateNamespaceWrite | PolicyWrite | DropNamespaceWrite,
        commit_seq: int,
    ) -> Done:
        match write:
            case EraseWrite():
                return self._erasure.erase(write, commit_seq)
            case CreateNamespaceWrite():
                return self._namespaces.create(write, commit_seq)
            case PolicyWrite():
                return self._namespaces.set_policy(write, commit_seq)
            case DropNamespaceWrite():
                return self._namespaces.drop(write, commit_seq)
            case _ as never:
                assert_never(never)

    def _remember(self, tenant: Tenant, request: RequestKey, receipt: Receipt, now_us: int) -> None:
        answer = (request.body_digest, rows.receipt_json(receipt))
        self._answers[tenant, request.id] = answer
        self._statements.insert(Insert.REQUEST, (tenant, request.id, *answer, now_us))
