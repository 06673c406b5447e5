"""`soma import` and `soma export`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from somamemory.cli import failures, inputs
from somamemory.cli.output import replaced, standard_output
from somamemory.cli.session import Session
from somamemory.errors import SomaMemoryError
from somamemory.importers import Found, Unreadable, files
from somamemory.importers.loading import Loader, Report
from somamemory.interchange import CALLER, json_text, object_of

_SHOWN_REFUSALS = 20
_PAGE_SIZE = 500


def import_memories(
    session: Session,
    *,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files, folders, or - for standard input."),
    ],
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            help="auto, jsonl (what export writes), markdown, or kubernetes-events "
            "(kubectl get events -A -o json).",
            autocompletion=lambda: [files.AUTO, *files.FORMATS],
        ),
    ] = files.AUTO,
) -> None:
    """Store what files hold; doing it again changes nothing that is still the same."""
    found = files.find_inputs(paths, format)
    total = sum(each.size for each in found.files)
    with _progress(session) as progress:
        task = progress.add_task("import", total=total or None, found="")

        def show(report: Report) -> None:
            progress.update(task, found=f"{report.total} memories")

        loader = Loader(session.client, namespace, on_progress=show)
        things = _read(found.files, lambda size: progress.advance(task, size))
        try:
            loader.load(things)
        except SomaMemoryError:
            progress.stop()
            _summarise(session, loader.report, namespace)
            raise
    if found.passed_over:
        session.output.note(
            f"passed over {len(found.passed_over)} files of other kinds: "
            f"{', '.join(found.passed_over[:3])}{' …' if len(found.passed_over) > 3 else ''}"
        )
    _summarise(session, loader.report, namespace)
    if loader.report.refused:
        raise typer.Exit(failures.PARTLY)


def export_memories(
    session: Session,
    *,
    file: Annotated[Path | None, typer.Argument(help="Where to. Default: standard output.")] = None,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
) -> None:
    """Write a namespace's memories as JSON lines, which `soma import` reads back."""
    count = callers = 0
    with ExitStack() as stack:
        target = stack.enter_context(replaced(file)) if file else standard_output()
        for memory in session.client.list_memories(namespace=namespace, page_size=_PAGE_SIZE):
            target.write(json_text(object_of(memory)) + "\n")
            count += 1
            callers += memory.embedding_model == CALLER
        target.flush()
    session.output.note(f"exported {count} memories of {namespace}")
    if callers:
        session.output.note(
            f"{callers} of them have an embedding their author gave; the API does not return it, "
            "so an import makes one from the text"
        )


def _read(
    inputs_found: tuple[files.Input, ...], on_read: Callable[[int], None]
) -> Iterator[Found | Unreadable]:
    for each in inputs_found:
        if not files.is_text(each.name):
            place = each.name.encode(errors="backslashreplace").decode()
            yield Unreadable(place, "has a name that is not UTF-8")
            on_read(each.size)
            continue
        with each.open() as (file, reader):
            before = 0
            for thing in reader(file, each.name):
                yield thing
                on_read(file.tell() - before)
                before = file.tell()
            on_read(max(0, each.size - before))


def _progress(session: Session) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[found]}"),
        TimeElapsedColumn(),
        console=session.output.err,
        disable=session.output.json,
    )


def _summarise(session: Session, report: Report, namespace: str) -> None:
    for each in report.refused[:_SHOWN_REFUSALS]:
        session.output.note(f"refused {each.place}: {each.problem}")
    if len(report.refused) > _SHOWN_REFUSALS:
        session.output.note(f"and {len(report.refused) - _SHOWN_REFUSALS} more refused")
    if session.output.json:
        session.output.write_json(
            {
                "namespace": namespace,
                "created": report.created,
                "updated": report.updated,
                "unchanged": report.unchanged,
                "refused": [
                    {"place": each.place, "problem": each.problem} for each in report.refused
                ],
            }
        )
        return
    session.output.say(
        f"imported into {namespace}: {report.created} created, {report.updated} updated, "
        f"{report.unchanged} unchanged, {len(report.refused)} refused"
    )
