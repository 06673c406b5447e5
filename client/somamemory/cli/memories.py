"""`soma store`, `get`, `list`, `delete`, `recall` and `range`."""

import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from somamemory.cli import inputs
from somamemory.cli.output import shortened
from somamemory.cli.session import Session
from somamemory.errors import invalid
from somamemory.importers.files import standard_input
from somamemory.interchange import object_of
from somamemory.model import (
    FieldMatch,
    ListOrder,
    Memory,
    MemoryKind,
    Recalled,
    RecallHit,
    RecallMode,
    Receipt,
)


def store(
    session: Session,
    *,
    text: Annotated[
        str | None, typer.Argument(help="What to remember. With --payload: the text to search.")
    ] = None,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    payload: Annotated[
        str | None,
        typer.Option(
            "--payload", metavar="JSON", help="A JSON object; @FILE reads a file, - standard input."
        ),
    ] = None,
    id: Annotated[str, typer.Option("--id", help="Its id. Default: a new one.")] = "",
    coordinate: Annotated[
        str | None, typer.Option("--coordinate", metavar="1,2.5", help="A second address.")
    ] = None,
    kind: inputs.KindOption = MemoryKind.EPISODIC.value,
    importance: Annotated[float | None, typer.Option("--importance")] = None,
    metadata: inputs.MetadataOption = None,
    event_time: Annotated[
        str | None, typer.Option("--event-time", metavar="TIME", help="When it happened.")
    ] = None,
    expire_time: Annotated[
        str | None, typer.Option("--expire-time", metavar="TIME", help="When it will be gone.")
    ] = None,
    request_id: inputs.RequestIdOption = "",
    expected_version: inputs.ExpectedVersionOption = None,
) -> None:
    """Store one memory."""
    receipt = session.client.store(
        payload_of(text, payload),
        namespace=namespace,
        id=id,
        coordinate=inputs.coordinate(coordinate, "--coordinate") if coordinate else None,
        kind=kind,
        text=text or "" if payload is not None else "",
        importance=importance,
        metadata=inputs.metadata(metadata),
        event_time=inputs.moment(event_time, "--event-time"),
        expire_time=inputs.moment(expire_time, "--expire-time"),
        request_id=request_id,
        expected_version=expected_version,
    )
    print_receipt(session, receipt, "stored")


def get(
    session: Session,
    *,
    ref: inputs.RefArgument,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    version: Annotated[
        int,
        typer.Option("--version", min=0, help="One of its kept versions.", callback=inputs.int64),
    ] = 0,
    as_of: inputs.AsOfOption = None,
) -> None:
    """Show one memory: as it is, one of its versions, or as it was."""
    memory = session.client.get(
        inputs.ref(ref),
        namespace=namespace,
        version=version,
        as_of=inputs.moment(as_of, "--as-of"),
    )
    if session.output.json:
        session.output.write_json(object_of(memory))
        return
    facts = {
        key: value for key, value in object_of(memory).items() if not key.startswith("payload")
    }
    for key in ("metadata", "coordinate"):
        if key in facts:
            facts[key] = json.dumps(facts[key], ensure_ascii=False)
    session.output.pairs(facts.items())
    session.output.say(json.dumps(memory.payload, ensure_ascii=False, indent=2))


def delete(
    session: Session,
    *,
    ref: inputs.RefArgument,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    request_id: inputs.RequestIdOption = "",
    expected_version: inputs.ExpectedVersionOption = None,
) -> None:
    """Delete one memory with its versions and links."""
    receipt = session.client.delete(
        inputs.ref(ref),
        namespace=namespace,
        request_id=request_id,
        expected_version=expected_version,
    )
    print_receipt(session, receipt, "deleted")


def list_memories(
    session: Session,
    *,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", min=0, help="How many at most; 0 means all.", callback=inputs.int64
        ),
    ] = 50,
    kinds: inputs.KindsOption = None,
    where: inputs.WhereOption = None,
    since: inputs.SinceOption = None,
    until: inputs.UntilOption = None,
    min_importance: inputs.MinImportanceOption = None,
    order: Annotated[
        str, typer.Option("--order", help="event_time or importance.")
    ] = ListOrder.EVENT_TIME.value,
) -> None:
    """List memories, newest event first; with --json one a line."""
    chosen = inputs.filter_of(
        kinds=kinds, where=where, since=since, until=until, min_importance=min_importance
    )
    found = session.client.list_memories(namespace=namespace, filter=chosen, order=order)
    wanted = itertools.islice(found, limit) if limit else found
    if session.output.json:
        for memory in wanted:
            session.output.write_json(object_of(memory))
        return
    session.output.table(["when", "id", "kind", "text"], [_row(memory) for memory in wanted])
    if limit and next(found, None) is not None:
        session.output.note(f"there are more than {limit}; --limit 0 lists all")


