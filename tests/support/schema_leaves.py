"""The leaves of the CRD's spec, and values for each: made from the schema, so that a new field cannot be forgotten."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from soma_dev.crds import soma_memory_crd
from soma_operator.core.kinds import Manifest

Schema = dict[str, Any]

TEXTS: dict[str, list[Any]] = {
    "backup.schedule": ["30 2 * * *", "@daily"],
    "backup.target.s3.endpoint": ["https://one.test", "http://two.test:9000"],
    "embeddings.openai.endpoint": ["https://api.test/v1", "http://embedder.test:8000"],
    "bootstrap.location.sha256": ["a" * 64, "b" * 64],
    "bootstrap.location.target.s3.endpoint": ["https://one.test", "http://two.test:9000"],
    "image.digest": ["sha256:" + "a" * 64, "sha256:" + "b" * 64],
    "monitoring.podMonitor.interval": ["15s", "1h"],
    "storage.embedded.size": ["20Gi", "0.5Ti"],
    "tls.certManager.duration": ["2160h", "1h30m"],
    "tls.certManager.renewBefore": ["360h", "30m1s"],
}
"""Values of texts that have a form of their own."""

ENUMS: dict[str, list[Any]] = {
    "autoscaling.type": ["None", "HPA"],
    "backup.target.type": ["Volume"],
    "bootstrap.location.target.type": ["Volume"],
    "bootstrap.type": ["Empty"],
    "embeddings.provider": ["Wordllama", "None"],
    "tls.mode": ["Disabled", "Secret"],
}
"""Values of discriminators; the others go with another part of the union, and are met by its leaves."""

INTEGERS: dict[str, list[Any]] = {
    "autoscaling.maxReplicas": [1],
    "autoscaling.minReplicas": [1],
    "embeddings.dimensions": [64, 128],
    "replicas": [0, 1],
}
"""Values of numbers whose bounds another field narrows."""


def _anti_affinity(weight: int) -> Manifest:
    term = {"weight": weight, "podAffinityTerm": {"topologyKey": "zone"}}
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}


OBJECTS: dict[str, list[Any]] = {
    "podTemplate.affinity": [_anti_affinity(weight) for weight in (1, 100)],
    "backup.resources.requests": [{"cpu": "500m"}, {"cpu": "1", "memory": "1Gi"}],
    "backup.resources.limits": [{"memory": "1Gi"}, {"memory": "2Gi", "cpu": 2}],
    "resources.requests": [{"cpu": "500m"}, {"cpu": "1", "memory": "1Gi"}],
    "resources.limits": [{"memory": "1Gi"}, {"memory": "2Gi", "cpu": 2}],
}

CRON: Manifest = {"type": "cron", "metadata": {"start": "0 8 * * *", "desiredReplicas": "1"}}

ITEMS: dict[str, list[Any]] = {
    "autoscaling.keda.triggers": [CRON, {"type": "cpu", "metadata": {"value": "80"}}],
    "podTemplate.env": [
        {"name": "TZ", "value": "UTC"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "one", "key": "a"}}},
    ],
    "podTemplate.patches": [
        {
            "op": "add",
            "path": "/spec/hostAliases",
            "value": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
        },
        {"op": "replace", "path": "/spec/containers/0/livenessProbe/periodSeconds", "value": 20},
    ],
    "podTemplate.securityContext.supplementalGroups": [7, 8],
    "podTemplate.volumes": [
        {"name": "ca", "mountPath": "/etc/ssl/ca", "configMapName": "authorities"},
        {"name": "more", "mountPath": "/etc/more", "secretName": "two"},
    ],
    "tls.certManager.dnsNames": ["memory.one.test", "memory.two.test"],
    "updateStrategy.maintenanceWindows": [
        {"schedule": "0 2 * * 6", "durationMinutes": 1},
        {"schedule": "@daily", "durationMinutes": 10080},
    ],
    "networkPolicy.allowFrom": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}],
    "networkPolicy.egress": [
        {"ports": [{"port": 1, "protocol": "TCP"}]},
        {"to": [{"podSelector": {}}]},
    ],
}

VOLUME: Manifest = {"type": "Volume", "volume": {"claimName": "backups"}}
S3: Manifest = {
    "type": "S3",
    "s3": {
        "endpoint": "https://s3.test",
        "bucket": "memories",
        "credentialsSecretName": "one",
    },
}


def _from(target: Manifest) -> Manifest:
    location = {"target": target, "name": "mem.sqlite3"}
    return {"bootstrap": {"type": "Location", "location": location}}


OPENAI: Manifest = {
    "provider": "OpenAI",
    "openai": {"endpoint": "https://api.test/v1", "model": "small"},
}

BESIDE: dict[str, Manifest] = {
    "backup": {"backup": {"target": VOLUME}},
    "backup.target.s3": {"backup": {"target": S3}},
    "bootstrap.backupName": {"bootstrap": {"type": "Backup"}},
    "bootstrap.location": _from(VOLUME),
    "bootstrap.location.target.s3": _from(S3),
    "embeddings.openai": {"embeddings": OPENAI},
    "updateStrategy.minReadySeconds": {"updateStrategy": {"progressDeadlineSeconds": 86400}},
    "deletionPolicy": {"backup": {"target": VOLUME}},
    "tls": {"tls": {"mode": "Secret", "secretName": "cert", "clientAuth": "Require"}},
    "tls.mode": {"tls": {"secretName": "cert"}},
    "tls.certManager": {
        "tls": {
            "mode": "CertManager",
            "secretName": "cert",
            "certManager": {"issuerRef": {"name": "authority"}},
        }
    },
    "auth": {"auth": {"tokensSecretName": "callers"}},
    "autoscaling": {"resources": {"requests": {"cpu": "1"}}},
    "autoscaling.keda": {"autoscaling": {"type": "KEDA", "keda": {"triggers": [CRON]}}},
    "limits.maxMessageBytes": {"limits": {"maxPayloadBytes": 1024}},
    "limits.maxPayloadBytes": {"limits": {"maxMessageBytes": 256 * 1024 * 1024}},
}
"""What a leaf needs beside it to be a sensible wish."""

SECRETS = ("cert", "callers", "one", "two")
"""Names of Secrets in these values."""

WRONG: dict[str, Any] = {
    "string": 7,
    "integer": "seven",
    "boolean": "maybe",
    "array": {},
    "object": "text",
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One field of the spec that has no fields of its own.

    Attributes:
        good: Two values at least, where there are two; the bounds among them.
        bad: Values of another type, or just beyond the bounds.
        is_required: Whether what the field belongs to cannot be without it.
    """

    path: str
    good: tuple[Any, ...]
    bad: tuple[Any, ...]
    is_required: bool = False

    def spec(self, value: Any) -> Manifest:
        """Return a spec with this value and what it needs beside it."""
        spec: Manifest = {}
        for prefix, beside in BESIDE.items():
            if self.path.startswith(prefix):
                spec = deepcopy(beside)
        *steps, last = self.path.split(".")
        inner = spec
        for step in steps:
            inner = inner.setdefault(step, {})
        inner[last] = value
        return spec

    @property
    def without(self) -> Manifest:
        """The spec in which this field is left out, and what is beside it is not, unless it needs the field."""
        spec = self.spec(None)
        *steps, last = self.path.split(".")
        if self.is_required:
            del spec[steps[0]]
            return spec
        inner = spec
        for step in steps:
            inner = inner[step]
        del inner[last]
        return spec


