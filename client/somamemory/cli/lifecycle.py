"""`soma share`, `consolidate`, `undo-consolidation`, `reflect`, `outcome`, `erase` and `verify-erasure`."""

import base64
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format

from soma.memory.v1 import lifecycle_service_pb2
from somamemory.cli import failures, inputs
from somamemory.cli.output import shortened, writing_to
from somamemory.cli.session import Session
from somamemory.codec import erasure_receipt
from somamemory.errors import invalid
from somamemory.interchange import object_of
from somamemory.model import ConflictPolicy, Draft, MemoryKind

ConflictOption = Annotated[
    str, typer.Option("--conflict", help="Of taken ids: refuse, skip or overwrite.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]
SubjectArgument = Annotated[
    str, typer.Argument(metavar="KEY=VALUE", help="The metadata value that names the subject.")
]
OnlyNamespaceOption = Annotated[
    str, typer.Option("--namespace", "-n", help="Only this one. Default: all of the caller's.")
]


def share(
    session: Session,
    *,
    to_namespace: Annotated[str, typer.Argument(metavar="TO", help="Where they are copied to.")],
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    kinds: inputs.KindsOption = None,
    where: inputs.WhereOption = None,
    conflict: ConflictOption = ConflictPolicy.REFUSE.value,
    dry_run: DryRunOption = False,
) -> None:
    """Copy memories, with the links among them, to another namespace."""
    done = session.client.share(
        to_namespace,
        namespace=namespace,
        filter=inputs.filter_of(kinds=kinds, where=where),
        conflict=conflict,
        dry_run=dry_run,
    )
    counts = {name: value for name, value in asdict(done).items() if name != "rejects"}
    if session.output.json:
        session.output.write_json(counts)
    else:
        session.output.pairs((name.replace("_", " "), value) for name, value in counts.items())
    if done.rejected_count:
        raise typer.Exit(failures.PARTLY)


def consolidate(
    session: Session,
    *,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    where: inputs.WhereOption = None,
    since: inputs.SinceOption = None,
    until: inputs.UntilOption = None,
    min_episodes: Annotated[int, typer.Option("--min-episodes", min=0, callback=inputs.int32)] = 0,
    max_bytes: Annotated[int, typer.Option("--max-bytes", min=0, callback=inputs.int32)] = 0,
    dry_run: DryRunOption = False,
) -> None:
    """Sum conversations up in semantic memories that are linked to their episodes."""
    done = session.client.consolidate(
        namespace=namespace,
        filter=inputs.filter_of(where=where, since=since, until=until),
        min_episodes=min_episodes,
        max_summary_bytes=max_bytes,
        dry_run=dry_run,
    )
    if session.output.json:
        session.output.write_json(asdict(done))
        return
    session.output.table(
        ["new", "id", "of", "text"],
        [
            ("yes" if one.created else "no", one.id, len(one.source_ids), shortened(one.text))
            for one in done.memories
        ],
    )
    if not dry_run:
        session.output.note(f"undo it with: soma undo-consolidation {done.id}")


def undo_consolidation(
    session: Session,
    *,
    consolidation_id: Annotated[str, typer.Argument(metavar="ID", help="What consolidate told.")],
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
) -> None:
    """Delete what a consolidation wrote; the sources are as before."""
    count = session.client.undo_consolidation(consolidation_id, namespace=namespace)
    if session.output.json:
        session.output.write_json({"deleted_count": count})
    else:
        session.output.say(f"undid {count} summaries")


def reflect(
    session: Session,
    *,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    kinds: inputs.KindsOption = None,
    where: inputs.WhereOption = None,
    count: Annotated[int, typer.Option("--count", min=0, callback=inputs.int32)] = 0,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="The same seed, the same sample.", callback=inputs.int64),
    ] = None,
) -> None:
    """Show a random sample of memories; with --json one a line."""
    sample = session.client.reflect(
        namespace=namespace,
        filter=inputs.filter_of(kinds=kinds, where=where),
        count=count,
        seed=seed,
    )
    if session.output.json:
        for memory in sample:
            session.output.write_json(object_of(memory))
        return
    session.output.table(["id", "text"], [(one.id, shortened(one.text)) for one in sample])


