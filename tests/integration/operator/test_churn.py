"""What comes and goes leaves nothing behind in the operator; the long form is `make scale` with --churn."""

from pathlib import Path

from tests.support.churn import churn
from tests.support.kube_api import Room, eventually
from tests.support.operator_process import OperatorProcess
from tests.support.operator_rooms import an_operator

SECONDS = 8.0
GROWTH = 1.3
"""A process that grows by so much within seconds loses what it takes; less is for the counts to find."""


def test_what_is_gone_is_forgotten(room: Room, operator_kubeconfig: Path, tmp_path: Path) -> None:
    """After resources came, changed and went, no object and no key of theirs is kept."""
    # Alone in its namespace: what other tests left goes away at a time of its own.
    own = {"watch_namespaces": room.namespace}
    with an_operator(operator_kubeconfig, tmp_path, **own) as operator:
        operator.wait_leading()
        before = kept(operator)

        seen = churn(room, operator, SECONDS, at_once=4)

        first, second = seen.halves()
        assert second < first * GROWTH
        eventually(
            lambda: is_no_more(kept(operator), before) or None,
            or_say=lambda: f"{before} {kept(operator)}",
        )


def kept(operator: OperatorProcess) -> dict[str, float]:
    """Return how many things the operator keeps, by what they are."""
    lines = operator.page("/metrics")[1].splitlines()
    told = [line.rpartition(" ") for line in lines if line.startswith("soma_operator_kept")]
    return {name: float(number) for name, _, number in told}


def is_no_more(now: dict[str, float], before: dict[str, float]) -> bool:
    """Return whether of nothing more is kept than before; a task may have been ending when it was counted."""
    return now.keys() == before.keys() and all(now[what] <= before[what] for what in before)
