"""Bearer tokens and client certificates: who is let in, as which tenant, and what a change of the file does."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2

from memory_server.transport.auth import AccessScope, Principal
from memory_server.transport.front.options import TlsFiles
from memory_server.transport.methods import BidiStream, Method
from memory_server.transport.metrics import ServerMetrics
from memory_server.transport.tokens import TokenAuthenticator
from soma_common.errors import InvalidInput
from soma_common.tokens import new_token, token_hash
from soma_dev.pki import make_authority, sign
from tests.support.edge import Edge, an_edge, until
from tests.support.memories import NOW_US, StoppedClock
from tests.support.wire import details, rich_status


async def whoami(_request: StringValue, caller: Principal) -> StringValue:
    return StringValue(value=f"{caller.tenant}/{caller.name}")


async def answer_each(
    requests: AsyncIterator[StringValue], _caller: Principal
) -> AsyncGenerator[Message, None]:
    async for request in requests:
        yield request


METHODS = {
    "Read": Method(StringValue, whoami, AccessScope.READ),
    "Erase": Method(StringValue, whoami, AccessScope.ERASE),
}
ACME, OTHER = new_token(), new_token()


def entry(token: str, name: str, tenant: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "tenant": tenant,
        "scopes": ["read"],
        "sha256": token_hash(token),
        **more,
    }


class Mounted:
    """A file of tokens and who reads it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tokens.json"
        self.clock = StoppedClock()
        self.metrics = ServerMetrics({"service": "test"})

    def write(self, **content: Any) -> None:
        """Replace the file by a rename."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(content))
        fresh.rename(self.path)

    def open(self) -> TokenAuthenticator:
        return TokenAuthenticator(self.path, self.clock, self.metrics)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    made = Mounted(tmp_path)
    made.write(tokens=[entry(ACME, "agent", "acme"), entry(OTHER, "other", "other")])
    return made


async def call(edge: Edge, header: str | None, method: str = "Read") -> str:
    metadata = [] if header is None else [("authorization", header)]
    answer = await edge.unary(method)(b"", metadata=metadata, timeout=20)
    return StringValue.FromString(answer).value


async def failure(edge: Edge, header: str | None, method: str = "Read") -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(edge, header, method)
    return caught.value


async def test_the_token_alone_decides_the_tenant(mounted: Mounted) -> None:
    """Each token is its own tenant's; the scheme's case does not matter."""
    async with an_edge(METHODS, authenticator=mounted.open()) as edge:
        seen = [
            await call(edge, header)
            for header in (f"Bearer {ACME}", f"bearer {OTHER}", f"BEARER  {ACME} ")
        ]

    assert seen == ["acme/agent", "other/other", "acme/agent"]


async def test_every_refusal_is_the_same(mounted: Mounted) -> None:
    """Missing, malformed, unknown, too short, expired, of a tenant that exists or not: byte for byte one answer."""
    short = "x" * 21
    ended = new_token()
    mounted.write(
        tokens=[
            entry(ACME, "agent", "acme"),
            entry(short, "guessable", "acme"),
            entry(ended, "ended", "acme", expires_at="2020-01-01T00:00:00Z"),
        ]
    )
    headers = [
        None, "", "Bearer", "Bearer ", f"Basic {ACME}", ACME, f"Bearer {new_token()}",
        f"Bearer {short}", f"Bearer {ended}", f"Bearer {ACME}x", "Bearer acme",
        f"Bearer {token_hash(ACME)}",
    ]  # fmt: skip
    async with an_edge(METHODS, authenticator=mounted.open(), metrics=mounted.metrics) as edge:
        errors = [await failure(edge, header) for header in headers]

    assert {error.code() for error in errors} == {grpc.StatusCode.UNAUTHENTICATED}
    assert len({rich_status(error).SerializeToString() for error in errors}) == 1
    assert "ErrorInfo" in details(errors[0])
    refused = [
        mounted.value("soma_server_auth_failures_total", reason=reason)
        for reason in ("missing", "unknown", "expired")
    ]
    assert refused == [1, len(headers) - 2, 1]


async def test_a_credential_ends_when_it_expires(mounted: Mounted) -> None:
    """By the clock of the server, to the microsecond."""
    mounted.write(tokens=[entry(ACME, "agent", "acme", expires_at="2023-11-14T22:13:20Z")])
    assert NOW_US == 1_700_000_000 * 1_000_000  # the same moment
    async with an_edge(METHODS, authenticator=mounted.open()) as edge:
        mounted.clock.time_us = NOW_US - 1
        before = await call(edge, f"Bearer {ACME}")
        mounted.clock.time_us = NOW_US
        error = await failure(edge, f"Bearer {ACME}")

    assert before == "acme/agent"
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_missing_scope_is_named(mounted: Mounted) -> None:
    """The caller is known, and learns what the credential lacks."""
    async with an_edge(METHODS, authenticator=mounted.open()) as edge:
        error = await failure(edge, f"Bearer {ACME}", "Erase")

    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    info = details(error)["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, dict(info.metadata)) == ("PERMISSION_REFUSED", {"scope": "erase"})


async def test_tokens_change_without_a_restart(mounted: Mounted) -> None:
    """A new one is let in and one that was taken out is not; a broken file changes nothing, and the metric says so."""
    fresh = new_token()
    authenticator = mounted.open()
    async with an_edge(METHODS, authenticator=authenticator) as edge:
        mounted.write(tokens=[entry(fresh, "agent", "acme")])
        await authenticator.refresh()
        assert await call(edge, f"Bearer {fresh}") == "acme/agent"
        assert (await failure(edge, f"Bearer {ACME}")).code() is grpc.StatusCode.UNAUTHENTICATED

        mounted.path.write_text("tokens = broken")
        await authenticator.refresh()
        assert await call(edge, f"Bearer {fresh}") == "acme/agent"
        assert mounted.value("soma_server_tokens_current") == 0

        mounted.path.unlink()
        await authenticator.refresh()
        assert await call(edge, f"Bearer {fresh}") == "acme/agent"

        mounted.write(tokens=[entry(ACME, "agent", "acme")])
        await authenticator.refresh()
        assert await call(edge, f"Bearer {ACME}") == "acme/agent"
        assert mounted.value("soma_server_tokens_current") == 1


BEYOND_THE_PARSERS = [
    '{"x": ' + "1" * 5000 + "}",
    '{"x": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "x = " + "1" * 5000,
    "x = " + "[" * 5000 + "]" * 5000,
]
"""Texts that end a parser otherwise than by its own error."""


@pytest.mark.parametrize("content", BEYOND_THE_PARSERS, ids=lambda text: f"{text[:8]} ...")
async def test_a_file_beyond_the_parsers_changes_nothing(mounted: Mounted, content: str) -> None:
    """Numbers of thousands of digits, and lists in lists: the last good file stays in force."""
    authenticator = mounted.open()
    mounted.path.write_text(content)
    await authenticator.refresh()
    async with an_edge(METHODS, authenticator=authenticator) as edge:
        assert await call(edge, f"Bearer {ACME}") == "acme/agent"

    assert mounted.value("soma_server_tokens_current") == 0
    with pytest.raises(InvalidInput):
        mounted.open()


class BrokenFile(type(Path())):  # type: ignore[misc] # the class of this machine's paths
    """A file that cannot be read once it is broken, for a reason that nobody has thought of."""

    def read_text(self, *how: Any) -> str:
        text: str = super().read_text(*how)
        if text == "broken":
            raise RuntimeError("secret")
        return text


async def test_no_error_of_a_new_file_ends_the_watch(
    mounted: Mounted, caplog: pytest.LogCaptureFixture
) -> None:
    """Also not one that nobody has thought of: it is told, without its text, and the last good file stays."""
    mounted.path = BrokenFile(mounted.path)
    authenticator = mounted.open()
    mounted.path.write_text("broken")
    await authenticator.refresh()
    async with an_edge(METHODS, authenticator=authenticator) as edge:
        assert await call(edge, f"Bearer {ACME}") == "acme/agent"

    assert mounted.value("soma_server_tokens_current") == 0
    assert [record.__dict__["cause"] for record in caplog.records] == ["RuntimeError"]
    assert "secret" not in caplog.text


@pytest.mark.usefixtures("both_ways")
async def test_the_swap_of_a_mounted_secret_is_seen(mounted: Mounted, tmp_path: Path) -> None:
    """Kubernetes replaces the link to the folder, never the file."""
    for name, token in (("..first", ACME), ("..second", OTHER)):
        (tmp_path / name).mkdir()
        content = {"tokens": [entry(token, "agent", "acme")]}
        (tmp_path / name / "tokens.json").write_text(json.dumps(content))
    data = tmp_path / "..data"
    data.symlink_to("..first")
    mounted.path = data / "tokens.json"
    authenticator = mounted.open()
    (tmp_path / "..data_tmp").symlink_to("..second")
    (tmp_path / "..data_tmp").rename(data)
    await authenticator.refresh()
    async with an_edge(METHODS, authenticator=authenticator) as edge:
        assert await call(edge, f"Bearer {OTHER}") == "acme/agent"


async def test_the_watch_takes_changes_over_by_itself(mounted: Mounted) -> None:
    """Nobody has to ask."""
    authenticator = mounted.open()
    checked = asyncio.Event()
    watching = asyncio.ensure_future(authenticator.watch(checked.set))
    mounted.write(tokens=[entry(OTHER, "agent", "acme")])
    await checked.wait()
    watching.cancel()
    async with an_edge(METHODS, authenticator=authenticator) as edge:
        assert await call(edge, f"Bearer {OTHER}") == "acme/agent"


async def test_a_new_rate_reaches_a_stream_that_is_open(mounted: Mounted) -> None:
    """Its credential is the same, and so it stays open, but the rate is the file's of now."""
    tokens = [entry(ACME, "agent", "acme")]
    authenticator = mounted.open()
    methods = {"Each": BidiStream(StringValue, answer_each, AccessScope.READ)}
    async with an_edge(methods, authenticator=authenticator) as edge:
        stream = edge.bidi_stream("Each")(metadata=[("authorization", f"Bearer {ACME}")])
        answered = 0

        async def ask_on() -> None:
            nonlocal answered
            while True:
                await stream.write(b"")
                await stream.read()
                answered += 1

        asking = asyncio.ensure_future(ask_on())
        await until(lambda: answered > 3)
        mounted.write(tokens=tokens, tenants={"acme": {"requests_per_s": 0.1}})
        await authenticator.refresh()
        before = -1
        while before != answered:
            before = answered
            await asyncio.sleep(0.2)
        assert not asking.done()
        asking.cancel()
        stream.cancel()