def outcome(
    session: Session,
    *,
    ref: inputs.RefArgument,
    value: Annotated[
        float, typer.Argument(metavar="OUTCOME", help="From -1, misleading, to 1, just right.")
    ],
    correction: Annotated[
        str | None, typer.Option("--correction", help="What is right instead, as a text.")
    ] = None,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    request_id: inputs.RequestIdOption = "",
) -> None:
    """Tell how well a memory served."""
    draft = None
    if correction is not None:
        draft = Draft(payload={"text": correction}, kind=MemoryKind.SEMANTIC)
    judged = session.client.report_outcome(
        inputs.ref(ref), value, correction=draft, namespace=namespace, request_id=request_id
    )
    if session.output.json:
        session.output.write_json(asdict(judged))
        return
    session.output.say(f"its importance is {judged.importance:g} now")
    if judged.correction_id:
        session.output.say(f"the correction is {judged.correction_id}")


def erase(
    session: Session,
    *,
    subject: SubjectArgument,
    namespace: OnlyNamespaceOption = "",
    receipt: Annotated[
        Path | None,
        typer.Option("--receipt", help="New file that the signed receipt is written to."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase; it cannot be undone.")] = False,
) -> None:
    """Erase every memory about a subject, and keep the signed receipt."""
    if not yes:
        raise invalid("--yes", "must be given: an erasure cannot be undone")
    key, value = _subject(subject)
    with ExitStack() as undone:
        if receipt is not None:
            # Before anything is erased: the proof is given once, and must have its place by then.
            _make(receipt)
            undone.callback(receipt.unlink, missing_ok=True)
        proof = session.client.erase_subject(key, value, namespace=namespace)
        undone.pop_all()
    wire = lifecycle_service_pb2.ErasureReceipt.FromString(proof.message)
    if receipt is not None:
        _keep(session, wire, receipt)
    if session.output.json:
        session.output.write_json(json_format.MessageToDict(wire, preserving_proto_field_name=True))
        return
    session.output.pairs(
        [
            ("receipt", proof.id),
            ("memories", proof.memory_count),
            ("versions", proof.version_count),
            ("links", proof.link_count),
            ("swept", ", ".join(proof.swept)),
            ("still to be swept", ", ".join(proof.pending) or "nothing"),
            ("public key", base64.b64encode(proof.public_key).decode()),
        ]
    )


def verify_erasure(
    session: Session,
    *,
    receipt: Annotated[Path, typer.Argument(help="The file that erase wrote.")],
    subject: SubjectArgument,
    namespace: OnlyNamespaceOption = "",
) -> None:
    """Check a receipt's signature, and look again whether anything of the subject is there."""
    key, value = _subject(subject)
    wire = lifecycle_service_pb2.ErasureReceipt()
    try:
        json_format.Parse(receipt.read_text(encoding="utf-8-sig"), wire)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise invalid("RECEIPT", "must be what erase wrote") from error
    found = session.client.verify_erasure(erasure_receipt(wire), key, value, namespace=namespace)
    if session.output.json:
        session.output.write_json(asdict(found))
    else:
        session.output.say("the receipt is authentic" if found.authentic else "it is not authentic")
        session.output.say(f"{found.remaining_count} memories about the subject are there now")
        if found.pending:
            session.output.say(f"still to be swept: {', '.join(found.pending)}")
    if not found.authentic or found.remaining_count or found.pending:
        raise typer.Exit(failures.FAILURE)


def _make(receipt: Path) -> None:
    try:
        receipt.open("x").close()
    except FileExistsError as error:
        raise invalid("--receipt", "names a file that is there; name a new one") from error


def _keep(session: Session, wire: lifecycle_service_pb2.ErasureReceipt, receipt: Path) -> None:
    """Write a receipt to its file; one that cannot be written is printed, for there is no other."""
    document = json_format.MessageToJson(wire, preserving_proto_field_name=True)
    try:
        with writing_to(receipt):
            receipt.write_text(document + "\n", encoding="utf-8")
    except OSError:
        session.output.note("the subject is erased; keep the line on standard output, its receipt")
        session.output.write_json(json_format.MessageToDict(wire, preserving_proto_field_name=True))
        with suppress(OSError):
            receipt.unlink()  # a part of it proves nothing
        raise


def _subject(text: str) -> tuple[str, str | int | float | bool]:
    values = inputs.metadata([text], "SUBJECT")
    return next(iter(values.items()))
