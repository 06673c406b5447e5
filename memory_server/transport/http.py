"""The HTTP port: probes and metrics, nothing else."""

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from memory_server.transport.health import Readiness
from memory_server.transport.metrics import ServerMetrics


class HttpServer:
    """Serves `/healthz` (this process is alive), `/readyz` (it can serve) and `/metrics`."""

    def __init__(self, readiness: Readiness, metrics: ServerMetrics) -> None:
        self._readiness = readiness
        self._metrics = metrics
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._show_metrics)
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self, host: str, port: int) -> None:
        """Begin to listen.

        Args:
            host: A name or an address; one of IPv6 with or without brackets.
            port: A number.

        Raises:
            OSError: The port is taken.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, host.strip("[]"), port).start()

    async def stop(self) -> None:
        """End all connections."""
        await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        reason = self._readiness.reason
        if reason is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reason": reason}, status=503)

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        body = generate_latest(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
