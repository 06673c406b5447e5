"""Manifests of a SomaMemory."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given

from soma_operator.core.kinds import (
    CHILD_KINDS,
    CONFIG_MAP,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    OPTIONAL_KINDS,
    PERSISTENT_VOLUME_CLAIM,
    SCALED_OBJECT,
    SERVICE,
    Kind,
    Manifest,
    controller_of,
    kind_of,
    name_of,
)
from soma_operator.core.render import render
from soma_operator.core.render.deployment import deployment
from soma_operator.core.render.metadata import CONFIG_HASH_ANNOTATION, MANAGED_BY_LABEL
from soma_operator.core.resolve import Replicas, resolve
from tests.support.somamemories import UID, a_somamemory, choice_of, observed_of, specs

GOLDEN = Path(__file__).parent / "golden"

FULL: Manifest = {
    "image": {
        "repository": "registry.test/other",
        "tag": "2.0",
        "pullPolicy": "Always",
        "pullSecrets": [{"name": "registry"}],
    },
    "storage": {
        "type": "Embedded",
        "embedded": {
            "size": "20Gi",
            "storageClassName": "fast",
            "accessMode": "ReadWriteOncePod",
            "synchronous": "Normal",
        },
    },
    "embeddings": {"provider": "None", "dimensions": 384},
    "tls": {
        "mode": "Secret",
        "secretName": "cert",
        "clientAuth": "Require",
        "clientCaSecretName": "authority",
    },
    "auth": {"type": "Tokens", "tokensSecretName": "callers"},
    "service": {"type": "LoadBalancer", "port": 443, "annotations": {"cloud.test/internal": "1"}},
    "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}},
    "podTemplate": {
        "labels": {"team": "a"},
        "annotations": {"mesh.test/inject": "true"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "memory", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {"key": "arch", "operator": "In", "values": ["amd64"]}
                            ]
                        }
                    ]
                }
            }
        },
        "topologySpreadConstraints": [
            {
                "topologyKey": "zone",
                "whenUnsatisfiable": "DoNotSchedule",
                "maxSkew": 1,
                "minDomains": 2,
            }
        ],
        "priorityClassName": "high",
        "serviceAccountName": "cloud",
        "securityContext": {"runAsUser": 20001, "supplementalGroups": [7]},
        "patches": [{"op": "add", "path": "/spec/hostname", "value": "mem"}],
        "env": [
            {"name": "HTTPS_PROXY", "value": "http://proxy.test:3128"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "one"}}},
        ],
        "volumes": [
            {"name": "ca", "mountPath": "/etc/ssl/ca", "configMapName": "authorities"},
            {"name": "key", "mountPath": "/etc/key", "secretName": "keys"},
        ],
    },
    "autoscaling": {"type": "HPA", "minReplicas": 2, "maxReplicas": 5},
    "networkPolicy": {
        "allowFrom": [{"podSelector": {"matchLabels": {"role": "agent"}}}],
        "egress": [{"ports": [{"port": 4317, "protocol": "TCP"}]}],
    },
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": 0},
    "updateStrategy": {"type": "Supervised", "progressDeadlineSeconds": 120},
    "monitoring": {
        "logLevel": "Debug",
        "podMonitor": {"enabled": True, "interval": "15s", "labels": {"prometheus": "main"}},
    },
    "limits": {"maxMessageBytes": 1048576, "maxPayloadBytes": 65536, "maxConcurrentCalls": 64},
    "deletionPolicy": "Delete",
}


def manifests_of(resource: Manifest) -> tuple[Manifest, ...]:
    observed = observed_of(resource)
    return render(resolve(observed), choice_of(observed)).manifests


def one_of(
    kind: Kind, spec: Manifest | None = None, annotations: dict[str, str] | None = None
) -> Manifest:
    manifests = manifests_of(a_somamemory(spec=spec, annotations=annotations))
    return next(one for one in manifests if kind_of(one) == kind)


@pytest.mark.parametrize(("name", "spec"), [("minimal", {}), ("full", FULL)])
def test_manifests_are_those_reviewed(name: str, spec: Manifest) -> None:
    """A change of any rendered byte shows in a golden file: it may restart every pod there is."""
    expected = list(yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_text()))

    assert list(manifests_of(a_somamemory(spec=spec))) == expected


@given(specs())
def test_the_same_resource_gives_the_same_bytes(spec: Manifest) -> None:
    """Rendering depends on nothing but the resource, not even on the order of its keys."""
    shuffled = dict(reversed(spec.items()))

    one, other = (json.dumps(manifests_of(a_somamemory(spec=each))) for each in (spec, shuffled))

    assert one == other


@given(specs())
def test_every_child_belongs_to_its_resource(spec: Manifest) -> None:
    """Each child carries our labels and the controller's reference, but for a claim that is to outlive it."""
    for manifest in manifests_of(a_somamemory(spec=spec)):
        is_retained = (
            kind_of(manifest) == PERSISTENT_VOLUME_CLAIM and spec.get("deletionPolicy") != "Delete"
        )
        owner = controller_of(manifest)
        assert (owner is None) == is_retained
        assert owner is None or owner["uid"] == UID
        assert (MANAGED_BY_LABEL in manifest["metadata"].get("labels", {})) != is_retained


