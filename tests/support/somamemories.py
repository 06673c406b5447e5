"""SomaMemories and what belongs to them, as tests need them: builders with defaults, and arbitrary ones."""

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from soma_operator.core.kinds import (
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    SOMA_MEMORY,
    Manifest,
    kind_of,
)
from soma_operator.core.observed import Defaults, Observed
from soma_operator.core.plan import Applied
from soma_operator.core.published import format_time
from soma_operator.core.render import render
from soma_operator.core.render.pods import newest_revision
from soma_operator.core.resolve import resolve
from soma_operator.core.revision import Choice, choose
from soma_operator.core.situation import Situation

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

DEFAULTS = Defaults("registry.test/soma-memory-server:1.2.3", "IfNotPresent", "0.1.0")

UID = "4b5f3d2e-0000-4000-8000-000000000001"


def a_somamemory(
    name: str = "mem",
    *,
    spec: Manifest | None = None,
    status: Manifest | None = None,
    generation: int = 1,
    annotations: dict[str, str] | None = None,
    is_deleting: bool = False,
) -> Manifest:
    """Return a SomaMemory as the API server stores it."""
    metadata: Manifest = {
        "name": name,
        "namespace": "default",
        "uid": UID,
        "generation": generation,
        "resourceVersion": "1",
    }
    if annotations:
        metadata["annotations"] = annotations
    if is_deleting:
        metadata["deletionTimestamp"] = format_time(NOW)
    return {
        "apiVersion": SOMA_MEMORY.api_version,
        "kind": SOMA_MEMORY.name,
        "metadata": metadata,
        "spec": {"replicas": 1, **(spec or {})},
        "status": status or {"observedGeneration": -1},
    }


def observed_of(
    resource: Manifest | None = None,
    *,
    children: Iterable[Manifest] = (),
    pods: Iterable[Manifest] = (),
    storage_classes: Iterable[Manifest] | None = None,
    later_s: float = 0.0,
) -> Observed:
    """Return a picture of a SomaMemory."""
    return Observed(
        resource=resource or a_somamemory(),
        children=tuple(children),
        pods=tuple(pods),
        storage_classes=None if storage_classes is None else tuple(storage_classes),
        now=NOW + timedelta(seconds=later_s),
        defaults=DEFAULTS,
    )


def rendered(resource: Manifest | None = None) -> tuple[Manifest, ...]:
    """Return the children that are wished for, as if just applied: no controller has looked at them."""
    observed = observed_of(resource)
    memory = resolve(observed)
    manifests = deepcopy(render(memory, choice_of(observed)).manifests)
    for manifest in manifests:
        manifest["metadata"] |= {"uid": f"uid-of-{manifest['kind']}", "generation": 1}
    return manifests


def settled(resource: Manifest | None = None) -> tuple[Manifest, ...]:
    """Return the children when all controllers have done their part."""
    return tuple(_with_status(child) for child in rendered(resource))


def a_pod(*, container: Manifest | None = None, conditions: Iterable[Manifest] = ()) -> Manifest:
    """Return a pod of the server with the status of its container."""
    state = {"name": "memory-server", "image": "registry.test/soma-memory-server:1.2.3"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "mem-1", "namespace": "default"},
        "status": {
            "conditions": list(conditions),
            "containerStatuses": [] if container is None else [{**state, **container}],
        },
    }


def waiting(reason: str, message: str = "") -> Manifest:
    """Return the status of a container that waits."""
    return {"state": {"waiting": {"reason": reason, "message": message}}, "ready": False}


def situation_of(observed: Observed, *, is_complete: bool = True, **applied: Any) -> Situation:
    """Return the situation after a plan was carried out; the children are those observed."""
    facts = {"obstacles": (), "refusals": (), **applied}
    done = Applied(observed.children, is_complete=is_complete, **facts)
    return Situation(resolve(observed), observed, done, choice_of(observed))


