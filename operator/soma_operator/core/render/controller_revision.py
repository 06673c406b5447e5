"""ControllerRevision: what pods were made of, so that they can be made of it again."""

from soma_operator.core.kinds import CONTROLLER_REVISION, Manifest
from soma_operator.core.render.metadata import child
from soma_operator.core.resolve import ResolvedMemory
from soma_operator.core.revision import Revision


def controller_revision(memory: ResolvedMemory, revision: Revision) -> Manifest:
    """Return the object that a revision is stored in; the API server lets nobody change its content."""
    return child(
        CONTROLLER_REVISION,
        f"{memory.name}-{revision.name}",
        memory,
        # Asked for by the API; which one runs and which one is good is told by the status.
        revision=1,
        data={
            "wish": revision.wish,
            "environment": dict(revision.environment),
            "template": revision.template,
        },
    )