@given(specs())
def test_children_come_in_order(spec: Manifest) -> None:
    """What a pod mounts, names or is guarded by is applied before the pod's template."""
    order = [
        (*CHILD_KINDS, *OPTIONAL_KINDS).index(kind_of(one))
        for one in manifests_of(a_somamemory(spec=spec))
    ]

    assert order == sorted(order)


@given(specs())
def test_pods_meet_the_restricted_standard(spec: Manifest) -> None:
    """No spec can make a pod with more rights than the restricted Pod Security Standard gives."""
    pod = one_of(DEPLOYMENT, spec)["spec"]["template"]["spec"]
    context = pod["containers"][0]["securityContext"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not context["allowPrivilegeEscalation"]
    assert context["readOnlyRootFilesystem"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not pod["automountServiceAccountToken"]
    assert not pod["enableServiceLinks"]


def test_a_change_of_settings_changes_the_pod_template() -> None:
    """Settings are read at start: their change must make new pods."""

    def config_hash(level: str) -> str:
        deployment = one_of(DEPLOYMENT, {"monitoring": {"logLevel": level}})
        annotations = deployment["spec"]["template"]["metadata"]["annotations"]
        return str(annotations[CONFIG_HASH_ANNOTATION])

    assert config_hash("Info") != config_hash("Debug")


@pytest.mark.parametrize(
    "spec", [{"service": {"port": 1}}, {"deletionPolicy": "Delete"}, {"paused": True}]
)
def test_what_concerns_no_pod_changes_no_pod_template(spec: Manifest) -> None:
    """Wishes that are not read by the server leave its pods alone."""
    template = one_of(DEPLOYMENT)["spec"]["template"]

    assert one_of(DEPLOYMENT, spec)["spec"]["template"] == template


def test_a_headless_service_stands_for_the_pods() -> None:
    """On request there is a second Service without an address of its own, with the port that the pods have."""
    wish = {"service": {"headless": True, "port": 443, "type": "LoadBalancer"}}
    services = [one for one in manifests_of(a_somamemory(spec=wish)) if kind_of(one) == SERVICE]

    [in_front, pods] = services
    assert (name_of(pods), pods["spec"]["clusterIP"]) == ("mem-pods", "None")
    assert pods["spec"]["selector"] == in_front["spec"]["selector"]
    assert [port["port"] for port in pods["spec"]["ports"]] == [50053]
    assert len([one for one in manifests_of(a_somamemory()) if kind_of(one) == SERVICE]) == 1


def test_the_age_of_connections_is_a_setting_of_the_pods() -> None:
    """It is rendered when wished for, as a new revision of the user's; without the wish nothing of the pods changes."""
    wish = {"service": {"maxConnectionAgeSeconds": 300}}

    aged, plain = (choice_of(observed_of(a_somamemory(spec=spec))).newest for spec in (wish, {}))

    assert aged.environment == {**plain.environment, "SOMA_MAX_CONNECTION_AGE_S": "300"}
    assert aged.wish != plain.wish


def test_the_restart_annotation_reaches_the_pods() -> None:
    """A new value of the annotation makes new pods."""
    annotations = {"memory.soma.sh/restartedAt": "2026-01-01"}

    template = one_of(DEPLOYMENT, annotations=annotations)["spec"]["template"]

    assert annotations.items() <= template["metadata"]["annotations"].items()


def test_annotations_of_the_resource_are_not_copied() -> None:
    """Marks of GitOps tools and kubectl stay on the resource."""
    foreign = {"argocd.argoproj.io/tracking-id": "x", "kubectl.kubernetes.io/last-applied": "y"}

    text = json.dumps(manifests_of(a_somamemory(annotations=foreign)))

    assert "argocd" not in text
    assert "kubectl" not in text


def test_a_disabled_budget_is_not_rendered() -> None:
    """No PodDisruptionBudget is wished for when it is switched off."""
    resource = a_somamemory(spec={"podDisruptionBudget": {"enabled": False}})

    assert "PodDisruptionBudget" not in {one["kind"] for one in manifests_of(resource)}


def test_values_of_the_config_map_are_text() -> None:
    """The API server refuses numbers in a ConfigMap."""
    data = one_of(CONFIG_MAP, FULL)["data"]

    assert all(isinstance(value, str) for value in data.values())


def test_names_are_made_of_the_resource() -> None:
    """Children are found by people without a search."""
    names = {one["kind"]: name_of(one) for one in manifests_of(a_somamemory("notes"))}

    assert names == {
        "ServiceAccount": "notes",
        "NetworkPolicy": "notes",
        "ControllerRevision": f"notes-{choice_of(observed_of(a_somamemory('notes'))).running.name}",
        "ConfigMap": "notes-config",
        "PersistentVolumeClaim": "notes-data",
        "Service": "notes",
        "PodDisruptionBudget": "notes",
        "Deployment": "notes",
    }


def test_labels_of_the_user_never_replace_those_that_pods_are_found_by() -> None:
    """A label that the operator rules keeps its value, also where the API server's rule was not asked."""
    spec = {"podTemplate": {"labels": {"app.kubernetes.io/name": "mine", "team": "a"}}}

    labels = one_of(DEPLOYMENT, spec)["spec"]["template"]["metadata"]["labels"]

    assert labels["app.kubernetes.io/name"] == "somamemory"
    assert labels["team"] == "a"


def test_the_policy_lets_in_what_is_needed_and_name_service_out() -> None:
    """gRPC from those who are named and from the memory's own copies; health; DNS and the named back ends out."""
    spec = {
        "networkPolicy": {
            "allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
            "egress": [{"ports": [{"port": 5432, "protocol": "TCP"}]}],
        }
    }

    policy = one_of(NETWORK_POLICY, spec)["spec"]

    copies = {"app.kubernetes.io/name": "somamemory-backup", "memory.soma.sh/memory": "mem"}
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert [(rule.get("from"), rule["ports"][0]["port"]) for rule in policy["ingress"]] == [
        ([{"ipBlock": {"cidr": "10.0.0.0/8"}}, {"podSelector": {"matchLabels": copies}}], 50053),
        (None, 8080),
    ]
    assert [[port["port"] for port in rule["ports"]] for rule in policy["egress"]] == [
        [53, 53],
        [5432],
    ]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("https://api.test/v1", 443),
        ("http://embedder", 80),
        ("http://embedder.models.svc:8000/v1", 8000),
    ],
)
def test_an_embedder_over_http_is_reached_with_its_key(endpoint: str, port: int) -> None:
    """The server knows API and key, the key is a file of the Secret, and the policy lets the pods out to its port."""
    openai = {"endpoint": endpoint, "model": "small", "apiKeySecretName": "embedder-key"}
    spec = {"embeddings": {"provider": "OpenAI", "dimensions": 1536, "openai": openai}}

    data = one_of(CONFIG_MAP, spec)["data"]
    pod = one_of(DEPLOYMENT, spec)["spec"]["template"]["spec"]
    egress = one_of(NETWORK_POLICY, spec)["spec"]["egress"]

    assert (data["SOMA_EMBEDDER"], data["SOMA_EMBEDDER_URL"]) == ("openai", endpoint)
    assert data["SOMA_EMBEDDER_API_KEY_FILE"] == "/etc/soma/embedder/apiKey"
    [volume] = [one for one in pod["volumes"] if one["name"] == "embedder"]
    assert volume["projected"]["sources"] == [
        {"secret": {"name": "embedder-key", "items": [{"key": "apiKey", "path": "apiKey"}]}}
    ]
    mounts = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert mounts["embedder"] == "/etc/soma/embedder"
    assert egress[1:] == [{"ports": [{"port": port, "protocol": "TCP"}]}]


