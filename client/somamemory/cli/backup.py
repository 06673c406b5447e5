"""`soma backup`, `soma restore` and `soma delete-backup`; `soma dump` and `soma load`."""

import importlib.util
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf import json_format
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from soma.memory.v1 import lifecycle_service_pb2 as pb
from somamemory import calls, copies
from somamemory.cli import failures, inputs
from somamemory.cli.lifecycle import ConflictOption, DryRunOption
from somamemory.cli.output import Output, replaced
from somamemory.cli.session import Session
from somamemory.codec import exported, import_progress
from somamemory.errors import SomaMemoryError, invalid
from somamemory.interchange import json_text
from somamemory.model import (
    BackupSummary,
    ConflictPolicy,
    ExportSummary,
    ImportProgress,
    Link,
    Moved,
)

PlaceArgument = Annotated[
    str, typer.Argument(help="The copy: the path of a file, or s3://bucket/key.")
]

_SERVER = "memory_server"
_VACANT = 9
"""What the server answers, asked without a copy, when one would be restored."""

_SHOWN_REJECTS = 20


def backup(
    session: Session,
    *,
    place: PlaceArgument,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of a copy that is there.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="File that is told the facts, as JSON.")
    ] = None,
) -> None:
    """Copy the whole store, of all tenants, while it is written to; the copy is read back and compared."""
    copy = copies.copy_at(place, os.environ)
    if not replace and copy.exists():
        raise invalid("PLACE", "there is a copy; choose another name, or say --replace")
    with _progress(session) as progress:
        task = progress.add_task("backup", total=None)

        def parts() -> Iterator[bytes | BackupSummary]:
            for part in session.client.backup():
                if isinstance(part, bytes):
                    progress.advance(task, len(part))
                yield part

        made = copies.copy_store(parts(), copy, replace=replace)
    facts = {"place": place, **asdict(made)}
    if report is not None:
        report.write_text(json_text(facts))
    if session.output.json:
        session.output.write_json(facts)
    else:
        session.output.pairs((name.replace("_", " "), value) for name, value in facts.items())


def delete_backup(*, place: PlaceArgument) -> None:
    """Remove a copy that backup made; that there is none is no error."""
    _copy_at(place).delete()


def _copy_at(place: str) -> copies.Copy:
    try:
        return copies.copy_at(place, os.environ)
    except SomaMemoryError as error:
        Output(json=False).note(failures.report(error, ""))
        raise typer.Exit(failures.exit_code(error)) from error


def restore(
    *,
    place: PlaceArgument,
    data: Annotated[
        Path, typer.Option("--data", help="Folder of the new store; it must hold none.")
    ],
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="Digest that the copy must have.")
    ] = None,
    once: Annotated[
        str | None,
        typer.Option("--once", help="Name of the copy: restored under it before, it is not again."),
    ] = None,
) -> None:
    """Make a store of a backup, on this machine; a server is not needed."""
    output = Output(json=False)
    # Looked up, not imported: the client must not carry the server.
    if importlib.util.find_spec(_SERVER) is None:
        output.note("error: the memory server is not installed\n  pip install somamemory brings it")
        raise typer.Exit(failures.FAILURE)
    environment = {**os.environ, "SOMA_DATA_DIR": str(data)}
    environment.setdefault("SOMA_LOG_FORMAT", "text")
    command = [sys.executable, "-m", _SERVER, "restore"]
    command += ["--sha256", sha256] if sha256 else []
    command += ["--once", once] if once else []

    def run(*more: str) -> int:
        return subprocess.run([*command, *more], env=environment, check=False).returncode

    copy = _copy_at(place)
    # What has to be fetched takes time and room: only for a folder that takes it.
    if not isinstance(copy, copies.FileCopy) and (code := run()) != _VACANT:
        raise typer.Exit(code)
    try:
        with copy.at_hand(data) as file:
            code = run(str(file))
    except FileNotFoundError as error:
        output.note(f"error: there is no copy: {error.filename}")
        raise typer.Exit(failures.NOT_FOUND) from error
    raise typer.Exit(code)


def dump(
    session: Session,
    *,
    file: Annotated[Path, typer.Argument(help="Where to; JSON lines.")],
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    with_versions: Annotated[bool, typer.Option("--versions", help="With older versions.")] = False,
    with_embeddings: Annotated[bool, typer.Option("--embeddings", help="With embeddings.")] = False,
) -> None:
    """Write a namespace as it is at one commit: memories, links, and a summary at the end."""
    request = pb.ExportRequest(
        namespace=namespace, include_versions=with_versions, include_embeddings=with_embeddings
    )
    call = calls.Download(calls.lifecycle.EXPORT, request, lambda response: (response,))
    last: dict[str, Any] = {}
    with replaced(file) as target:
        for part in session.client.download(call):
            last = json_format.MessageToDict(part, preserving_proto_field_name=True)
            target.write(json_text(last) + "\n")
    if session.output.json:
        session.output.write_json(last["summary"])
        return
    counts = last["summary"]
    session.output.say(
        f"dumped {counts.get('memory_count', 0)} memories and {counts.get('link_count', 0)} links "
        f"of {namespace}"
    )
    if left_out := counts.get("left_out_version_count"):
        session.output.note(f"{left_out} older versions were left out: too much for one message")


def load(
    session: Session,
    *,
    file: Annotated[Path, typer.Argument(help="What dump wrote.")],
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    conflict: ConflictOption = ConflictPolicy.REFUSE.value,
    dry_run: DryRunOption = False,
) -> None:
    """Take in what dump wrote; what is refused is named, and the rest goes on."""
    if file.is_file():
        deque(_parts(file), maxlen=0)  # read once before: nothing of a broken dump is stored
    else:
        session.output.note("no plain file: whether it is whole is known when it is stored")
    progress: ImportProgress = import_progress(pb.ImportResponse())
    refused = 0
    for progress in session.client.import_memories(
        _parts(file), namespace=namespace, conflict=conflict, dry_run=dry_run
    ):
        for reject in progress.rejects:
            refused += 1
            if refused <= _SHOWN_REJECTS:
                session.output.note(f"refused {reject.position} ({reject.id}): {reject.error}")
    counts = {
        "stored_count": progress.stored_count,
        "skipped_count": progress.skipped_count,
        "linked_count": progress.linked_count,
        "rejected_count": progress.rejected_count,
    }
    if session.output.json:
        session.output.write_json(counts)
    else:
        session.output.pairs((name.replace("_", " "), value) for name, value in counts.items())
    if refused:
        raise typer.Exit(failures.PARTLY)


def _parts(file: Path) -> Iterator[Moved | Link]:
    summary: ExportSummary | None = None
    memories = links = 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            part = pb.ExportResponse()
            try:
                json_format.Parse(line.decode("utf-8-sig" if number == 1 else "utf-8"), part)
            except (json_format.ParseError, UnicodeDecodeError) as error:
                raise invalid("FILE", f"line {number} is not what dump wrote") from error
            found = exported(part)
            summary = found if isinstance(found, ExportSummary) else None
            memories += isinstance(found, Moved)
            links += isinstance(found, Link)
            if isinstance(found, Moved | Link):
                yield found
    if summary is None:
        raise invalid("FILE", "must end with a summary: the dump is not whole")
    if (memories, links) != (summary.memory_count, summary.link_count):
        raise invalid(
            "FILE",
            f"holds {memories} memories and {links} links, and its summary tells of "
            f"{summary.memory_count} and {summary.link_count}: the dump is not whole",
        )


def _progress(session: Session) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=session.output.err,
        disable=session.output.json,
    )
