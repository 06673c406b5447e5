"""`soma link`, `unlink`, `neighbors` and `path`."""

from dataclasses import asdict
from typing import Annotated

import typer

from somamemory.cli import inputs
from somamemory.cli.memories import print_receipt
from somamemory.cli.output import shortened
from somamemory.cli.session import Session
from somamemory.interchange import object_of
from somamemory.model import LinkDirection


def link(
    session: Session,
    *,
    from_ref: Annotated[str, typer.Argument(metavar="FROM", help="Where the link starts.")],
    to_ref: Annotated[str, typer.Argument(metavar="TO", help="Where it ends.")],
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    type: Annotated[str, typer.Option("--type", help="What it means.")] = "related",
    weight: Annotated[float | None, typer.Option("--weight")] = None,
    metadata: inputs.MetadataOption = None,
    request_id: inputs.RequestIdOption = "",
    expected_version: inputs.ExpectedVersionOption = None,
) -> None:
    """Link one memory with another."""
    receipt = session.client.link(
        inputs.ref(from_ref),
        inputs.ref(to_ref),
        type=type,
        weight=weight,
        metadata=inputs.metadata(metadata),
        namespace=namespace,
        request_id=request_id,
        expected_version=expected_version,
    )
    print_receipt(session, receipt, "linked")


def neighbors(
    session: Session,
    *,
    ref: inputs.RefArgument,
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only links of this type; may be repeated.")
    ] = None,
    direction: inputs.DirectionOption = LinkDirection.OUTGOING.value,
    depth: Annotated[
        int, typer.Option("--depth", help="How many links away at most.", callback=inputs.int32)
    ] = 1,
    limit: Annotated[
        int, typer.Option("--limit", help="How many memories at most.", callback=inputs.int32)
    ] = 100,
) -> None:
    """Show what a memory is linked with."""
    found = session.client.neighbors(
        inputs.ref(ref),
        namespace=namespace,
        types=types or (),
        direction=direction,
        depth=depth,
        limit=limit,
    )
    if session.output.json:
        session.output.write_json(
            {
                "neighbors": [
                    {
                        "distance": each.distance,
                        "link": asdict(each.link),
                        "memory": object_of(each.memory),
                    }
                    for each in found.neighbors
                ],
                "truncated": found.truncated,
            }
        )
        return
    session.output.table(
        ["away", "link", "weight", "id", "text"],
        [
            (
                each.distance,
                each.link.type,
                f"{each.link.weight:g}",
                each.memory.id,
                shortened(each.memory.text),
            )
            for each in found.neighbors
        ],
    )
    if found.truncated:
        session.output.note(f"there are more than {limit}; --limit shows more")


def unlink(
    session: Session,
    *,
    from_ref: Annotated[str, typer.Argument(metavar="FROM", help="Where the link starts.")],
    to_ref: Annotated[str, typer.Argument(metavar="TO", help="Where it ends.")],
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    type: Annotated[str, typer.Option("--type", help="Only of this type. Default: all.")] = "",
    request_id: inputs.RequestIdOption = "",
) -> None:
    """Remove links from one memory to another."""
    receipt = session.client.unlink(
        inputs.ref(from_ref),
        inputs.ref(to_ref),
        type=type,
        namespace=namespace,
        request_id=request_id,
    )
    if session.output.json:
        session.output.write_json(asdict(receipt))
    else:
        session.output.say(f"removed {receipt.version} links, commit {receipt.commit_seq}")


def path(
    session: Session,
    *,
    from_ref: Annotated[str, typer.Argument(metavar="FROM", help="Where it starts.")],
    to_ref: Annotated[str, typer.Argument(metavar="TO", help="Where it ends.")],
    namespace: inputs.NamespaceOption = inputs.NAMESPACE,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only links of this type; may be repeated.")
    ] = None,
    direction: inputs.DirectionOption = LinkDirection.OUTGOING.value,
    max_length: Annotated[int, typer.Option("--max-length", min=0, callback=inputs.int32)] = 0,
) -> None:
    """Find the path of the least total weight between two memories."""
    found = session.client.find_path(
        inputs.ref(from_ref),
        inputs.ref(to_ref),
        namespace=namespace,
        types=types or (),
        direction=direction,
        max_length=max_length,
    )
    if session.output.json:
        ids = [memory.id for memory in found.memories] if found else []
        links = [asdict(each) for each in found.links] if found else []
        cost = found.cost if found else None
        session.output.write_json(
            {"found": found is not None, "cost": cost, "ids": ids, "links": links}
        )
        return
    if found is None:
        session.output.say("there is no such path")
        return
    words = [found.memories[0].id]
    for edge, memory in zip(found.links, found.memories[1:], strict=True):
        words += [f"-{edge.type} {edge.weight:g}-", memory.id]
    session.output.say(" ".join(words))
    session.output.say(f"cost {found.cost:g}")