def test_servers_that_share_a_store_are_replaced_one_after_the_other() -> None:
    """Where no server holds the storage alone, none goes before its successor has been ready for long enough."""
    spec: Manifest = {"updateStrategy": {"minReadySeconds": 20}}
    observed = observed_of(a_somamemory(spec=spec))
    shared = replace(resolve(observed), is_exclusive=False, replicas=Replicas(3))

    wished = deployment(shared, choice_of(observed).running)["spec"]

    assert wished["replicas"] == 3
    assert wished["minReadySeconds"] == 20
    assert wished["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }


def test_hibernation_stops_the_servers_and_changes_no_pod_template() -> None:
    """Asleep by the spec or by the annotation: no replicas, and what the pods are made of stays."""
    awake = one_of(DEPLOYMENT)["spec"]
    by_spec = one_of(DEPLOYMENT, {"hibernated": True})["spec"]
    by_annotation = one_of(DEPLOYMENT, annotations={"memory.soma.sh/hibernated": "true"})["spec"]

    assert by_spec == by_annotation == {**awake, "replicas": 0}


SCALED_BY_OTHERS = {
    "manager": "kube-controller-manager",
    "operation": "Update",
    "subresource": "scale",
    "fieldsV1": {"f:spec": {"f:replicas": {}}},
}


@pytest.mark.parametrize(
    ("present", "managers", "expected"),
    [
        (None, [], 2),
        (4, [], 4),
        (4, [SCALED_BY_OTHERS], None),
        (0, [SCALED_BY_OTHERS], 2),
    ],
    ids=["first", "before the autoscaler wrote", "after it wrote", "after hibernation"],
)
def test_the_number_of_replicas_is_left_to_the_autoscaler(
    present: int | None, managers: list[Manifest], expected: int | None
) -> None:
    """Once an autoscaler has written a number we write none; until then the present one is held."""
    resource = a_somamemory(
        spec={"autoscaling": {"type": "HPA", "minReplicas": 2, "maxReplicas": 5}}
    )
    live = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "mem", "managedFields": managers},
            "spec": {"replicas": present},
        }
    ]
    observed = observed_of(resource, children=live if present is not None else [])

    manifests = render(resolve(observed), choice_of(observed)).manifests

    deployment = next(one for one in manifests if kind_of(one) == DEPLOYMENT)
    assert deployment["spec"].get("replicas") == expected
    scaler = next(one for one in manifests if kind_of(one) == HORIZONTAL_POD_AUTOSCALER)
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 5)


