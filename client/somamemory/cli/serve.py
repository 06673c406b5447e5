"""`soma serve`: the memory server on this machine, without a cluster."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from somamemory.channel import DEFAULT_HOST, DEFAULT_PORT
from somamemory.cli import failures
from somamemory.cli.output import Output

_SERVER = "memory_server"
_DEFAULT_HTTP_PORT = 8080


def serve(
    data: Annotated[
        Path, typer.Option("--data", help="Folder that keeps the memories; made when missing.")
    ],
    host: Annotated[
        str | None,
        typer.Option("--host", help=f"Address to listen on. Default: {DEFAULT_HOST}"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help=f"gRPC port. Default: {DEFAULT_PORT}"),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(
            "--http-port",
            min=1,
            max=65535,
            help=f"Port of /healthz, /readyz and /metrics. Default: {_DEFAULT_HTTP_PORT}",
        ),
    ] = None,
    log_format: Annotated[
        str | None, typer.Option("--log-format", help="text or json. Default: text")
    ] = None,
) -> None:
    """Run a memory server over a folder, until Ctrl-C.

    Further settings are read from SOMA_* variables; an option given here wins over its variable.
    """
    output = Output(json=False)
    # Looked up, not imported: the client must not carry the server.
    if importlib.util.find_spec(_SERVER) is None:
        output.note("error: the memory server is not installed\n  pip install somamemory brings it")
        raise typer.Exit(failures.FAILURE)
    environment = _environment(
        os.environ,
        SOMA_DATA_DIR=str(data),
        SOMA_GRPC_HOST=host,
        SOMA_HTTP_HOST=host,
        SOMA_GRPC_PORT=port,
        SOMA_HTTP_PORT=http_port,
        SOMA_LOG_FORMAT=log_format,
    )
    where = _address(environment["SOMA_GRPC_HOST"], environment["SOMA_GRPC_PORT"])
    output.note(f"memory server: memories in {data}, gRPC on {where}; Ctrl-C stops it")
    if not environment.get("SOMA_AUTH_TOKENS_FILE"):
        output.note(f"nobody is authenticated: whoever reaches {where} reads and writes everything")
    sys.stderr.flush()
    # The same process becomes the server, so that signals and the exit code are the server's own.
    command = [sys.executable, "-m", _SERVER]
    os.execve(sys.executable, command, environment)  # noqa: S606 - our own words, no shell


def _address(host: str, port: str) -> str:
    """Return what a client is given; the colons of IPv6 need brackets."""
    return f"[{host.strip('[]')}]:{port}" if ":" in host else f"{host}:{port}"


def _environment(
    current: os._Environ[str] | dict[str, str], **given: str | int | None
) -> dict[str, str]:
    """Return the server's environment: options win over variables, variables over a laptop's defaults."""
    defaults = {
        "SOMA_GRPC_HOST": DEFAULT_HOST,
        "SOMA_HTTP_HOST": DEFAULT_HOST,
        "SOMA_GRPC_PORT": str(DEFAULT_PORT),
        "SOMA_HTTP_PORT": str(_DEFAULT_HTTP_PORT),
        "SOMA_LOG_FORMAT": "text",
    }
    chosen = {name: str(value) for name, value in given.items() if value is not None}
    return defaults | dict(current) | chosen
