"""How a client knows its server and proves who it is: TLS, and a bearer token."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from somamemory.errors import invalid

Token = str | Callable[[], str]
"""A token, or what returns the one that holds now."""


@dataclass(frozen=True, slots=True)
class Access:
    """TLS and credential of a client.

    Attributes:
        token: Sent with every call. None: none is sent.
        token_file: Holds the token instead; read again for every call, so that a rotated one is used at once.
        tls: Speak TLS; by itself it trusts the authorities that gRPC brings. Any of the files below implies it.
        ca_file: Authority that the server's certificate must come from, PEM.
        cert_file: The client's own certificate, PEM, for servers that ask for one (mTLS).
        key_file: Its private key, PEM.
    """

    token: Token | None = field(default=None, repr=False)
    token_file: Path | str | None = None
    tls: bool = False
    ca_file: Path | str | None = None
    cert_file: Path | str | None = None
    key_file: Path | str | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.token is not None and self.token_file is not None:
            raise invalid("token", "must not be given together with token_file")
        if (self.cert_file is None) != (self.key_file is None):
            raise invalid("cert_file", "must be given together with key_file")

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return what the channel is opened with; None: plain text.

        Raises:
            InvalidArgument: A file cannot be read.
        """
        if not (self.tls or self.ca_file or self.cert_file):
            return None
        return grpc.ssl_channel_credentials(
            _read("ca_file", self.ca_file),
            _read("key_file", self.key_file),
            _read("cert_file", self.cert_file),
        )

    def metadata(self) -> list[tuple[str, str]]:
        """Return what is sent with a call.

        Raises:
            InvalidArgument: The token's file cannot be read, or the token cannot be sent.
        """
        token = self.token() if callable(self.token) else self.token
        if self.token_file is not None:
            token = (_read("token_file", self.token_file) or b"").decode("ascii", "replace").strip()
        if token is None:
            return []
        if not token or not token.isascii() or not token.isprintable():
            raise invalid("token", "must be printable ASCII text")
        return [("authorization", f"Bearer {token}")]


def _read(name: str, path: Path | str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise invalid(name, f"cannot be read: {error.strerror}: {path}") from error