def name_of_revision(**resource: Any) -> str:
    """Return the name of the revision that a SomaMemory with these differences makes."""
    return newest_revision(resolve(observed_of(a_somamemory(**resource)))).name


def choice_of(observed: Observed) -> Choice:
    """Return which revision runs."""
    memory = resolve(observed)
    return choose(newest_revision(memory), memory, observed)


def conditions_of(status: Manifest) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition by its type."""
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


def _with_status(child: Manifest) -> Manifest:
    if kind_of(child) == DEPLOYMENT:
        count = child["spec"].get("replicas", 1)
        counted = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
        counters = dict.fromkeys(counted, count)
        return {**child, "status": {"observedGeneration": 1, **counters}}
    if kind_of(child) == PERSISTENT_VOLUME_CLAIM:
        capacity = child["spec"]["resources"]["requests"]["storage"]
        status = {"phase": "Bound", "capacity": {"storage": capacity}}
        return {**child, "spec": {**child["spec"], "volumeName": "pv-1"}, "status": status}
    return child


def specs() -> st.SearchStrategy[Manifest]:
    """Arbitrary valid specs."""
    return st.fixed_dictionaries(
        {"replicas": st.sampled_from([0, 1])},
        optional={
            **_of_life(),
            **_of_storage(),
            **_of_pods(),
            **_of_callers(),
            **_of_the_network(),
        },
    )


Fields = dict[str, st.SearchStrategy[Any]]


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Manifest]:
    """Return maps that hold any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


def _of_life() -> Fields:
    """Return what decides whether servers run, and how they change."""
    return {
        "paused": st.booleans(),
        "hibernated": st.booleans(),
        "deletionPolicy": st.sampled_from(["Retain", "Delete"]),
        "autoscaling": st.fixed_dictionaries(
            {"type": st.sampled_from(["None", "HPA"])},
            optional={"maxReplicas": st.integers(1, 5)},
        ),
        "podDisruptionBudget": _some(enabled=st.booleans(), maxUnavailable=st.integers(0, 3)),
        "updateStrategy": st.fixed_dictionaries(
            {"progressDeadlineSeconds": st.integers(10, 1000)},
            optional={
                "type": st.sampled_from(["Automatic", "Supervised"]),
                "minReadySeconds": st.integers(0, 9),
                "rollback": st.fixed_dictionaries({"enabled": st.booleans()}),
            },
        ),
    }


def _of_storage() -> Fields:
    """Return what is stored, and where."""
    embedded = _some(
        size=st.sampled_from(["1Gi", "10Gi", "1.5Ti", "500M"]),
        storageClassName=st.sampled_from(["standard", "fast"]),
        accessMode=st.sampled_from(["ReadWriteOnce", "ReadWriteOncePod"]),
        synchronous=st.sampled_from(["Full", "Normal"]),
    )
    return {
        "storage": st.fixed_dictionaries(
            {"type": st.just("Embedded")}, optional={"embedded": embedded}
        ),
        "embeddings": st.fixed_dictionaries(
            {"provider": st.sampled_from(["Wordllama", "None"])},
            optional={"dimensions": st.sampled_from([64, 128, 256])},
        )
        | st.fixed_dictionaries({"provider": st.just("OpenAI"), "openai": _openai()}),
    }


def _openai() -> st.SearchStrategy[Manifest]:
    return st.fixed_dictionaries(
        {
            "endpoint": st.sampled_from(["https://api.test/v1", "http://embedder.test:8000"]),
            "model": st.sampled_from(["small", "org/large:1"]),
        },
        optional={
            "previousModel": st.just("smaller"),
            "apiKeySecretName": st.just("key"),
            "requestDimensions": st.booleans(),
            "documentPrefix": st.just("search_document: "),
            "queryPrefix": st.just("search_query: "),
        },
    )