@pytest.mark.usefixtures("both_ways")
async def test_the_certificate_may_be_the_credential(mounted: Mounted, tmp_path: Path) -> None:
    """By its alternative names, by its only common name without those; a certificate that is two callers is none."""
    (tmp_path / "ca").mkdir()
    authority = make_authority(tmp_path / "ca", "authority")
    server = sign(authority, tmp_path, "server", subject="/CN=s", names=["IP:127.0.0.1"])
    clients = {
        "plain": sign(authority, tmp_path, "plain", subject="/CN=agent"),
        "named": sign(authority, tmp_path, "named", subject="/CN=agent", names=["DNS:bot.acme"]),
        "both": sign(
            authority, tmp_path, "both", subject="/CN=x", names=["DNS:bot.acme", "DNS:bot.other"]
        ),
        "stranger": sign(authority, tmp_path, "stranger", subject="/CN=stranger"),
        "registered": sign(
            authority, tmp_path, "registered", subject="/CN=agent", names=["RID:1.2.3"]
        ),
        "first": sign(authority, tmp_path, "first", subject="/CN=agent/CN=stranger"),
        "last": sign(authority, tmp_path, "last", subject="/CN=stranger/CN=agent"),
        "in a value": sign(authority, tmp_path, "value", subject="/O=x,CN=y/CN=agent"),
    }
    common = {"scopes": ["read"]}
    mounted.write(
        tokens=[entry(OTHER, "by-token", "other")],
        certificates=[
            {"name": "a", "identity": "agent", "tenant": "acme", **common},
            {"name": "b", "identity": "bot.acme", "tenant": "acme", **common},
            {"name": "c", "identity": "bot.other", "tenant": "other", **common},
        ],
    )
    tls = TlsFiles(server.certificate, server.key, authority.certificate)
    outcomes: dict[str, object] = {}
    with_token = []
    authenticator = mounted.open()
    async with an_edge(METHODS, authenticator=authenticator, tls=tls) as edge:
        for name, pair in clients.items():
            shown = grpc.ssl_channel_credentials(
                authority.certificate.read_bytes(),
                pair.key.read_bytes(),
                pair.certificate.read_bytes(),
            )
            async with grpc.aio.secure_channel(
                edge.address, shown, [("grpc.use_local_subchannel_pool", 1)]
            ) as edge.channel:
                try:
                    outcomes[name] = await call(edge, None)
                except grpc.aio.AioRpcError as error:
                    outcomes[name] = error.code()
                with_token.append(await call(edge, f"Bearer {OTHER}"))

    refused = grpc.StatusCode.UNAUTHENTICATED
    let_in = {"plain": "acme/a", "named": "acme/b", "in a value": "acme/a"}
    assert outcomes == {**dict.fromkeys(clients, refused), **let_in}
    assert with_token == ["other/by-token"] * len(clients)
    assert authenticator.name == "certificates and tokens"


