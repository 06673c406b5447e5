"""What a command needs to talk with a server, and the options that every such command has."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from somamemory.access import Access
from somamemory.channel import DEFAULT_TIMEOUT_S, default_address
from somamemory.cli import failures
from somamemory.cli.output import Output, standard_output
from somamemory.client import MemoryClient
from somamemory.errors import SomaMemoryError

P = ParamSpec("P")

_ADDRESS: dict[str, Any] = {
    "metavar": "HOST:PORT",
    "help": f"The memory server. Default: {default_address()}",
    "show_default": False,
}
_LONGEST_S = 1e9
"""Of far longer times gRPC makes a deadline that is over already."""

AddressOption = Annotated[
    str | None, typer.Option("--address", "-a", envvar="SOMA_ADDRESS", **_ADDRESS)
]
# Without the variable: it must not win over an --address that was given before the command.
AddressAgainOption = Annotated[str | None, typer.Option("--address", "-a", **_ADDRESS)]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        help=f"How long a call may take. Default: {DEFAULT_TIMEOUT_S:g}",
        show_default=False,
        min=0.001,
        max=_LONGEST_S,
    ),
]


TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="SOMA_TOKEN_FILE",
        help="File with the caller's token. The variable SOMA_TOKEN may hold the token itself.",
    ),
]
TlsOption = Annotated[
    bool,
    typer.Option("--tls", envvar="SOMA_TLS", help="Speak TLS; trust the public authorities."),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option("--ca-file", envvar="SOMA_CA_FILE", help="Speak TLS; trust this authority (PEM)."),
]
CertFileOption = Annotated[
    Path | None,
    typer.Option("--cert-file", envvar="SOMA_CERT_FILE", help="The caller's certificate (PEM)."),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option("--key-file", envvar="SOMA_KEY_FILE", help="Key of that certificate (PEM)."),
]


@dataclass(frozen=True)
class Globals:
    """The options before the command; each may also be given after it."""

    address: str = field(default_factory=default_address)
    json: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S
    access: Access = field(default_factory=Access)

    def with_options(self, address: str | None, json: bool, timeout_s: float | None) -> "Globals":
        """Return these options with what was given again over them."""
        return replace(
            self,
            address=address or self.address,
            json=json or self.json,
            timeout_s=timeout_s or self.timeout_s,
        )


@dataclass(frozen=True)
class Session:
    """A client and where its answers are printed."""

    client: MemoryClient
    output: Output


def remote(command: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """Make a function a command that talks with a server.

    The function's own parameters are the command's; `--address`, `--json` and `--timeout` are added.
    Whatever goes wrong with a call ends the command with a sentence and an exit code.
    """

    @functools.wraps(command)
    def run(
        ctx: typer.Context,
        *args: Any,
        address: str | None,
        as_json: bool,
        timeout_s: float | None,
        **kwargs: Any,
    ) -> None:
        given: Globals = ctx.obj
        chosen = given.with_options(address, as_json, timeout_s)
        output = Output(json=chosen.json)
        try:
            if output.json:
                standard_output()  # before anything is done of which nobody would hear
            with MemoryClient(
                chosen.address, timeout_s=chosen.timeout_s, access=chosen.access
            ) as client:
                command(Session(client, output), *args, **kwargs)
        except SomaMemoryError as error:
            output.note(failures.report(error, chosen.address))
            raise typer.Exit(failures.exit_code(error)) from error

    own = list(inspect.signature(command).parameters.values())[1:]
    added = {"address": AddressAgainOption, "as_json": JsonOption, "timeout_s": TimeoutOption}
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own),
        *(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=_DEFAULTS[name]
            )
            for name, kind in added.items()
        ),
    ]
    # typer reads a command from its signature and its annotations.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    del run.__wrapped__  # else typer would look through it
    return run


_DEFAULTS: dict[str, Any] = {"address": None, "as_json": False, "timeout_s": None}
