"""What a front process has to know: sent to it as JSON, because it reads no settings and no files but certificates."""

import json
from pathlib import Path
from typing import NamedTuple


class TlsFiles(NamedTuple):
    """Certificate, its key, and the authority of the clients' certificates; None: clients need none."""

    certificate: Path
    key: Path
    authority: Path | None


class RelayedMethod(NamedTuple):
    """How a method's calls look on the wire.

    Attributes:
        path: As gRPC names it, `/package.Service/Method`.
        has_requests: Requests are read one by one, when the handler asks for them.
        has_responses: There may be several.
    """

    path: str
    has_requests: bool
    has_responses: bool


class FrontOptions(NamedTuple):
    """What a front process has to know.

    Attributes:
        address: Where to listen, host:port.
        channel: gRPC's own options.
        tls: None: plain text.
        methods: In the order of their numbers.
        headers: Those of a call that decide who calls.
        is_identified: Whether the client's certificate takes part in that.
    """

    address: str
    channel: tuple[tuple[str, int], ...]
    tls: TlsFiles | None
    methods: tuple[RelayedMethod, ...]
    headers: tuple[str, ...] = ()
    is_identified: bool = False

    def packed(self) -> bytes:
        """Return JSON of it."""
        return json.dumps(self, default=str).encode()
