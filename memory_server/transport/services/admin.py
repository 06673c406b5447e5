"""AdminService: facts about the server itself."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from memory_server.domain import limits
from memory_server.transport.auth import AccessScope, Principal
from memory_server.transport.methods import AnyMethod, Method, ServerStream
from memory_server.usecases import backup
from memory_server.usecases.engine import Engine
from soma.memory.v1 import admin_service_pb2, memory_pb2


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What GetServerInfo tells besides the engine's own facts."""

    version: str
    authentication: str


class AdminServicer:
    """Every method of AdminService."""

    def __init__(self, engine: Engine, facts: ServerFacts) -> None:
        self._engine = engine
        self._facts = facts

    def methods(self) -> dict[str, AnyMethod]:
        """Return what answers each method."""
        return {
            "GetServerInfo": Method(
                admin_service_pb2.GetServerInfoRequest, self.get_server_info, AccessScope.READ
            ),
            "Backup": ServerStream(
                admin_service_pb2.BackupRequest, self.backup, AccessScope.BACKUP
            ),
        }

    async def backup(
        self, _request: admin_service_pb2.BackupRequest, _caller: Principal
    ) -> AsyncGenerator[admin_service_pb2.BackupResponse, None]:
        """Answer Backup."""
        async with aclosing(backup.backup(self._engine)) as parts:
            async for part in parts:
                yield _backup_part(part)

    async def get_server_info(
        self, _request: admin_service_pb2.GetServerInfoRequest, caller: Principal
    ) -> admin_service_pb2.GetServerInfoResponse:
        """Answer GetServerInfo."""
        engine = self._engine
        return admin_service_pb2.GetServerInfoResponse(
            version=self._facts.version,
            store=engine.store.name,
            durability=memory_pb2.DURABILITY_FSYNCED,
            embedding_model=engine.embedder.model,
            embedding_dimensions=engine.embedder.dimensions,
            limits=_limits(engine),
            commit_seq=engine.store.last_commit_seq,
            tenant=caller.tenant,
            authentication=self._facts.authentication,
        )


def _backup_part(part: bytes | backup.BackupSummary) -> admin_service_pb2.BackupResponse:
    if isinstance(part, bytes):
        return admin_service_pb2.BackupResponse(data=part)
    summary = admin_service_pb2.BackupSummary(
        size_bytes=part.size_bytes,
        sha256=part.sha256,
        commit_seq=part.commit_seq,
        memory_count=part.memory_count,
    )
    return admin_service_pb2.BackupResponse(summary=summary)


def _limits(engine: Engine) -> admin_service_pb2.Limits:
    return admin_service_pb2.Limits(
        max_message_bytes=engine.limits.max_message_bytes,
        max_payload_bytes=engine.limits.max_payload_bytes,
        max_text_bytes=limits.MAX_TEXT_BYTES,
        max_batch_items=limits.MAX_BATCH_ITEMS,
        max_top_k=limits.MAX_TOP_K,
        max_page_size=limits.MAX_PAGE_SIZE,
        max_coordinate_dimensions=limits.MAX_COORDINATE_DIMENSIONS,
        max_link_depth=limits.MAX_LINK_DEPTH,
        request_id_ttl_s=engine.limits.request_id_ttl_s,
        max_response_bytes=limits.MAX_RESPONSE_BYTES,
    )
