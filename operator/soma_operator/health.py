"""Whether the process lives and is ready, told over HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from soma_operator.metrics import Metrics

Check = Callable[[], str | None]
"""Returns what is wrong; None: nothing."""


@dataclass(slots=True)
class Health:
    """Checks of this process.

    Attributes:
        alive: Whether a restart would not help.
        ready: Whether the process does its part; a follower that waits for the Lease does.
    """

    alive: dict[str, Check] = field(default_factory=dict)
    ready: dict[str, Check] = field(default_factory=dict)


@asynccontextmanager
async def serve(health: Health, metrics: Metrics, *, host: str, port: int) -> AsyncIterator[int]:
    """Answer `/livez`, `/readyz` and `/metrics`; yields the port, which the system chose if it was 0."""

    async def livez(_: web.Request) -> web.Response:
        return _answer(health.alive)

    async def readyz(_: web.Request) -> web.Response:
        return _answer({**health.alive, **health.ready})

    async def metrics_page(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics_page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _answer(checks: dict[str, Check]) -> web.Response:
    found = {name: check() for name, check in checks.items()}
    lines = [
        f"{name}: {problem}" if problem else f"{name}: ok"
        for name, problem in sorted(found.items())
    ]
    code = 503 if any(found.values()) else 200
    return web.Response(text="\n".join(lines or ["ok"]) + "\n", status=code)
