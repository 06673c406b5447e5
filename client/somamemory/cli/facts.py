"""`soma stats` and `info`."""

from dataclasses import asdict

from somamemory.cli import inputs
from somamemory.cli.session import Session


def stats(session: Session, namespace: inputs.NamespaceOption = inputs.NAMESPACE) -> None:
    """Count what a namespace holds."""
    counts = asdict(session.client.stats(namespace=namespace))
    if session.output.json:
        session.output.write_json({"namespace": namespace, **counts})
        return
    session.output.pairs([("namespace", namespace), *_in_words(counts)])


def info(session: Session) -> None:
    """Show the server's version, limits and promises."""
    facts = asdict(session.client.server_info())
    if session.output.json:
        session.output.write_json({"address": session.client.address, **facts})
        return
    limits = facts.pop("limits")
    session.output.pairs([("address", session.client.address), *_in_words(facts)])
    session.output.say("limits")
    session.output.pairs([(f"  {name}", value) for name, value in _in_words(limits)])


def _in_words(facts: dict[str, object]) -> list[tuple[str, object]]:
    return [(name.replace("_", " "), value) for name, value in facts.items()]
