"""A collector of traces: an OTLP/HTTP receiver that keeps what it is sent."""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.support.server_process import HOST

Span = dict[str, Any]


class Collector:
    """A receiver in a thread of its own.

    Attributes:
        codes: Answers to the next requests; 200 when none is left.
        requests: Path, content type and body of every request.
    """

    def __init__(self) -> None:
        self.codes: deque[int] = deque()
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                collector.requests.append((self.path, self.headers["Content-Type"], body))
                self.send_response(collector.codes.popleft() if collector.codes else 200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def spans(self) -> list[Span]:
        """Return all spans of all requests."""
        return [
            span
            for _, _, body in list(self.requests)
            for resource in body["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


def facts_of(span: Span) -> dict[str, Any]:
    """Return the attributes of a span, or of a resource."""
    return {
        one["key"]: next(iter(one["value"].values()))
        for one in span["attributes"]
        if len(one["value"]) == 1
    }
