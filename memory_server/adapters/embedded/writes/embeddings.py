"""Writing embeddings of memories that stay as they are."""

from memory_server.adapters.embedded.writes.done import Done, unseen
from memory_server.adapters.embedded.writes.statements import Statements
from memory_server.domain.memory import CALLER_MODEL, Scope, Tenant
from memory_server.ports import Change, NewEmbedding, PromoteWrite, ReembedWrite


class EmbeddingWrites:
    """Carries out writes of embeddings on the writer's connection."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def reembed(self, write: ReembedWrite, commit_seq: int) -> Done:
        """Carry out a ReembedWrite."""
        changes = []
        for (scope, seq), vector in write.embeddings.items():
            if write.is_beside:
                changed = self._statements.execute(
                    "INSERT OR REPLACE INTO beside_embedding SELECT commit_seq, ?, ? FROM memory"
                    " WHERE commit_seq = ? AND embedding_model <> ?",
                    (vector, write.model, seq, CALLER_MODEL),
                ).rowcount
            else:
                changed = self._replace(seq, write.model, vector)
            if changed:
                embedded = NewEmbedding(seq, write.model, vector, write.is_beside)
                changes.append(Change(scope, seq, embedded=(embedded,)))
        done = unseen(commit_seq, len(write.embeddings))
        return Done(done.receipt, tuple(changes))

    def promote(self, write: PromoteWrite, commit_seq: int) -> Done:
        """Carry out a PromoteWrite."""
        dropped = self._statements.execute(
            "DELETE FROM beside_embedding WHERE commit_seq IN"
            " (SELECT commit_seq FROM beside_embedding WHERE model <> ? LIMIT ?)",
            (write.model, write.limit),
        ).rowcount
        found = self._statements.execute(
            "SELECT beside.commit_seq, beside.embedding, tenant, name FROM beside_embedding AS beside"
            " JOIN memory ON memory.commit_seq = beside.commit_seq"
            " JOIN namespace ON namespace.key = namespace_key LIMIT ?",
            (write.limit - dropped,),
        ).fetchall()
        changes = []
        for seq, vector, tenant, name in found:
            self._replace(seq, write.model, vector)
            embedded = NewEmbedding(seq, write.model, vector, is_beside=False)
            changes.append(Change(Scope(Tenant(tenant), name), seq, embedded=(embedded,)))
        done = unseen(commit_seq, dropped + len(found))
        return Done(done.receipt, tuple(changes))

    def _replace(self, seq: int, model: str, vector: bytes) -> int:
        self._statements.execute("DELETE FROM beside_embedding WHERE commit_seq = ?", (seq,))
        return self._statements.execute(
            "UPDATE memory SET embedding = ?, embedding_model = ?"
            " WHERE commit_seq = ? AND embedding_model <> ?",
            (vector, model, seq, CALLER_MODEL),
        ).rowcount