def test_keda_scales_the_deployment() -> None:
    """Triggers are passed on as they are; where the kind is not known nothing is made of it, and the status says so."""
    keda = {
        "triggers": [
            {"type": "cron", "metadata": {"start": "0 8 * * *", "desiredReplicas": "3"}},
            {
                "type": "prometheus",
                "metadata": {"query": "up"},
                "metricType": "Value",
                "authenticationName": "prometheus",
            },
        ],
        "pollingIntervalSeconds": 15,
    }
    autoscaling = {"type": "KEDA", "minReplicas": 2, "maxReplicas": 5, "keda": keda}
    observed = observed_of(a_somamemory(spec={"autoscaling": autoscaling}))
    memory, choice = resolve(observed), choice_of(observed)

    [made] = [one for one in render(memory, choice).manifests if kind_of(one) == SCALED_OBJECT]
    unknown = render(memory, choice, frozenset({SCALED_OBJECT})).manifests

    assert made["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "mem"},
        "minReplicaCount": 2,
        "maxReplicaCount": 5,
        "pollingInterval": 15,
        "triggers": [
            {"type": "cron", "metadata": {"start": "0 8 * * *", "desiredReplicas": "3"}},
            {
                "type": "prometheus",
                "metadata": {"query": "up"},
                "metricType": "Value",
                "authenticationRef": {"name": "prometheus"},
            },
        ],
    }
    assert SCALED_OBJECT not in map(kind_of, unknown)
    assert HORIZONTAL_POD_AUTOSCALER not in map(kind_of, unknown)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"hibernated": True}, "0"),
        ({"bootstrap": {"type": "Backup", "backupName": "one"}}, "0"),
    ],
    ids=str,
)
def test_keda_starts_no_server_while_none_may_run(change: Manifest, expected: str | None) -> None:
    """Hibernated or being restored, a memory has no server whatever the triggers tell."""
    keda = {"triggers": [{"type": "cron", "metadata": {}}]}
    observed = observed_of(
        a_somamemory(spec={"autoscaling": {"type": "KEDA", "keda": keda}, **change})
    )

    manifests = render(resolve(observed), choice_of(observed)).manifests

    [made] = [one for one in manifests if kind_of(one) == SCALED_OBJECT]
    told = made["metadata"]["annotations"].get("autoscaling.keda.sh/paused-replicas")
    assert told == expected


@pytest.mark.parametrize(
    ("tag", "label"), [("_dev", "dev"), ("1.0-", "1.0"), ("___", None), ("v" * 128, "v" * 63)]
)
def test_a_version_is_a_label_whatever_the_tag_is(tag: str, label: str | None) -> None:
    """A tag may begin with what no label may begin with; the Deployment is not refused for it."""
    manifests = manifests_of(a_somamemory(spec={"image": {"tag": tag}}))

    [deployment] = [one for one in manifests if kind_of(one) == DEPLOYMENT]
    assert deployment["metadata"]["labels"].get("app.kubernetes.io/version") == label