GOOD = entry(ACME, "agent", "acme")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({}, "file"),
        ({"tokens": []}, "file"),
        ({"tokens": [{**GOOD, "sha256": "secret-token-in-clear-text"}]}, "tokens.0.sha256"),
        ({"tokens": [{**GOOD, "scopes": []}]}, "tokens.0.scopes"),
        ({"tokens": [{**GOOD, "scopes": ["root"]}]}, "tokens.0.scopes.0"),
        ({"tokens": [{**GOOD, "tenant": ""}]}, "tokens.0.tenant"),
        ({"tokens": [{**GOOD, "token": "secret-token-in-clear-text"}]}, "tokens.0.token"),
        ({"tokens": [{**GOOD, "expires_at": "2030-01-01T00:00:00"}]}, "tokens.0.expires_at"),
        ({"tokens": [GOOD, {**GOOD, "name": "again"}]}, "file"),
        ({"tokens": [GOOD, entry(OTHER, "agent", "acme")]}, "file"),
        ({"tokens": [GOOD], "tenants": {"acme": {"requests_per_s": 0}}},
         "tenants.acme.requests_per_s"),
    ],
)  # fmt: skip
def test_a_file_that_makes_no_sense_is_refused(
    mounted: Mounted, content: dict[str, Any], field: str
) -> None:
    """The bad field is named, and no value of the file is repeated."""
    mounted.write(**content)

    with pytest.raises(InvalidInput) as caught:
        mounted.open()

    assert [bad.field for bad in caught.value.violations] == [field]
    assert "secret" not in repr((caught.value.violations, caught.value.facts))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"tokens = secret", b'{"tokens": secret}'])
def test_a_file_in_no_known_form_is_refused(mounted: Mounted, content: bytes) -> None:
    """Neither TOML nor JSON nor UTF-8: named, not repeated."""
    mounted.path.write_bytes(content)

    with pytest.raises(InvalidInput) as caught:
        mounted.open()

    assert caught.value.facts["file"] == str(mounted.path)
    assert "secret" not in repr((caught.value.message, caught.value.facts))


def test_toml_is_read_too(mounted: Mounted) -> None:
    """With comments, as people write it."""
    mounted.path.write_text(
        f'# agents\n[[tokens]]\nname = "a"\ntenant = "acme"\nscopes = ["read"]\n'
        f'sha256 = "{token_hash(ACME)}"\nexpires_at = 2030-01-01T00:00:00Z\n'
        "[tenants.acme]\nrequests_per_s = 5\n"
    )

    assert mounted.open().name == "tokens"
