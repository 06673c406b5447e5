"""TLS of the gRPC port: certificates from files, taken over without a restart when the files change."""

import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import grpc

from soma_common.errors import Fact, InvalidInput, SomaError
from soma_common.watched_files import Signature, WatchedFiles

log = logging.getLogger(__name__)


class Certificates:
    """The server's certificate, its key, and the authority of the clients' certificates.

    Rules:
        - Files that cannot be used are an error when the server starts; later the last good ones stay, the log says
          so once for each change, and the metric counts it. A pair that is caught half replaced heals itself that way.
        - With an authority every client must show a certificate that it has signed (mTLS).

    Args:
        certificate: The server's certificate and those that lead to its authority.
        key: Its private key.
        authority: Who signs the clients' certificates. None: clients need none.
        changed: Told `done` or `failed` after every change of the files; on a thread of gRPC.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        authority: Path | None,
        changed: Callable[[str], None],
    ) -> None:
        self._certificate, self._key, self._authority = certificate, key, authority
        self._files = WatchedFiles([self._certificate, self._key, *self._authorities()])
        self._told = changed
        self._seen: Signature = ()

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a port is opened with.

        Raises:
            InvalidInput: A file cannot be read or used; names it.
        """
        self._seen = self._files.signature()
        return grpc.dynamic_ssl_server_credentials(
            self._load(),
            self._changed,  # type: ignore[arg-type] # None means unchanged, which its stub forgets
            require_client_authentication=self._authority is not None,
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the new certificates, if there are any; called by gRPC at every handshake, on a thread of its own."""
        seen = self._files.signature()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            loaded = self._load()
        except SomaError as error:
            self._told("failed")
            log.error(error.message, extra=dict(error.facts))  # noqa: TRY400 - the cause is a fact
            return None
        self._told("done")
        log.info("took over new certificates", extra={"file": str(self._certificate)})
        return loaded

    def _load(self) -> grpc.ServerCertificateConfiguration:
        key, certificate = _read(self._key), _read(self._certificate)
        authority = b"".join(_read(path) for path in self._authorities()) or None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # gRPC would say nothing, and fail every handshake.
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            message = "the TLS certificate and its key cannot be used together"
            raise _unusable(message, self._certificate, error, key=str(self._key)) from error
        for path in self._authorities():
            try:
                context.load_verify_locations(path)
            except ssl.SSLError as error:
                message = "the authority of the clients' certificates cannot be used"
                raise _unusable(message, path, error) from error
        return grpc.ssl_server_certificate_configuration([(key, certificate)], authority)

    def _authorities(self) -> list[Path]:
        return [] if self._authority is None else [self._authority]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unusable("a TLS file cannot be read", path, error) from error


def _no_password() -> str:
    # Without this OpenSSL would ask at the terminal.
    raise ValueError("the key is encrypted")


def _unusable(message: str, path: Path, error: Exception, **facts: Fact) -> InvalidInput:
    cause = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    if isinstance(error, ssl.SSLError):
        cause = error.reason or "no certificate in the file"
    return InvalidInput(message, violations=(), file=str(path), cause=cause, **facts)