def recall(
    session: Session,
    *,
    text: Annotated[str | None, typer.Argument(help="Words, a question, a sentence.")] = None,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    top_k: inputs.TopKOption = 10,
    near: Annotated[
        str | None,
        typer.Option("--near", metavar="1,2.5", help="Instead of a text: near this coordinate."),
    ] = None,
    mode: inputs.ModeOption = RecallMode.HYBRID.value,
    kinds: inputs.KindsOption = None,
    where: inputs.WhereOption = None,
    since: inputs.SinceOption = None,
    until: inputs.UntilOption = None,
    min_importance: inputs.MinImportanceOption = None,
    min_score: Annotated[float | None, typer.Option("--min-score")] = None,
    min_commit_seq: inputs.MinCommitSeqOption = 0,
    explain: Annotated[bool, typer.Option("--explain", help="Show the parts of scores.")] = False,
    match: Annotated[
        str | None,
        typer.Option("--match", help="Instead of a text: a whole string of the payload."),
    ] = None,
    substring: Annotated[
        bool, typer.Option("--substring", help="With --match: a part of a string.")
    ] = False,
    case_sensitive: Annotated[
        bool, typer.Option("--case-sensitive", help="With --match: upper and lower case differ.")
    ] = False,
    as_of: inputs.AsOfOption = None,
    context: Annotated[
        str, typer.Option("--context", help="What it is about; lifts what fits.")
    ] = "",
) -> None:
    """Find the memories that answer a query best."""
    found = session.client.recall(
        text,
        coordinate=inputs.coordinate(near, "--near") if near else None,
        namespace=namespace,
        top_k=top_k,
        mode=mode,
        filter=inputs.filter_of(
            kinds=kinds, where=where, since=since, until=until, min_importance=min_importance
        ),
        min_score=min_score,
        min_commit_seq=min_commit_seq,
        explain=explain,
        match=FieldMatch(match, substring, case_sensitive) if match is not None else None,
        as_of=inputs.moment(as_of, "--as-of"),
        context=context,
    )
    if session.output.json:
        session.output.write_json(_recalled_object(found))
        return
    _print_recalled(session, found, explain=explain, near=near is not None)


def range_search(
    session: Session,
    *,
    least: Annotated[str, typer.Argument(metavar="1,2.5", help="Least corner of the box.")],
    greatest: Annotated[str, typer.Argument(metavar="3,4.5", help="Greatest corner.")],
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    kinds: inputs.KindsOption = None,
    where: inputs.WhereOption = None,
) -> None:
    """Find the memories whose coordinates lie in a box; with --json one a line."""
    found = session.client.range_search(
        inputs.coordinate(least, "LEAST"),
        inputs.coordinate(greatest, "GREATEST"),
        namespace=namespace,
        filter=inputs.filter_of(kinds=kinds, where=where),
    )
    if session.output.json:
        for memory in found:
            session.output.write_json(object_of(memory))
        return
    session.output.table(["when", "id", "kind", "text"], [_row(memory) for memory in found])


def print_receipt(session: Session, receipt: Receipt, verb: str) -> None:
    """Print what the server promises about a write."""
    if session.output.json:
        session.output.write_json(asdict(receipt))
        return
    again = " (replayed: it was done before)" if receipt.replayed else ""
    name = f" {receipt.id}" if receipt.id else ""
    session.output.say(
        f"{verb}{name}, version {receipt.version}, commit {receipt.commit_seq}, "
        f"{receipt.durability}, {receipt.index_state.replace('_', ' ')}{again}"
    )


def payload_of(text: str | None, payload: str | None) -> Any:
    """Return the payload that a text or the option stands for."""
    if payload is None:
        if text is None or not text.strip():
            # Nothing to find it by: more likely a variable of a script that is empty.
            raise invalid("TEXT", "give a text, or a JSON object with --payload")
        return {"text": text}
    if payload == "-":
        return standard_input("--payload")
    if payload.startswith("@"):
        return Path(payload[1:]).read_bytes()
    return payload.encode()


def _row(memory: Memory) -> tuple[str, ...]:
    return inputs.shown(memory.event_time), memory.id, str(memory.kind), shortened(memory.text)


def _recalled_object(found: Recalled) -> dict[str, Any]:
    results = []
    for hit in found:
        result: dict[str, Any] = {"score": hit.score}
        if hit.parts:
            result["parts"] = asdict(hit.parts)
        results.append({**result, "memory": object_of(hit.memory)})
    return {
        "results": results,
        "completeness": found.completeness,
        "degraded": found.degraded,
        "commit_seq": found.commit_seq,
    }


def _print_recalled(session: Session, found: Recalled, *, explain: bool, near: bool) -> None:
    if not found.hits:
        session.output.say("nothing is recalled")
    else:
        columns = ["score", *(["parts"] if explain else []), "id", "text"]
        session.output.table(columns, [_hit_row(hit, near=near) for hit in found])
    if found.degraded:
        session.output.note(f"not all was looked at: {', '.join(found.degraded)} was not available")


def _hit_row(hit: RecallHit, *, near: bool) -> list[str]:
    parts = []
    if hit.parts and near:
        parts = [f"distance {hit.parts.coordinate_distance:g}"]
    elif hit.parts:
        of = hit.parts
        lifts = of.recency + of.importance + of.context + of.named_time
        parts = [
            f"keyword {of.keyword:.3f} vector {of.vector:.3f} links {of.links:.3f} lifts {lifts:.3f}"
        ]
    return [f"{hit.score:.3f}", *parts, hit.memory.id, shortened(hit.memory.text)]
