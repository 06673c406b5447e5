"""The `soma` command line."""

import os
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated

import typer

from somamemory.access import Access
from somamemory.cli import (
    backup,
    facts,
    failures,
    lifecycle,
    links,
    memories,
    namespaces,
    serve,
    tokens,
    transfer,
    versions,
)
from somamemory.cli.endings import ended_by_signals
from somamemory.cli.output import Output, flush
from somamemory.cli.session import (
    AddressOption,
    CaFileOption,
    CertFileOption,
    Globals,
    JsonOption,
    KeyFileOption,
    TimeoutOption,
    TlsOption,
    TokenFileOption,
    remote,
)
from somamemory.errors import SomaMemoryError

_EXIT_CODES = "; ".join(f"{code}: {meaning}" for code, meaning in failures.MEANINGS.items())

app = typer.Typer(
    name="soma",
    help="Long-term memory for AI agents: serve it, store into it, recall from it.",
    epilog=f"Exit codes. 0: done; {_EXIT_CODES}.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"soma {version('somamemory')}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    *,
    address: AddressOption = None,
    as_json: JsonOption = False,
    timeout_s: TimeoutOption = None,
    token_file: TokenFileOption = None,
    tls: TlsOption = False,
    ca_file: CaFileOption = None,
    cert_file: CertFileOption = None,
    key_file: KeyFileOption = None,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Keep the options that every command has."""
    try:
        access = Access(
            # On the command line everybody on the machine would see it.
            token=os.environ.get("SOMA_TOKEN") if token_file is None else None,
            token_file=token_file,
            tls=tls,
            ca_file=ca_file,
            cert_file=cert_file,
            key_file=key_file,
        )
    except SomaMemoryError as error:
        Output(json=False).note(failures.report(error, address or ""))
        raise typer.Exit(failures.exit_code(error)) from error
    ctx.obj = Globals(access=access).with_options(address, as_json, timeout_s)


options.__doc__ = None  # the help of the program is typer.Typer's own

namespace_app = typer.Typer(
    name="namespace", help="Make, show, change and delete namespaces.", no_args_is_help=True
)
namespace_app.command("create")(remote(namespaces.create))
namespace_app.command("show")(remote(namespaces.show))
namespace_app.command("set")(remote(namespaces.set_policy))
namespace_app.command("delete")(remote(namespaces.delete))

token_app = typer.Typer(name="token", help="Make credentials of callers.", no_args_is_help=True)
token_app.command("new")(tokens.new)

app.command("serve")(serve.serve)
app.command("store")(remote(memories.store))
app.command("get")(remote(memories.get))
app.command("recall")(remote(memories.recall))
app.command("list")(remote(memories.list_memories))
app.command("delete")(remote(memories.delete))
app.command("link")(remote(links.link))
app.command("unlink")(remote(links.unlink))
app.command("neighbors")(remote(links.neighbors))
app.command("path")(remote(links.path))
app.command("range")(remote(memories.range_search))
app.command("update")(remote(versions.update))
app.command("versions")(remote(versions.versions))
app.command("restore-version")(remote(versions.restore_version))
app.command("purge")(remote(versions.purge))
app.command("watch")(remote(versions.watch))
app.command("share")(remote(lifecycle.share))
app.command("consolidate")(remote(lifecycle.consolidate))
app.command("undo-consolidation")(remote(lifecycle.undo_consolidation))
app.command("reflect")(remote(lifecycle.reflect))
app.command("outcome")(remote(lifecycle.outcome))
app.command("erase")(remote(lifecycle.erase))
app.command("verify-erasure")(remote(lifecycle.verify_erasure))
app.command("stats")(remote(facts.stats))
app.command("info")(remote(facts.info))
app.command("namespaces")(remote(namespaces.names))
app.add_typer(namespace_app)
app.add_typer(token_app)
app.command("import")(remote(transfer.import_memories))
app.command("export")(remote(transfer.export_memories))
app.command("dump")(remote(backup.dump))
app.command("load")(remote(backup.load))
app.command("backup")(remote(backup.backup))
app.command("restore")(backup.restore)
app.command("delete-backup")(backup.delete_backup)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; whatever goes wrong is a sentence on standard error."""
    try:
        with ended_by_signals():
            code = _run(arguments)
            flush()
    except KeyboardInterrupt:
        return failures.INTERRUPTED
    except UnicodeEncodeError:  # what the shell gave, and no client's call looked at
        Output(json=False).note("error: an argument is not text in UTF-8")
        return failures.INVALID
    except OSError as error:  # a file or a pipe of the user's: nothing to trace
        with suppress(OSError):
            flush()
        if not isinstance(error, BrokenPipeError):  # else who reads has enough
            about = f": {error.filename}" if error.filename else ""
            Output(json=False).note(f"error: {error.strerror or error}{about}")
        return failures.FAILURE
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="soma")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else failures.FAILURE
    return 0
