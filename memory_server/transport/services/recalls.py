"""RecallService: finding memories."""

from memory_server.domain.memory import Scope
from memory_server.transport.auth import Principal
from memory_server.transport.codec.recalls import recall_message, recall_query
from memory_server.usecases import recall
from memory_server.usecases.engine import Engine
from soma.memory.v1 import recall_service_pb2


class RecallServicer:
    """Every method of RecallService."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def recall(
        self, request: recall_service_pb2.RecallRequest, caller: Principal
    ) -> recall_service_pb2.RecallResponse:
        """Answer Recall."""
        scope = Scope(caller.tenant, request.namespace)
        answer = await recall.recall(self._engine, scope, recall_query(request))
        return recall_message(request.namespace, answer, explain=request.explain)
