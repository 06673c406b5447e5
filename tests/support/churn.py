"""Resources that come, change and go, and the operator's memory meanwhile."""

import itertools
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from soma_operator.core.kinds import DEPLOYMENT, PERSISTENT_VOLUME_CLAIM, SOMA_MEMORY
from tests.support.kube_api import Room, eventually
from tests.support.operator_process import OperatorProcess

PATIENCE_S = 60.0
WISH = {"deletionPolicy": "Delete", "storage": {"embedded": {"size": "1Gi"}}}


@dataclass(slots=True)
class Seen:
    """What was seen of a churn.

    Attributes:
        resident_mib: Memory of the process after each round.
        cycles: How many resources came and went.
    """

    resident_mib: list[float] = field(default_factory=list)
    cycles: int = 0

    def halves(self) -> tuple[float, float]:
        """Return the medians of both halves."""
        middle = len(self.resident_mib) // 2
        first, second = self.resident_mib[:middle], self.resident_mib[middle:]
        return statistics.median(first), statistics.median(second)


def churn(room: Room, operator: OperatorProcess, seconds: float, at_once: int) -> Seen:
    """Make resources, let them run, change them and delete them, round after round, two rounds at least.

    The time begins after a first round, in which everybody comes to know everything.
    """
    seen, numbers = Seen(), itertools.count(1)
    _round(room, next(numbers), at_once)
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(seen.resident_mib) < 2:
        _round(room, next(numbers), at_once)
        seen.cycles += at_once
        seen.resident_mib.append(resident_mib(operator.pid))
    return seen


def _round(room: Room, number: int, at_once: int) -> None:
    names = [f"mem-{number}-{one}" for one in range(at_once)]
    for name in names:
        room.make(name, WISH)
    for name in names:
        room.run(name)
        # Nobody plays the controller that lets go of claims.
        room.edit({"metadata": {"finalizers": None}}, f"{name}-data", PERSISTENT_VOLUME_CLAIM)
    for name in names:
        room.edit({"spec": {"monitoring": {"logLevel": "Debug"}}}, name)
    for name in names:
        room.api.delete(SOMA_MEMORY, room.namespace, name)
    # The garbage collector of a new control plane takes half a minute to learn of our kind.
    eventually(
        lambda: room.api.find(DEPLOYMENT, room.namespace) == [] or None, timeout_s=PATIENCE_S
    )


def resident_mib(pid: int) -> float:
    """Return how much memory a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
