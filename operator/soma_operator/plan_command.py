"""`soma-operator plan -f FILE`: what a reconcile would change, without changing it."""

import os
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from soma_common.errors import InvalidInput
from soma_operator import __version__
from soma_operator.adapters.access import find_access
from soma_operator.adapters.kubernetes import connect
from soma_operator.api.v1alpha1 import SomaMemorySpec
from soma_operator.bootstrap import utc_now
from soma_operator.core.explain import explain
from soma_operator.core.inherit import class_name_of
from soma_operator.core.kinds import SOMA_MEMORY, Manifest, is_deleting
from soma_operator.core.observed import Defaults, Observed
from soma_operator.core.reconcile import Decision, decide
from soma_operator.core.render.pods import newest_revision
from soma_operator.core.resolve import resolve
from soma_operator.manifest_file import Wishes, read_wishes
from soma_operator.metrics import Metrics
from soma_operator.observer import Observer
from soma_operator.settings import OperatorSettings
from soma_operator.unknown_fields import unknown_fields

NOTHING, SOMETHING, FAILED = 0, 1, 2
"""Exit codes, as those of `kubectl diff`: nothing would change, something would, it could not be found out."""


def add_plan(parser: ArgumentParser) -> None:
    """Say which arguments the command takes."""
    parser.add_argument(
        "-f", "--file", type=Path, required=True, help="manifest; - reads standard input"
    )
    parser.add_argument(
        "-n", "--namespace", default="default", help="where the manifest names none"
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="compare with the cluster of KUBECONFIG, not with an empty one",
    )


async def run_plan(arguments: Namespace, settings: OperatorSettings) -> int:
    """Print the report; return the exit code.

    Raises:
        InvalidInput: The file holds no SomaMemory, or one that cannot be understood.
        SomaError: The cluster did not answer.
    """
    defaults = Defaults(settings.server_image, settings.server_pull_policy, __version__)
    changes = 0
    wishes = read_wishes(arguments.file, arguments.namespace)
    for manifest in wishes.memories:
        observed = (
            await _seen(manifest, settings, defaults)
            if arguments.live
            else _alone(manifest, defaults)
        )
        observed = _with_class(observed, wishes)
        if is_deleting(observed.resource):
            _say(f"SomaMemory {observed.key} is being deleted")
            continue
        newest_revision(resolve(observed))  # raises what is wrong, which a reconcile would publish
        decision = decide(observed)
        assert isinstance(decision, Decision), "it is understood, and its class is there"
        _say(f"SomaMemory {observed.key}, revision {decision.choice.running.name}")
        for field in unknown_fields(SomaMemorySpec, manifest["spec"], "spec"):
            _say(
                f"! {field} is no field of this version: kubectl refuses it, the API server drops it"
            )
        for line in explain(decision, observed):
            _say(line)
        changes += len(decision.plan.actions)
    _say(f"{changes} writes" if changes else "nothing would change")
    return SOMETHING if changes else NOTHING


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _with_class(observed: Observed, wishes: Wishes) -> Observed:
    """Return the picture with the class as it is in the file, which may differ from the one that is there.

    Raises:
        InvalidInput: It is neither here nor there.
    """
    name = class_name_of(observed.resource)
    if name is None:
        return observed
    of_class = wishes.classes.get(name, observed.of_class)
    if of_class is None and not is_deleting(observed.resource):
        text = (
            "the class is neither in the file nor looked for in a cluster, or does not exist there"
        )
        raise InvalidInput(text, somamemory=str(observed.key), class_name=name)
    return replace(observed, of_class=of_class)


def _alone(manifest: Manifest, defaults: Defaults) -> Observed:
    """Return a picture of the resource in an empty cluster."""
    metadata = {**manifest["metadata"], "uid": "", "generation": 1, "resourceVersion": ""}
    return Observed(
        resource={**manifest, "metadata": metadata},
        children=(),
        pods=(),
        storage_classes=None,
        now=utc_now(),
        defaults=defaults,
    )


async def _seen(manifest: Manifest, settings: OperatorSettings, defaults: Defaults) -> Observed:
    """Return a picture of the resource as it would be, among what there is."""
    access = find_access(settings.kubeconfig, os.environ)
    async with connect(access, Metrics(), timeout_s=settings.request_timeout_s) as cluster:
        metadata = manifest["metadata"]
        live = await cluster.read(SOMA_MEMORY, metadata["namespace"], metadata["name"])
        resource = _alone(manifest, defaults).resource if live is None else _changed(live, manifest)
        return await Observer(cluster, defaults=defaults, now=utc_now).look_around(resource)


def _changed(live: Manifest, manifest: Manifest) -> Manifest:
    """Return the stored resource with what the manifest says."""
    spec = {"replicas": live["spec"].get("replicas", 1), **manifest["spec"]}
    annotations = {
        **live["metadata"].get("annotations", {}),
        **manifest["metadata"]["annotations"],
    }
    metadata = {**live["metadata"], "annotations": annotations}
    if spec != live["spec"]:
        metadata["generation"] += 1
    return {**live, "metadata": metadata, "spec": spec}
