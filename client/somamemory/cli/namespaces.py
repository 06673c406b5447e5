"""`soma namespace create`, `show`, `set` and `delete`, and `soma namespaces`."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from somamemory.cli import inputs
from somamemory.cli.session import Session
from somamemory.errors import invalid
from somamemory.model import Namespace, NamespacePolicy

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the namespace.")]
TtlOption = Annotated[
    int | None,
    typer.Option(
        "--ttl", metavar="SECONDS", help="Life of its memories; 0: for ever.", callback=inputs.int64
    ),
]
MaxMemoriesOption = Annotated[
    int | None,
    typer.Option(
        "--max-memories", help="Beyond, the least important go; 0: no limit.", callback=inputs.int64
    ),
]
MaxVersionsOption = Annotated[
    int | None,
    typer.Option("--max-versions", help="Older versions kept of a memory.", callback=inputs.int32),
]
HalfLifeOption = Annotated[
    int | None,
    typer.Option(
        "--half-life",
        metavar="SECONDS",
        help="Age at which being recent counts half.",
        callback=inputs.int64,
    ),
]
QuotaOption = Annotated[
    int | None,
    typer.Option(
        "--quota-memories", help="Writes beyond are refused; 0: no quota.", callback=inputs.int64
    ),
]
QuotaBytesOption = Annotated[
    int | None,
    typer.Option(
        "--quota-bytes",
        help="Payload bytes; writes beyond are refused; 0: no quota.",
        callback=inputs.int64,
    ),
]


def create(
    session: Session,
    *,
    name: NameArgument,
    ttl: TtlOption = None,
    max_memories: MaxMemoriesOption = None,
    max_versions: MaxVersionsOption = None,
    half_life: HalfLifeOption = None,
    quota_memories: QuotaOption = None,
    quota_bytes: QuotaBytesOption = None,
) -> None:
    """Make a namespace with a policy; the first store makes one, too."""
    given = _given(ttl, max_memories, max_versions, half_life, quota_memories, quota_bytes)
    _print(session, session.client.create_namespace(name, NamespacePolicy(**given)))


def show(session: Session, *, name: NameArgument) -> None:
    """Show a namespace and its policy."""
    _print(session, session.client.get_namespace(name))


def set_policy(
    session: Session,
    *,
    name: NameArgument,
    ttl: TtlOption = None,
    max_memories: MaxMemoriesOption = None,
    max_versions: MaxVersionsOption = None,
    half_life: HalfLifeOption = None,
    quota_memories: QuotaOption = None,
    quota_bytes: QuotaBytesOption = None,
) -> None:
    """Change the given parts of a policy, and leave the others as they are."""
    given = _given(ttl, max_memories, max_versions, half_life, quota_memories, quota_bytes)
    if not given:
        raise invalid("--ttl", "give at least one part to change")
    policy = NamespacePolicy(**given)
    _print(session, session.client.update_namespace(name, policy, fields=tuple(given)))


def delete(
    session: Session,
    *,
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Delete it with all it holds.")] = False,
) -> None:
    """Delete a namespace with everything in it; without --yes, tell what it holds."""
    if not yes:
        count = session.client.stats(namespace=name).memory_count
        session.output.say(f"{name} holds {count} memories; --yes deletes it with all of them")
        raise typer.Exit(1)
    commit_seq = session.client.delete_namespace(name)
    if session.output.json:
        session.output.write_json({"namespace": name, "commit_seq": commit_seq})
        return
    session.output.say(f"deleted {name}, commit {commit_seq}")


def names(session: Session) -> None:
    """List the caller's namespaces; with --json one a line."""
    for name in session.client.list_namespaces():
        if session.output.json:
            session.output.write_json({"namespace": name})
        else:
            session.output.say(name)


def _given(
    ttl: int | None,
    max_memories: int | None,
    max_versions: int | None,
    half_life: int | None,
    quota_memories: int | None,
    quota_bytes: int | None,
) -> dict[str, Any]:
    named = {
        "default_ttl_s": ttl,
        "max_memories": max_memories,
        "max_versions": max_versions,
        "recency_half_life_s": half_life,
        "quota_memories": quota_memories,
        "quota_payload_bytes": quota_bytes,
    }
    return {name: value for name, value in named.items() if value is not None}


def _print(session: Session, namespace: Namespace) -> None:
    policy = asdict(namespace.policy)
    made = namespace.create_time.isoformat() if namespace.create_time else None
    facts = {
        "name": namespace.name,
        "version": namespace.version,
        "create_time": made,
        "commit_seq": namespace.commit_seq,
    }
    if session.output.json:
        session.output.write_json({**facts, "policy": policy})
        return
    rows = [(name.replace("_", " "), value) for name, value in {**facts, **policy}.items()]
    session.output.pairs(rows)
