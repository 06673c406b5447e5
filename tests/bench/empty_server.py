"""An empty grpc.aio server: takes each request apart, and answers with a response made beforehand.

It is the ceiling of a Python server with these messages: what the memory server loses against it is
its own work. Started with the settings of a memory server; its data folder holds one response a
method.
"""

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from soma_common.lifecycle import stop_event_on_signals
from soma_common.settings import SMFSettings, load_settings
from somamemory import calls


def _handler(method: calls.Method[Any, Any], response: Any) -> "grpc.RpcMethodHandler[Any, Any]":
    async def answer(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        return response

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=method.request.FromString,
        response_serializer=method.response.SerializeToString,
    )


async def _serve(settings: SMFSettings) -> None:
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", settings.max_message_bytes)]
    )
    for method in calls.METHODS:
        file = settings.data_dir / method.name
        if file.exists():
            response = method.response.FromString(file.read_bytes())
            handlers = {method.name: _handler(method, response)}
            generic = grpc.method_handlers_generic_handler(method.service, handlers)
            server.add_generic_rpc_handlers((generic,))
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(f"{settings.grpc_host}:{settings.grpc_port}")
    await server.start()
    await stop_event_on_signals().wait()
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(_serve(load_settings(SMFSettings)))
