"""TLS of the gRPC port: who is let in, and certificates that change while the server runs."""

import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import Int64Value

from memory_server.transport.auth import AccessScope, Principal
from memory_server.transport.front.options import TlsFiles
from memory_server.transport.methods import Method
from memory_server.transport.tls import Certificates
from soma_common.errors import InvalidInput
from soma_common.settings import SMFSettings, load_settings
from soma_dev.pki import Pair, make_authority, sign
from tests.support.edge import SERVICE, an_edge, until


async def echo(request: Int64Value, _caller: Principal) -> Int64Value:
    return request


METHODS = {"Echo": Method(Int64Value, echo, AccessScope.READ)}


class Pki:
    """A folder as it is mounted: a server's pair, with the authorities beside it."""

    def __init__(self, folder: Path) -> None:
        for name in ("ours", "theirs", "made"):
            (folder / name).mkdir()
        self.folder = folder
        self.ours = make_authority(folder / "ours", "our authority")
        self.theirs = make_authority(folder / "theirs", "another authority")
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self.mount(self.server_pair("first"))

    def server_pair(self, name: str) -> Pair:
        return sign(
            self.ours, self.folder / "made", name, subject=f"/CN={name}", names=["IP:127.0.0.1"]
        )

    def client_pair(self, authority: Pair, name: str) -> Pair:
        return sign(authority, self.folder / "made", name, subject=f"/CN={name}")

    def mount(self, pair: Pair) -> None:
        """Replace both files, each by a rename."""
        for source, target in ((pair.certificate, self.certificate), (pair.key, self.key)):
            fresh = target.with_suffix(".new")
            shutil.copy(source, fresh)
            fresh.rename(target)

    def files(self, *, is_mutual: bool = False) -> TlsFiles:
        authority = self.ours.certificate if is_mutual else None
        return TlsFiles(self.certificate, self.key, authority)

    def client(self, pair: Pair | None = None) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(
            self.ours.certificate.read_bytes(),
            pair.key.read_bytes() if pair else None,
            pair.certificate.read_bytes() if pair else None,
        )


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


async def call(address: str, credentials: grpc.ChannelCredentials | None) -> bytes:
    """Make one call over a connection of its own."""
    # Without this, gRPC would share the connection of an earlier channel.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = (
        grpc.aio.secure_channel(address, credentials, options)
        if credentials
        else grpc.aio.insecure_channel(address, options)
    )
    async with channel:
        echo_call: Any = channel.unary_unary(f"/{SERVICE}/Echo")
        answer: bytes = await echo_call(b"\x08\x01", timeout=20)
        return answer


def shown_certificate(address: str) -> str:
    host, port = address.split(":")
    return ssl.get_server_certificate((host, int(port)))


@pytest.mark.usefixtures("both_ways")
async def test_only_tls_is_spoken(pki: Pki) -> None:
    """With the authority's certificate a call is answered; in plain text none is."""
    async with an_edge(METHODS, tls=pki.files()) as edge:
        answer = await call(edge.address, pki.client())
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(edge.address, None)

    assert answer == b"\x08\x01"
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.usefixtures("both_ways")
async def test_mutual_tls_asks_for_a_certificate_of_the_authority(pki: Pki) -> None:
    """None, and one that somebody else has signed, do not even shake hands."""
    ours, theirs = pki.client_pair(pki.ours, "agent"), pki.client_pair(pki.theirs, "stranger")
    async with an_edge(METHODS, tls=pki.files(is_mutual=True)) as edge:
        answer = await call(edge.address, pki.client(ours))
        for pair in (None, theirs):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(edge.address, pki.client(pair))
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE

    assert answer == b"\x08\x01"


@pytest.mark.usefixtures("both_ways")
async def test_a_new_certificate_is_taken_over_without_a_restart(pki: Pki) -> None:
    """The next connection sees it; a broken file changes nothing, and a mended one is taken over again."""
    shown = []
    async with an_edge(METHODS, tls=pki.files()) as edge:
        for mount in ("second", "broken", "third"):
            if mount == "broken":
                pki.certificate.write_text("no certificate")
            else:
                pki.mount(pki.server_pair(mount))
            assert await call(edge.address, pki.client()) == b"\x08\x01"
            shown.append(shown_certificate(edge.address).strip())

        # A front process tells of it in a message of its own.
        name = "soma_server_tls_reloads_total"
        await until(lambda: edge.value(name, outcome="done") == 2)
        await until(lambda: edge.value(name, outcome="failed") == 1)

    made = [pki.server_pair(name).certificate.read_text().strip() for name in ("second", "third")]
    assert shown == [made[0], made[0], made[1]]


@pytest.mark.usefixtures("both_ways")
async def test_the_swap_of_a_mounted_secret_is_seen(pki: Pki) -> None:
    """Kubernetes keeps the files behind a symbolic link to a folder, and replaces that link."""
    data = pki.folder / "..data"
    for name in ("first", "second"):
        version = pki.folder / f"..{name}"
        version.mkdir()
        pair = pki.server_pair(name)
        shutil.copy(pair.certificate, version / "tls.crt")
        shutil.copy(pair.key, version / "tls.key")
    data.symlink_to("..first")
    files = (data / "tls.crt", data / "tls.key")
    async with an_edge(METHODS, tls=TlsFiles(*files, None)) as edge:
        fresh = pki.folder / "..data_tmp"
        fresh.symlink_to("..second")
        fresh.rename(data)
        shown = shown_certificate(edge.address)

    assert shown.strip() == pki.server_pair("second").certificate.read_text().strip()


@pytest.mark.parametrize("broken", ["missing", "empty", "mismatch", "authority"])
async def test_files_that_cannot_be_used_are_named_at_the_start(pki: Pki, broken: str) -> None:
    """Instead of a port at which every handshake fails."""
    bad = pki.certificate
    authority = pki.ours.certificate
    if broken == "missing":
        bad = pki.key
        pki.key.unlink()
    elif broken == "empty":
        pki.certificate.write_bytes(b"")
    elif broken == "mismatch":
        shutil.copy(pki.server_pair("other").key, pki.key)
    else:
        bad = authority = pki.folder / "authority.pem"
        authority.write_text("nothing")

    with pytest.raises(InvalidInput) as caught:
        Certificates(pki.certificate, pki.key, authority, lambda _outcome: None).credentials()

    assert caught.value.facts["file"] == str(bad)
    assert caught.value.facts["cause"]


def test_a_server_with_bad_files_does_not_start(tmp_path: Path) -> None:
    """It ends at once, and its log names the file."""
    environment = {
        "SOMA_DATA_DIR": str(tmp_path / "data"),
        "SOMA_TLS_CERT_FILE": str(tmp_path / "absent.crt"),
        "SOMA_TLS_KEY_FILE": str(tmp_path / "absent.key"),
    }
    command = [sys.executable, "-m", "memory_server"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "absent.key" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["tls_cert_file", "tls_key_file", "tls_client_ca_file"])
def test_half_a_pair_is_refused(tmp_path: Path, name: str) -> None:
    """A certificate without a key, a key alone, an authority without either."""
    with pytest.raises(InvalidInput):
        load_settings(SMFSettings, **{name: tmp_path / "file"})
