"""`soma-operator approve`: let updates run that wait for approval, in one namespace or in all.

It writes what a person would write with `kubectl annotate`, with that person's rights; the operator itself never does.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from soma_common.errors import Conflict, NotFound
from soma_operator.adapters.access import find_access
from soma_operator.adapters.kubernetes import connect
from soma_operator.api.v1alpha1 import APPROVE_ANNOTATION
from soma_operator.core.kinds import SOMA_MEMORY, Manifest, is_deleting, name_of
from soma_operator.core.published import condition
from soma_operator.metrics import Metrics
from soma_operator.ports import Cluster
from soma_operator.settings import OperatorSettings

DONE, FAILED = 0, 2
"""Exit codes: all that was asked for is approved, something is not."""

RELEASES = frozenset({"NewRelease"})
EVERYTHING = frozenset({"NewRelease", "ApprovalNeeded", "PodDeletionNeeded", "WindowClosed"})


@dataclass(frozen=True, slots=True)
class Waiting:
    """A SomaMemory whose pods wait for approval."""

    resource: Manifest
    revision: str
    reason: str
    message: str

    @property
    def name(self) -> str:
        """Namespace and name."""
        return f"{self.resource['metadata']['namespace']}/{name_of(self.resource)}"

    @property
    def approved(self) -> Manifest:
        """The resource with the approval of this very revision; its version stays, so that nothing else is approved."""
        metadata = self.resource["metadata"]
        annotations = {**(metadata.get("annotations") or {}), APPROVE_ANNOTATION: self.revision}
        return {**self.resource, "metadata": {**metadata, "annotations": annotations}}


def add_approve(parser: ArgumentParser) -> None:
    """Say which arguments the command takes."""
    parser.add_argument("name", nargs="*", help="SomaMemories; none: every one that waits")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", default="default", help="where they are")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="look in all namespaces")
    parser.add_argument(
        "--held",
        action="store_true",
        help="also what an update strategy holds back; else only what a new operator release brings",
    )
    parser.add_argument(
        "--most", type=int, metavar="N", help="approve N at most, to go on in a while with the rest"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what waits, and approve nothing"
    )


async def run_approve(arguments: Namespace, settings: OperatorSettings) -> int:
    """Approve, and print what; return the exit code.

    Raises:
        SomaError: The cluster did not answer, or forbids it.
    """
    access = find_access(settings.kubeconfig, os.environ)
    async with connect(access, Metrics(), timeout_s=settings.request_timeout_s) as cluster:
        namespace = None if arguments.all_namespaces else arguments.namespace
        found = await cluster.find(SOMA_MEMORY, namespace)
        reasons = EVERYTHING if arguments.held else RELEASES
        wished = chosen(found, reasons, frozenset(arguments.name))
        now = wished if arguments.most is None else wished[: max(arguments.most, 0)]
        left = len(wished) - len(now)
        failed = 0 if arguments.dry_run else await _approve(cluster, now)
    if arguments.dry_run:
        for one in now:
            _say(f"{one.name}: {one.message}")
    for name in sorted(set(arguments.name) - {name_of(one.resource) for one in wished}):
        _say(f"{name}: nothing of it waits")
    _say(f"{len(now) - failed} {'waiting' if arguments.dry_run else 'approved'}, {left} left")
    return FAILED if failed else DONE


def chosen(
    resources: Iterable[Manifest], reasons: frozenset[str], names: frozenset[str]
) -> list[Waiting]:
    """Return the SomaMemories to approve, in the order of their names.

    Args:
        resources: Where to look.
        reasons: What is approved, as reasons of `UpdatePending`.
        names: Which ones; empty: all of them.
    """
    found = (
        one
        for one in _waiting(resources)
        if one.reason in reasons and (not names or name_of(one.resource) in names)
    )
    return sorted(found, key=lambda one: one.name)


def _waiting(resources: Iterable[Manifest]) -> Iterator[Waiting]:
    for resource in resources:
        status, metadata = resource.get("status") or {}, resource["metadata"]
        pending, revision = condition(status, "UpdatePending"), status.get("updateRevision")
        # What the status tells of an earlier spec is not what would run.
        is_new = status.get("observedGeneration") == metadata["generation"]
        annotations = metadata.get("annotations") or {}
        if pending is None or pending["status"] != "True" or not revision or not is_new:
            continue
        if annotations.get(APPROVE_ANNOTATION) != revision and not is_deleting(resource):
            yield Waiting(resource, revision, pending["reason"], pending["message"])


async def _approve(cluster: Cluster, waiting: Iterable[Waiting]) -> int:
    """Approve each; return how many changed meanwhile, so that they are left to another look."""
    failed = 0
    for one in waiting:
        try:
            await cluster.replace(one.approved)
        except (Conflict, NotFound):
            failed += 1
            _say(f"{one.name}: changed meanwhile, look again")
        else:
            _say(f"{one.name}: revision {one.revision} approved")
    return failed


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
