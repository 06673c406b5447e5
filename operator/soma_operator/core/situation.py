"""All that a check looks at once a plan is carried out."""

from dataclasses import dataclass

from soma_operator.core.kinds import DEPLOYMENT, PERSISTENT_VOLUME_CLAIM, Manifest
from soma_operator.core.observed import Observed, find
from soma_operator.core.plan import Applied
from soma_operator.core.resolve import ResolvedMemory
from soma_operator.core.revision import Choice


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is, what is wished for, and what became of the wish."""

    memory: ResolvedMemory
    observed: Observed
    applied: Applied
    choice: Choice

    @property
    def deployment(self) -> Manifest | None:
        """The live Deployment."""
        return find(self.applied.children, DEPLOYMENT, self.memory.name)

    @property
    def claim(self) -> Manifest | None:
        """The live claim."""
        return find(self.applied.children, PERSISTENT_VOLUME_CLAIM, self.memory.names.claim)


def capacity_of(claim: Manifest) -> str | None:
    """Return the size that the volume of a claim has."""
    capacity: str | None = claim.get("status", {}).get("capacity", {}).get("storage")
    return capacity


def phase_of_claim(claim: Manifest) -> str:
    """Return the phase of a claim."""
    phase: str = claim.get("status", {}).get("phase", "Pending")
    return phase
