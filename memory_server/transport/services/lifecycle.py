"""LifecycleService: moving, summing up, judging and erasing memories."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from memory_server.domain.limits import MAX_BATCH_ITEMS
from memory_server.domain.memory import MemoryLink, Scope
from memory_server.domain.validation import Violations
from memory_server.ports import ExportedMemory
from memory_server.transport.auth import AccessScope, Principal
from memory_server.transport.codec.filters import filter_of
from memory_server.transport.codec.lifecycle import (
    consolidation_message,
    consolidation_order,
    exported_message,
    import_message,
    import_options,
    is_authentic,
    moved_link,
    moved_memory,
    outcome_of,
    receipt_message,
    subject_of,
)
from memory_server.transport.codec.links import link_message
from memory_server.transport.codec.memories import memory_message
from memory_server.transport.codec.memories import receipt_message as write_receipt_message
from memory_server.transport.codec.values import few, optional_int
from memory_server.transport.methods import AnyMethod, BidiStream, Method, ServerStream
from memory_server.usecases import consolidate, erase, movement, outcome, reflect
from memory_server.usecases.engine import Engine
from memory_server.usecases.signing import Signer
from soma.memory.v1 import lifecycle_service_pb2 as pb


class LifecycleServicer:
    """Every method of LifecycleService."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._signer = Signer(engine.store.signing_seed)

    def methods(self) -> dict[str, AnyMethod]:
        """Return what answers each method."""
        read, write, erase_scope = AccessScope.READ, AccessScope.WRITE, AccessScope.ERASE
        return {
            "Export": ServerStream(pb.ExportRequest, self.export, read),
            "Import": BidiStream(pb.ImportRequest, self.import_, write),
            "Share": Method(pb.ShareRequest, self.share, write),
            "Consolidate": Method(pb.ConsolidateRequest, self.consolidate, write),
            "UndoConsolidation": Method(pb.UndoConsolidationRequest, self.undo, write),
            "Reflect": Method(pb.ReflectRequest, self.reflect, read),
            "ReportOutcome": Method(pb.ReportOutcomeRequest, self.report_outcome, write),
            "EraseSubject": Method(pb.EraseSubjectRequest, self.erase_subject, erase_scope),
            "VerifyErasure": Method(pb.VerifyErasureRequest, self.verify_erasure, read),
        }

    async def export(
        self, request: pb.ExportRequest, caller: Principal
    ) -> AsyncGenerator[pb.ExportResponse, None]:
        """Answer Export."""
        scope = Scope(caller.tenant, request.namespace)
        query = movement.ExportQuery(filter_of(request.filter), request.include_versions)
        async with aclosing(movement.export(self._engine, scope, query)) as parts:
            async for part in parts:
                yield _export_part(request, part)

    async def import_(
        self, requests: AsyncIterator[pb.ImportRequest], caller: Principal
    ) -> AsyncGenerator[pb.ImportResponse, None]:
        """Answer Import: one message after the other, because links need the memories before them."""
        importer: movement.Importer | None = None
        async for request in requests:
            _check_place_of_options(request, is_first=importer is None)
            if importer is None:
                scope = Scope(caller.tenant, request.options.namespace)
                options = import_options(request.options)
                importer = movement.Importer(self._engine, scope, options)
            memories = []
            for one in few(request.memories, MAX_BATCH_ITEMS):
                memories.append(moved_memory(one))
                await importer.turns.take(1 + len(one.versions))
            links = [moved_link(one) for one in few(request.links, MAX_BATCH_ITEMS)]
            yield import_message(await importer.take(memories, links))

    async def share(self, request: pb.ShareRequest, caller: Principal) -> pb.ShareResponse:
        """Answer Share."""
        progress = await movement.share(
            self._engine,
            Scope(caller.tenant, request.namespace),
            Scope(caller.tenant, request.to_namespace),
            filter_of(request.filter),
            import_options(request),
        )
        return pb.ShareResponse(
            stored_count=progress.stored_count,
            skipped_count=progress.skipped_count,
            linked_count=progress.linked_count,
            rejected_count=progress.rejected_count,
            commit_seq=progress.commit_seq,
        )

    async def consolidate(
        self, request: pb.ConsolidateRequest, caller: Principal
    ) -> pb.ConsolidateResponse:
        """Answer Consolidate."""
        scope = Scope(caller.tenant, request.namespace)
        order = consolidation_order(request)
        return consolidation_message(await consolidate.consolidate(self._engine, scope, order))

    async def undo(
        self, request: pb.UndoConsolidationRequest, caller: Principal
    ) -> pb.UndoConsolidationResponse:
        """Answer UndoConsolidation."""
        scope = Scope(caller.tenant, request.namespace)
        count, seq = await consolidate.undo(self._engine, scope, request.consolidation_id)
        return pb.UndoConsolidationResponse(deleted_count=count, commit_seq=seq)

    async def reflect(self, request: pb.ReflectRequest, caller: Principal) -> pb.ReflectResponse:
        """Answer Reflect."""
        records = await reflect.reflect(
            self._engine,
            Scope(caller.tenant, request.namespace),
            filter_of(request.filter),
            count=request.count,
            seed=optional_int(request, "seed"),
        )
        memories = [memory_message(request.namespace, record) for record in records]
        return pb.ReflectResponse(memories=memories)

    async def report_outcome(
        self, request: pb.ReportOutcomeRequest, caller: Principal
    ) -> pb.ReportOutcomeResponse:
        """Answer ReportOutcome."""
        scope = Scope(caller.tenant, request.namespace)
        judged = await outcome.report(self._engine, scope, outcome_of(request))
        return pb.ReportOutcomeResponse(
            receipt=write_receipt_message(judged.receipt),
            importance=judged.importance,
            correction_id=judged.correction_id,
        )

    async def erase_subject(
        self, request: pb.EraseSubjectRequest, caller: Principal
    ) -> pb.EraseSubjectResponse:
        """Answer EraseSubject."""
        erasure = await erase.erase(self._engine, caller.tenant, subject_of(request))
        return pb.EraseSubjectResponse(receipt=receipt_message(erasure, self._signer))

    async def verify_erasure(
        self, request: pb.VerifyErasureRequest, caller: Principal
    ) -> pb.VerifyErasureResponse:
        """Answer VerifyErasure."""
        subject = subject_of(request.subject)
        erased_seq = request.receipt.commit_seq
        left = await erase.remaining(self._engine, caller.tenant, subject, erased_seq)
        authentic = is_authentic(request.receipt, caller.tenant, subject, self._signer)
        # Of which commits a receipt is that nobody signed is anybody's guess.
        pending = left.pending if authentic else ()
        return pb.VerifyErasureResponse(
            authentic=authentic, remaining_count=left.memory_count, pending=pending
        )


def _export_part(
    request: pb.ExportRequest, part: ExportedMemory | MemoryLink | movement.ExportSummary
) -> pb.ExportResponse:
    if isinstance(part, ExportedMemory):
        with_embedding = request.include_embeddings
        return exported_message(request.namespace, part, with_embedding=with_embedding)
    if isinstance(part, MemoryLink):
        return pb.ExportResponse(link=link_message(part))
    summary = pb.ExportSummary(
        commit_seq=part.commit_seq,
        memory_count=part.memory_count,
        link_count=part.link_count,
        left_out_version_count=part.left_out_version_count,
    )
    return pb.ExportResponse(summary=summary)


def _check_place_of_options(request: pb.ImportRequest, *, is_first: bool) -> None:
    found = Violations()
    is_right = request.HasField("options") == is_first
    found.require(is_right, "options", "must be in the first message, and only there")
    found.raise_if_any()
