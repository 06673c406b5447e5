"""What the answers of an API server, or of a proxy on the way to it, mean."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from soma_common.errors import Overloaded, SomaError, Unauthenticated, Unavailable
from soma_operator.adapters.access import Access
from soma_operator.adapters.kubernetes import LONGEST_PATIENCE_S, KubernetesCluster, connect
from soma_operator.core.kinds import CONFIG_MAP
from soma_operator.metrics import Metrics
from tests.support.server_process import HOST


@asynccontextmanager
async def answering(
    code: int, body: str = "{}", headers: Mapping[str, str] | None = None
) -> AsyncIterator[KubernetesCluster]:
    """Hold a session with a server that has one answer to everything."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=code, text=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    try:
        access = Access(server=f"http://{HOST}:{runner.addresses[0][1]}")
        async with connect(access, Metrics(), timeout_s=5) as cluster:
            yield cluster
    finally:
        await runner.cleanup()


async def failure_of(cluster: KubernetesCluster) -> SomaError:
    with pytest.raises(SomaError) as caught:
        await cluster.read(CONFIG_MAP, "default", "one")
    return caught.value


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 1.0),
        ("soon", 1.0),
        ("-5", 1.0),
        ("nan", 1.0),
        ("inf", 1.0),
        ("86400", LONGEST_PATIENCE_S),
        (None, 1.0),
    ],
)
async def test_the_time_to_wait_is_a_number_of_sense(header: str | None, wait_s: float) -> None:
    """Proxies may name a date, or nonsense; a resource waits neither for ever nor is it an error of ours."""
    headers = {} if header is None else {"Retry-After": header}

    async with answering(429, headers=headers) as cluster:
        error = await failure_of(cluster)

    assert isinstance(error, Overloaded)
    assert error.retry_after_s == wait_s


async def test_a_credential_that_is_not_taken_is_no_right_that_is_missing() -> None:
    """A token expires, and the next one is good: it is tried again soon, and no child is called forbidden."""
    async with answering(401, '{"message": "Unauthorized"}') as cluster:
        error = await failure_of(cluster)

    assert isinstance(error, Unauthenticated)


@pytest.mark.parametrize("body", ["<html>Sign in</html>", "", "[1]", '"ready"'])
async def test_a_page_of_somebody_else_is_no_answer(body: str) -> None:
    """A proxy that says 200 and means its own page is as good as nobody."""
    async with answering(200, body) as cluster:
        error = await failure_of(cluster)

    assert isinstance(error, Unavailable)
