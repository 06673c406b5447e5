"""What the API server takes and refuses, and in which words; no operator runs."""

from collections.abc import Iterator
from typing import Any

import pytest

from soma_dev.crds import soma_memory_crd
from soma_operator.core.kinds import SOMA_MEMORY, Manifest
from soma_operator.core.status import CONDITION_TYPES
from tests.support.kube_api import KubeApi, Refused, Room, path_of

MOVE = "export the memories and import them into a new SomaMemory"


def embedded(**fields: str) -> Manifest:
    return {"storage": {"type": "Embedded", "embedded": fields}}


def a_spread(key: str) -> Manifest:
    return {"topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 1}


def openai(endpoint: str = "https://api.test/v1", **more: int) -> Manifest:
    return {"provider": "OpenAI", "openai": {"endpoint": endpoint, "model": "small"}, **more}


HPA = {"type": "HPA"}
CPU = {"resources": {"requests": {"cpu": "1"}}}

WINDOW = "updateStrategy.maintenanceWindows[].schedule"

TRIGGER = {"type": "cron", "metadata": {"start": "0 8 * * *"}}


def windows(**window: str | int) -> Manifest:
    return {"updateStrategy": {"maintenanceWindows": [window]}}


def variable(name: str = "TZ", **given: object) -> Manifest:
    return {"podTemplate": {"env": [{"name": name, **given}]}}


def patch(path: str, op: str = "add", **value: object) -> Manifest:
    return {"podTemplate": {"patches": [{"op": op, "path": path, **value}]}}


def files(mountPath: str = "/etc/ca", **source: str) -> Manifest:  # noqa: N803 - a field's name
    return {"podTemplate": {"volumes": [{"name": "ca", "mountPath": mountPath, **source}]}}


TLS = {"mode": "Secret", "secretName": "cert"}
ISSUER = {"issuerRef": {"name": "authority"}}
ISSUED: Manifest = {**TLS, "mode": "CertManager", "certManager": ISSUER}

VOLUME: Manifest = {"type": "Volume", "volume": {"claimName": "backups"}}
S3: Manifest = {
    "endpoint": "https://s3.test",
    "bucket": "memories",
    "credentialsSecretName": "s3",
}


def kept(target: Manifest = VOLUME, **policy: Any) -> Manifest:
    return {"backup": {"target": target, **policy}}


def on_volume(path: str) -> Manifest:
    return kept({"type": "Volume", "volume": {"claimName": "backups", "path": path}})


def in_bucket(**change: str) -> Manifest:
    return kept({"type": "S3", "s3": {**S3, **change}})


def begun(name: str, **more: str) -> Manifest:
    return {"bootstrap": {"type": "Location", "location": {"target": VOLUME, "name": name, **more}}}


TOKENS: Manifest = {"auth": {"type": "Tokens", "tokensSecretName": "callers"}}
MUTUAL: Manifest = {"tls": {**TLS, "clientAuth": "Require"}}
BAD_PATH = (
    "must be names of letters, digits, '.', '_' and '-' with '/' between them, none of them '..'"
)

CREATIONS = [
    (
        kept(schedule="*/15 0-6,22 1,31 1-12/2 0-7"),
        kept(schedule="60 * * * *"),
        "backup.schedule must be five numbers of cron, such as '30 2 * * *', or @hourly, @daily, @weekly, @monthly",
    ),
    (kept(schedule="@daily"), kept(schedule="@reboot"), "backup.schedule must be five numbers"),
    (kept(schedule="0 0 * * 7"), kept(schedule="0 0 * * 8"), "backup.schedule must be five"),
    (kept(schedule="0 0 * * *"), kept(schedule="0 0 * *"), "backup.schedule must be five numbers"),
    (
        kept(schedule="5-50/5 * * * *"),
        kept(schedule="50-5/5 * * * *"),
        "backup.schedule has a range whose end is before its beginning",
    ),
    (
        kept(schedule="@daily"),
        {"backup": {"schedule": "@daily"}},
        "backup.schedule needs backup.target: a place where the copies are kept",
    ),
    (
        kept({"type": "Volume", "volume": {"claimName": "bad-data"}}),
        kept({"type": "Volume", "volume": {"claimName": "bad-data"}}),
        "backup.target.volume.claimName must not be the memory's own claim, which its copies are to outlive",
    ),
    (
        {"deletionPolicy": "Snapshot", **kept()},
        {"deletionPolicy": "Snapshot"},
        "deletionPolicy Snapshot needs backup.target: a place where the last copy is kept",
    ),
    (
        {**TOKENS, **kept(schedule="@daily", tokenSecretName="token")},
        {**TOKENS, **kept(schedule="@daily")},
        "backup.schedule with auth.type Tokens needs backup.tokenSecretName: a Secret with a token of the scope backup",
    ),
    (
        {**MUTUAL, **kept(schedule="@daily", clientCertificateSecretName="cert")},
        {**MUTUAL, **kept(schedule="@daily")},
        "backup.schedule with tls.clientAuth Require needs backup.clientCertificateSecretName",
    ),
    (
        kept(VOLUME),
        kept({"type": "S3", "s3": S3, "volume": VOLUME["volume"]}),
        "target.volume goes with target.type Volume, and with no other",
    ),
    (kept(), kept({"type": "Volume"}), "target.volume goes with target.type Volume"),
    (
        kept({"type": "S3", "s3": S3}),
        kept({**VOLUME, "s3": S3}),
        "target.s3 goes with target.type S3, and with no other",
    ),
    (on_volume("a/..b/c."), on_volume("a/../b"), f"volume.path {BAD_PATH}"),
    (on_volume(""), on_volume("/a"), f"volume.path {BAD_PATH}"),
    (in_bucket(prefix="a/b"), in_bucket(prefix="a//b"), f"s3.prefix {BAD_PATH}"),
    (
        in_bucket(endpoint="http://10.0.0.1:9000"),
        in_bucket(endpoint="http://s3.test/bucket"),
        "s3.endpoint must be a URL without a path, such as 'https://s3.eu-central-1.amazonaws.com'",
    ),
    (
        in_bucket(bucket="a.b-c"),
        in_bucket(bucket="Memories"),
        "s3.bucket must be 3 to 63 characters of a-z, 0-9, '.' and '-', first and last a letter or digit",
    ),
    (
        begun("a/mem.sqlite3"),
        begun("../mem.sqlite3"),
        "bootstrap.location.name must be the copy's file or key below volume.path or s3.prefix",
    ),
    (
        begun("mem", sha256="a" * 64),
        begun("mem", sha256="a" * 63),
        "bootstrap.location.sha256 must be 64 hexadecimal digits",
    ),
    (
        {"bootstrap": {"type": "Backup", "backupName": "nightly"}},
        {"bootstrap": {"type": "Backup"}},
        "bootstrap.backupName goes with bootstrap.type Backup, and with no other",
    ),
    (
        begun("mem"),
        {"bootstrap": {**begun("mem")["bootstrap"], "type": "Empty"}},
        "bootstrap.location goes with bootstrap.type Location, and with no other",
    ),
    (
        {"tls": TLS},
        {"tls": {"mode": "Secret"}},
        "tls.mode Secret needs tls.secretName: a Secret with tls.crt and tls.key",
    ),
    (
        {"tls": {**ISSUED, "clientAuth": "Require"}},
        {"tls": {**ISSUED, "secretName": None}},
        "tls.mode CertManager needs tls.secretName: the Secret that cert-manager is to keep",
    ),
    *(
        (
            {"tls": ISSUED},
            {"tls": tls},
            "tls.certManager goes with tls.mode CertManager, and with no other",
        )
        for tls in ({**TLS, "certManager": ISSUER}, {**ISSUED, "certManager": None})
    ),
    (
        {"tls": {**ISSUED, "certManager": {**ISSUER, "duration": "720h30m"}}},
        {"tls": {**ISSUED, "certManager": {**ISSUER, "duration": "30d"}}},
        "should match",
    ),
    (
        {"tls": {**TLS, "clientAuth": "Require"}},
        {"tls": {"clientAuth": "Require"}},
        "tls.clientAuth Require needs tls.mode Secret or CertManager: without TLS there are no certificates",
    ),
    (
        {"tls": {**TLS, "clientAuth": "Require", "clientCaSecretName": "authority"}},
        {"tls": {**TLS, "clientCaSecretName": "authority"}},
        "tls.clientCaSecretName is read with tls.clientAuth Require only: set it, or remove the name",
    ),
    (
        {"auth": {"type": "Tokens", "tokensSecretName": "callers"}},
        {"auth": {"type": "Tokens"}},
        "auth.type Tokens needs auth.tokensSecretName: a Secret with tokens.toml",
    ),
    (
        {"autoscaling": {"maxReplicas": 1}},
        {"autoscaling": {"maxReplicas": 2}},
        "autoscaling.maxReplicas must be 1 with storage.type Embedded: one volume is held by one server",
    ),
    (
        {"autoscaling": {"minReplicas": 1}},
        {"autoscaling": {"minReplicas": 2}},
        "autoscaling.minReplicas must not be above autoscaling.maxReplicas (default 1)",
    ),
    (
        {"autoscaling": HPA, **CPU},
        {"autoscaling": HPA, "resources": {"requests": {"memory": "1Gi"}}},
        "autoscaling.type HPA compares with resources.requests.cpu: name one",
    ),
    (
        {"autoscaling": HPA, "className": "gold"},
        {"autoscaling": {"type": "KEDA"}},
        "autoscaling.keda goes with autoscaling.type KEDA, and with no other",
    ),
    (
        {"autoscaling": {"type": "KEDA", "keda": {"triggers": [TRIGGER]}}},
        {"autoscaling": {"keda": {"triggers": [TRIGGER]}}},
        "autoscaling.keda goes with autoscaling.type KEDA, and with no other",
    ),
    (
        {"autoscaling": {"type": "KEDA", "keda": {"triggers": [TRIGGER, TRIGGER]}}},
        {"autoscaling": {"type": "KEDA", "keda": {"triggers": []}}},
        "should have at least 1 items",
    ),
    (
        windows(schedule="0 2 * * 6", durationMinutes=10080),
        windows(schedule="2 o'clock", durationMinutes=60),
        f"{WINDOW} must be five numbers of cron, such as '30 2 * * *', or @hourly, @daily, @weekly, @monthly",
    ),
    (
        windows(schedule="@weekly", durationMinutes=1),
        windows(schedule="@weekly", durationMinutes=0),
        "should be greater than or equal to 1",
    ),
    ({"updateStrategy": {"type": "OnDelete"}}, windows(schedule="@daily"), "Required value"),
    (
        {"podTemplate": {"labels": {"team": "a"}}},
        {"podTemplate": {"labels": {"app.kubernetes.io/name": "b"}}},
        "podTemplate.labels must not begin with 'app.kubernetes.io/': these are the operator's",
    ),
    (
        {"podTemplate": {"annotations": {"team": "a"}}},
        {"podTemplate": {"annotations": {"memory.soma.sh/restartedAt": "b"}}},
        "podTemplate.annotations must not begin with 'memory.soma.sh/': these are the operator's",
    ),
    (
        variable(value="UTC"),
        variable(value="UTC", valueFrom={"secretKeyRef": {"name": "a", "key": "b"}}),
        "a variable has either a value or valueFrom",
    ),
    (
        variable(valueFrom={"secretKeyRef": {"name": "a", "key": "b"}}),
        variable(valueFrom={}),
        "valueFrom is either a configMapKeyRef or a secretKeyRef",
    ),
    (
        variable(name="SOMAX", value=""),
        variable(name="SOMA_STORE", value="memory"),
        "podTemplate.env must not begin with 'SOMA_': the server's settings are fields of the spec",
    ),
    (
        variable(name="asoma_", value=""),
        variable(name="soma_Data_dir", value="/tmp"),
        "podTemplate.env must not begin with 'SOMA_': the server's settings are fields of the spec",
    ),
    (variable(name="_a9", value="b"), variable(name="a-b", value="c"), "should match"),
    (
        files(configMapName="a"),
        files(configMapName="a", secretName="b"),
        "a volume has either a configMapName or a secretName",
    ),
    *(
        (
            files(mountPath="/etc/ca-1/b.d/", secretName="a"),
            files(mountPath=path, secretName="a"),
            "should match",
        )
        for path in ("etc/ca", "/", "/etc/../data", "//data", "/./data", "/a:b")
    ),
    (
        files(mountPath="/database", secretName="a"),
        files(mountPath="/data/more", secretName="a"),
        "mountPath must not be in /data, /tmp, /app, /opt/soma or /etc/soma: these are the server's",
    ),
    (
        {"podTemplate": {"securityContext": {"runAsUser": 20001, "fsGroup": 0}}},
        {"podTemplate": {"securityContext": {"type": "Assigned", "fsGroup": 0}}},
        "securityContext.type Assigned leaves runAsUser, runAsGroup and fsGroup to the cluster: remove them",
    ),
    (
        {"podTemplate": {"securityContext": {"type": "Assigned", "supplementalGroups": [1]}}},
        {"podTemplate": {"securityContext": {"runAsUser": 0}}},
        "should be greater than or equal to 1",
    ),
    *(
        (
            patch("/spec/containers/0/lifecycle", value={"preStop": {"sleep": {"seconds": 1}}}),
            patch(path, value="a"),
            "patches must leave names, labels, image, environment and data of the server alone: these have fields",
        )
        for path in (
            "/spec/containers",
            "/spec/containers/0",
            "/spec/containers/0/env",
            "/spec/containers/0/env/-",
            "/spec/containers/0/image",
            "/spec/containers/0/volumeMounts",
            "/spec/containers/0/volumeMounts/0",
            "/spec/containers/0/volumeMounts/0/name",
            "/spec/volumes/0/persistentVolumeClaim/claimName",
            "/metadata/labels/app.kubernetes.io~1name",
            "/metadata/annotations/memory.soma.sh~1config-hash",
        )
    ),
    *(
        (
            patch("/metadata/labels/team", value="a"),
            patch(path, value="a"),
            "patches must have paths in /spec, /metadata/labels or /metadata/annotations of the pod's template",
        )
        for path in ("/spec", "/metadata/labels", "/metadata/name", "/status/phase")
    ),
    (
        patch("/metadata/annotations/a.test~1b", "remove"),
        patch("/spec/~2"),
        "should match",
    ),
    (
        patch("/spec/containers/-", value={"name": "proxy", "image": "proxy.test/a"}),
        patch("/spec/hostname", "move"),
        "Unsupported value",
    ),
    (
        {"podTemplate": {"tolerations": [{"operator": "Exists"}, {"key": "a", "value": "b"}]}},
        {"podTemplate": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
        "a toleration with the operator Exists has no value: remove one of them",
    ),
    (
        {"podTemplate": {"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]}},
        {"podTemplate": {"tolerations": [{"effect": "NoExecute"}]}},
        "a toleration without a key tolerates every taint, which takes the operator Exists",
    ),
    (
        {"podTemplate": {"topologySpreadConstraints": [a_spread("zone"), a_spread("host")]}},
        {"podTemplate": {"topologySpreadConstraints": [a_spread("zone"), a_spread("zone")]}},
        "Duplicate value",
    ),
    (
        {"monitoring": {"podMonitor": {"interval": "30s"}}},
        {"monitoring": {"podMonitor": {"interval": "soon"}}},
        "monitoring.podMonitor.interval must be a number and 's', 'm' or 'h', such as '30s'",
    ),
    (
        {"replicas": 1},
        {"replicas": 2},
        "storage.type Embedded keeps all memories on one volume, which one server holds: replicas must be 0 or 1",
    ),
    ({"replicas": 0}, {"replicas": -1}, "should be greater than or equal to 0"),
    ({"replicas": 1}, {"replicas": "one"}, 'must be of type integer: "string"'),
    (
        {"embeddings": {"dimensions": 128}},
        {"embeddings": {"dimensions": 100}},
        "embeddings.dimensions must be 64, 128 or 256 with the provider Wordllama",
    ),
    (
        {"embeddings": {"provider": "None", "dimensions": 100}},
        {"embeddings": {"provider": "None", "dimensions": 1}},
        "should be greater than or equal to 2",
    ),
    (
        {"embeddings": openai()},
        {"embeddings": {"provider": "OpenAI"}},
        "embeddings.openai goes with embeddings.provider OpenAI, and with no other",
    ),
    (
        {"embeddings": openai(dimensions=1536)},
        {"embeddings": {**openai(), "provider": "None"}},
        "embeddings.openai goes with embeddings.provider OpenAI",
    ),
    (
        {"embeddings": openai("http://embedder.models.svc:65535/v1")},
        {"embeddings": openai("http://embedder.models.svc:65536/v1")},
        "openai.endpoint must be the base URL of the API, such as 'https://api.openai.com/v1'",
    ),
    (
        {"embeddings": openai("https://a-1.test/openai/v1")},
        {"embeddings": openai("https://me:secret@a.test/v1")},
        "openai.endpoint must be the base URL of the API",
    ),
    (
        {"updateStrategy": {"minReadySeconds": 599}},
        {"updateStrategy": {"minReadySeconds": 600}},
        "updateStrategy.minReadySeconds must be less than updateStrategy.progressDeadlineSeconds (default 600)",
    ),
    (
        {"updateStrategy": {"minReadySeconds": 9, "progressDeadlineSeconds": 10}},
        {"updateStrategy": {"minReadySeconds": 10, "progressDeadlineSeconds": 10}},
        "updateStrategy.minReadySeconds must be less than updateStrategy.progressDeadlineSeconds",
    ),
    (
        {"limits": {"maxPayloadBytes": 16777216}, "className": "gold"},
        {"limits": {"maxPayloadBytes": 16777216}},
        "limits.maxMessageBytes (default 8388608) must be larger than limits.maxPayloadBytes",
    ),
    (
        {"limits": {"maxPayloadBytes": 1048576}},
        {"limits": {"maxPayloadBytes": 1048576, "maxMessageBytes": 65536}},
        "limits.maxMessageBytes (default 8388608) must be larger than limits.maxPayloadBytes",
    ),
    (
        embedded(size="1.5Gi"),
        embedded(size="big"),
        "storage.embedded.size must be a quantity above zero, such as '10Gi'",
    ),
    (
        embedded(size="1"),
        embedded(size="0Gi"),
        "storage.embedded.size must be a quantity above zero, such as '10Gi'",
    ),
    (
        {"image": {"tag": "v1.0_b-2"}},
        {"image": {"tag": "-1"}},
        "image.tag must be letters, digits, '_', '.', '-', and start with a letter, digit or '_'",
    ),
    (
        {"image": {"digest": "sha256:" + "a" * 64}},
        {"image": {"digest": "sha256:abc"}},
        "image.digest must be 'sha256:' and 64 hexadecimal digits",
    ),
    (
        {"service": {"port": 65535}},
        {"service": {"port": 8080}},
        "service.port 8080 is taken by health and metrics: choose another, such as 50053",
    ),
    ({"service": {"port": 1}}, {"service": {"port": 0}}, "should be greater than or equal to 1"),
    ({}, {"service": {"port": 65536}}, "should be less than or equal to 65535"),
    ({}, {"storage": {"type": "Postgres"}}, 'supported values: "Embedded"'),
    ({}, {"stroage": {}}, 'unknown field "spec.stroage"'),
    (
        {"resources": {"requests": {"cpu": "500m", "memory": 1}}},
        {"resources": {"requests": {"cpu": "half"}}},
        "should match",
    ),
    (
        {"image": {"pullSecrets": [{"name": "a"}, {"name": "b"}]}},
        {"image": {"pullSecrets": [{"name": "a"}, {"name": "a"}]}},
        "Duplicate value",
    ),
]

UPDATES = [
    (
        begun("mem"),
        {**begun("mem"), "paused": True},
        begun("other"),
        "bootstrap cannot be changed: it speaks of the first start; create a new SomaMemory",
    ),
    (
        {},
        {"paused": True},
        begun("mem"),
        "bootstrap cannot be changed: it speaks of the first start; create a new SomaMemory",
    ),
    (
        embedded(storageClassName="fast"),
        {**embedded(storageClassName="fast"), "paused": True},
        embedded(storageClassName="slow"),
        f"storage.embedded.storageClassName cannot be changed: {MOVE}",
    ),
    (
        {},
        {"paused": True},
        embedded(storageClassName="fast"),
        f"storage.embedded.storageClassName cannot be changed: {MOVE}",
    ),
    (
        embedded(accessMode="ReadWriteOncePod"),
        {**embedded(accessMode="ReadWriteOncePod"), "paused": True},
        {"paused": True},
        f"storage.embedded.accessMode cannot be changed: {MOVE}",
    ),
    (
        {},
        embedded(accessMode="ReadWriteOnce"),
        embedded(accessMode="ReadWriteOncePod"),
        f"storage.embedded.accessMode cannot be changed: {MOVE}",
    ),
    (
        embedded(size="10Gi"),
        embedded(size="0.02Ti"),
        embedded(size="9999Mi"),
        f"storage.embedded.size cannot shrink: {MOVE}",
    ),
    (
        {},
        embedded(size="10240Mi"),
        embedded(size="1Gi"),
        f"storage.embedded.size cannot shrink: {MOVE}",
    ),
    (
        # A class may say less than the default: how large its volume is, the operator sees.
        {"className": "gold"},
        {"className": "gold", **embedded(size="4Gi")},
        {"className": "gold", **embedded(size="0Gi")},
        "storage.embedded.size must be a quantity above zero, such as '10Gi'",
    ),
    (
        {"className": "gold", **embedded(size="4Gi")},
        {"className": "gold", **embedded(size="5Gi")},
        {"className": "gold", **embedded(size="3Gi")},
        f"storage.embedded.size cannot shrink: {MOVE}",
    ),
    (
        {"embeddings": {"dimensions": 64}},
        {"embeddings": {"dimensions": 64, "provider": "None"}},
        {"embeddings": {"dimensions": 128}},
        f"embeddings.dimensions cannot be changed: {MOVE}",
    ),
    (
        {},
        {"embeddings": {"dimensions": 256}},
        {"embeddings": {"dimensions": 128}},
        f"embeddings.dimensions cannot be changed: {MOVE}",
    ),
]

ONE_STORAGE_TYPE = f"storage.type cannot be changed: {MOVE}"
"""The sentence of the rule that cannot be broken while there is one type; the type Postgres gives it its case."""


BAD_NAME = (
    "metadata.name must be at most 52 characters of a-z, 0-9 and '-', first a letter, last not '-'"
)


@pytest.mark.parametrize(("good", "bad", "sentence"), CREATIONS)
def test_a_bad_creation_is_refused_with_a_sentence(
    room: Room, good: Manifest, bad: Manifest, sentence: str
) -> None:
    """Of two neighbours the good one is taken, the bad one refused in words that a person understands."""
    room.make("good", good)

    with pytest.raises(Refused) as caught:
        room.make("bad", bad)

    assert sentence in caught.value.message


@pytest.mark.parametrize(("before", "good", "bad", "sentence"), UPDATES)
def test_a_bad_update_is_refused_with_a_sentence(
    room: Room, before: Manifest, good: Manifest, bad: Manifest, sentence: str
) -> None:
    """What cannot be changed stays, and other changes of the same resource are taken."""
    made = room.make("mem", before)
    path = path_of(SOMA_MEMORY, room.namespace, "mem")

    with pytest.raises(Refused) as caught:
        room.api.request("PUT", path, {**made, "spec": bad})
    room.api.request("PUT", path, {**made, "spec": good})

    assert sentence in caught.value.message


@pytest.mark.parametrize("name", ["a", "a-1", "a" * 52])
def test_good_names_are_taken(room: Room, name: str) -> None:
    """Names that a Service and a volume can be made of are taken."""
    room.make(name)


@pytest.mark.parametrize("name", ["1a", "a.b", "a" * 53])
def test_bad_names_are_refused(room: Room, name: str) -> None:
    """Names that no Service can have are refused before anything is made."""
    with pytest.raises(Refused) as caught:
        room.make(name)

    assert BAD_NAME in caught.value.message


def test_every_rule_has_its_case() -> None:
    """No sentence of the CRD goes without a test that breaks its rule."""
    cases = {case[-1] for case in (*CREATIONS, *UPDATES)} | {ONE_STORAGE_TYPE, BAD_NAME}

    assert set(_sentences(soma_memory_crd())) <= cases


def _sentences(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", []))
        for part in schema.values():
            yield from _sentences(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _sentences(part)


def test_a_new_resource_counts_as_not_yet_observed(room: Room) -> None:
    """Until the operator has looked, kstatus and Argo CD see a resource in progress."""
    made = room.make()

    assert made["status"] == {"observedGeneration": -1}


def test_the_api_server_writes_no_default_but_the_number_of_replicas(room: Room) -> None:
    """What a user left open stays open in the stored spec; an absent spec is the empty one."""
    manifest = room.manifest()
    del manifest["spec"]

    assert room.api.create(manifest)["spec"] == {"replicas": 1}


def test_the_status_is_written_through_its_subresource_only(room: Room) -> None:
    """A status in a user's manifest is ignored."""
    made = room.make()

    edited = room.edit({"status": {"observedGeneration": 7}})

    assert edited["status"] == made["status"]


def test_the_table_of_kubectl_shows_the_state(room: Room, api: KubeApi) -> None:
    """`kubectl get smem` prints readiness, reason, pods, version and age."""
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": "Because",
            "message": "all is well",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind in CONDITION_TYPES
    ]
    room.make()
    status = {"readyReplicas": 1, "version": "1.2", "conditions": conditions}
    api.patch(SOMA_MEMORY, room.namespace, "mem", {"status": status}, "/status")

    table = _table(api, room.namespace)

    assert table == {"Name": "mem", "Ready": "True", "Status": "Because", "Replicas": 1, "Version": "1.2"}  # fmt: skip


def _table(api: KubeApi, namespace: str) -> dict[str, Any]:
    path = path_of(SOMA_MEMORY, namespace)
    table = api.request("GET", path, accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    columns = [one["name"] for one in table["columnDefinitions"] if one["priority"] == 0]
    cells = dict(zip(columns, table["rows"][0]["cells"], strict=False))
    return {name: value for name, value in cells.items() if name != "Age"}