def _of_pods() -> Fields:
    """Return what pods are made of."""
    quantities = st.sampled_from([1, 2, "1", "500m", "1000m", "64Mi", "1Gi"])
    return {
        "image": _image(),
        "podTemplate": _pod_template(),
        "resources": _some(
            requests=st.dictionaries(st.sampled_from(["cpu", "memory"]), quantities),
            limits=st.dictionaries(st.just("memory"), st.just("1Gi")),
        ),
        "monitoring": st.fixed_dictionaries(
            {"logLevel": st.sampled_from(["Debug", "Info", "Warning", "Error"])},
            optional={
                "audit": st.sampled_from(["Off", "Log"]),
                "podMonitor": st.fixed_dictionaries({"enabled": st.booleans()}),
            },
        ),
    }


def _of_callers() -> Fields:
    """Return who may call, and how much."""
    tls: Manifest = {"mode": "Secret", "secretName": "cert"}
    mutual: Manifest = {**tls, "clientAuth": "Require"}
    issued: Manifest = {**tls, "mode": "CertManager", "certManager": {"issuerRef": {"name": "ca"}}}
    return {
        "tls": st.sampled_from(
            [tls, mutual, {**mutual, "clientCaSecretName": "authority"}, issued]
        ),
        "auth": st.just({"type": "Tokens", "tokensSecretName": "callers"}),
        "limits": _some(
            maxMessageBytes=st.integers(64 * 1024, 1024 * 1024),
            maxPayloadBytes=st.integers(1024, 60 * 1024),
            maxConcurrentCalls=st.integers(1, 1000),
            maxConcurrentStreams=st.integers(1, 1000),
            tenantRequestsPerSecond=st.integers(1, 1000),
            tenantBytesPerSecond=st.integers(1024, 10**9),
        ),
    }


def _of_the_network() -> Fields:
    """Return how callers come to the servers."""
    names = st.sampled_from(["a.test/one", "a.test/two"])
    return {
        "networkPolicy": _some(
            enabled=st.booleans(),
            allowFrom=st.just([{"podSelector": {"matchLabels": {"role": "agent"}}}]),
            egress=st.just([{"ports": [{"port": 4317, "protocol": "TCP"}]}]),
        ),
        "service": _some(
            type=st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]),
            port=st.integers(1, 65535).filter(lambda port: port != 8080),
            headless=st.booleans(),
            maxConnectionAgeSeconds=st.integers(10, 3600),
            annotations=st.dictionaries(names, st.text("ab", max_size=3)),
        ),
    }


def _image() -> st.SearchStrategy[Manifest]:
    return st.fixed_dictionaries(
        {},
        optional={
            "repository": st.sampled_from(["registry.test/other", "registry.test:5000/a/b"]),
            "tag": st.sampled_from(["1.0", "latest", "v" * 128]),
            "digest": st.just("sha256:" + "0" * 64),
            "pullPolicy": st.sampled_from(["Always", "IfNotPresent", "Never"]),
            "pullSecrets": st.just([{"name": "registry"}]),
        },
    )


def _pod_template() -> st.SearchStrategy[Manifest]:
    spread = {
        "topologyKey": "zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "maxSkew": 1,
    }
    return st.fixed_dictionaries(
        {},
        optional={
            "labels": st.just({"team": "a"}),
            "annotations": st.just({"mesh.test/inject": "true"}),
            "nodeSelector": st.just({"disk": "ssd"}),
            "tolerations": st.just([{"operator": "Exists"}]),
            "affinity": st.just({"nodeAffinity": {}}),
            "topologySpreadConstraints": st.just([spread]),
            "priorityClassName": st.just("high"),
            "serviceAccountName": st.just("cloud"),
            "securityContext": st.sampled_from(
                [{"type": "Assigned"}, {"runAsUser": 1, "fsGroup": 0, "supplementalGroups": [7]}]
            ),
            "patches": st.just([{"op": "add", "path": "/spec/hostname", "value": "mem"}]),
            "env": st.just([{"name": "HTTPS_PROXY", "value": "http://proxy.test:3128"}]),
            "volumes": st.just(
                [{"name": "ca", "mountPath": "/etc/ssl/ca", "configMapName": "authorities"}]
            ),
        },
    )
