"""`soma update`, `versions`, `restore-version`, `purge` and `watch`."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from somamemory.cli import inputs
from somamemory.cli.memories import payload_of, print_receipt
from somamemory.cli.output import flush, shortened
from somamemory.cli.session import Session
from somamemory.errors import invalid
from somamemory.interchange import object_of
from somamemory.model import KEEP, Change, ChangeType


def update(
    session: Session,
    *,
    ref: inputs.RefArgument,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    payload: Annotated[
        str | None,
        typer.Option("--payload", metavar="JSON", help="A new payload; @FILE reads a file."),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="A new text to search.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="episodic or semantic.")] = None,
    importance: Annotated[float | None, typer.Option("--importance")] = None,
    metadata: inputs.MetadataOption = None,
    unset: Annotated[
        list[str] | None,
        typer.Option("--unset", metavar="KEY", help="Remove a metadata value; may be repeated."),
    ] = None,
    expire_time: Annotated[
        str | None,
        typer.Option("--expire-time", metavar="TIME", help="When it will be gone; never: never."),
    ] = None,
    request_id: inputs.RequestIdOption = "",
    expected_version: inputs.ExpectedVersionOption = None,
) -> None:
    """Change some fields of a memory, and leave the others as they are."""
    given: dict[str, Any] = {}
    if expire_time is not None:
        never = expire_time == "never"
        given["expire_time"] = None if never else inputs.moment(expire_time, "--expire-time")
    values: dict[str, Any] = {**inputs.metadata(metadata), **dict.fromkeys(unset or [])}
    if not (given or values or any(one is not None for one in (payload, text, kind, importance))):
        raise invalid("--payload", "give at least one field to change")
    receipt = session.client.update(
        inputs.ref(ref),
        namespace=namespace,
        payload=payload_of(None, payload) if payload is not None else KEEP,
        text=text if text is not None else KEEP,
        kind=kind if kind is not None else KEEP,
        importance=importance if importance is not None else KEEP,
        metadata_values=values or None,
        request_id=request_id,
        expected_version=expected_version,
        **given,
    )
    print_receipt(session, receipt, "updated")


def versions(
    session: Session,
    *,
    ref: inputs.RefArgument,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
) -> None:
    """List the kept versions of a memory, the current one first; with --json one a line."""
    found = session.client.list_versions(inputs.ref(ref), namespace=namespace)
    if session.output.json:
        for version in found:
            until = version.supersede_time
            whole = {**object_of(version.memory), "supersede_time": until and until.isoformat()}
            session.output.write_json(whole)
        return
    session.output.table(
        ["version", "written", "until", "text"],
        [
            (
                version.memory.version,
                inputs.shown(version.memory.update_time),
                inputs.shown(version.supersede_time),
                shortened(version.memory.text),
            )
            for version in found
        ],
    )


def restore_version(
    session: Session,
    *,
    ref: inputs.RefArgument,
    version: Annotated[
        int, typer.Argument(help="Which of its kept versions.", min=1, callback=inputs.int64)
    ],
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    request_id: inputs.RequestIdOption = "",
    expected_version: inputs.ExpectedVersionOption = None,
) -> None:
    """Write a kept version once more, as the next one."""
    receipt = session.client.restore_version(
        inputs.ref(ref),
        version,
        namespace=namespace,
        request_id=request_id,
        expected_version=expected_version,
    )
    print_receipt(session, receipt, "restored")


def purge(
    session: Session,
    *,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    kinds: inputs.KindsOption = None,
    where: inputs.WhereOption = None,
    since: inputs.SinceOption = None,
    until: inputs.UntilOption = None,
    min_importance: inputs.MinImportanceOption = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Without a filter: all memories.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; else they are only counted.")] = False,
) -> None:
    """Delete every memory that passes a filter, or count them."""
    purged = session.client.purge(
        inputs.filter_of(
            kinds=kinds, where=where, since=since, until=until, min_importance=min_importance
        ),
        namespace=namespace,
        dry_run=not yes,
        everything=everything,
    )
    if session.output.json:
        session.output.write_json(asdict(purged))
    elif yes:
        session.output.say(f"deleted {purged.deleted_count} memories of {namespace}")
    else:
        session.output.say(f"{purged.matched_count} memories would go; --yes deletes them")


def watch(
    session: Session,
    *,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    resume_token: Annotated[
        str, typer.Option("--resume-token", help="Go on after this one. Default: from now on.")
    ] = "",
    count: Annotated[
        int, typer.Option("--count", min=0, help="End after so many changes; 0: never.")
    ] = 0,
) -> None:
    """Show every change of a namespace as it is committed, until Ctrl-C; with --json one a line."""
    shown = 0
    for change in session.client.watch(namespace=namespace, resume_token=resume_token):
        if change.type is ChangeType.UNKNOWN:
            continue
        _show(session, change)
        shown += 1
        if shown == count:
            return


def _show(session: Session, change: Change) -> None:
    if session.output.json:
        moment = change.commit_time.isoformat() if change.commit_time else None
        session.output.write_json({**asdict(change), "commit_time": moment})
        flush()  # Who reads a pipe waits for it.
        return
    what = f"{change.id} v{change.version}"
    if change.to_id:
        what = f"{change.id} -{change.link_type}-> {change.to_id}"
    session.output.say(
        f"{inputs.shown(change.commit_time)} {change.type:<8} {what}, commit {change.commit_seq}"
    )