def leaves() -> list[Leaf]:
    """Return every leaf of the spec."""
    root = soma_memory_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return [
        Leaf(path, tuple(_good(path, one)), tuple(_bad(path, one)), is_required)
        for path, one, is_required in _walk(root["properties"]["spec"], "")
    ]


def _walk(schema: Schema, path: str) -> Iterator[tuple[str, Schema, bool]]:
    for name, part in schema["properties"].items():
        inner = f"{path}.{name}".lstrip(".")
        if "properties" in part:
            yield from _walk(part, inner)
        else:
            yield inner, part, name in schema.get("required", [])


def _good(path: str, schema: Schema) -> list[Any]:
    if "enum" in schema:
        return ENUMS.get(path) or list(schema["enum"])
    kind = schema.get("type")
    if kind == "boolean":
        return [True, False]
    if kind == "integer":
        return INTEGERS.get(path) or [schema["minimum"], schema["minimum"] + 1, schema["maximum"]]
    if kind == "array":
        items = ITEMS.get(path) or _items(schema["items"])
        return [items[:1], items]
    if kind == "object":
        return OBJECTS.get(path) or [{"a.test/one": "1"}, {"a.test/one": "2", "b": "x"}]
    return TEXTS.get(path) or ["one", "two"]


def _items(schema: Schema) -> list[Manifest]:
    """Return two items that have all that is required, with different values where there are any."""
    made: list[Manifest] = [{}, {}]
    for name, part in schema["properties"].items():
        if name in schema.get("required", []):
            values = _good(name, part)
            made[0][name], made[1][name] = values[0], values[1]
    return made if made[0] else [{"key": "one", "value": "x"}, {"operator": "Exists"}]


def _bad(path: str, schema: Schema) -> list[Any]:
    wrong: list[Any] = [WRONG[schema["type"]]] if "type" in schema else []
    wrong += [schema["minimum"] - 1] if "minimum" in schema else []
    wrong += [schema["maximum"] + 1] if "maximum" in schema else []
    wrong += ["x" * (schema["maxLength"] + 1)] if "maxLength" in schema else []
    wrong += [""] if schema.get("minLength") else []
    wrong += ["Nonsense"] if "enum" in schema else []
    if schema.get("type") == "array":
        wrong.append(_good(path, schema)[0] * (schema["maxItems"] + 1))
    if "maxProperties" in schema:
        wrong.append({f"key-{number}": "x" for number in range(schema["maxProperties"] + 1)})
    return wrong
