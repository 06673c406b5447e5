"""A few words to the API server, as a user, a kubelet or a controller would say them."""

import http.client
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from soma_dev.control_plane import ControlPlane
from soma_operator.core.kinds import (
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SOMA_MEMORY,
    Kind,
    Manifest,
    kind_of,
    name_of,
)
from soma_operator.core.render.metadata import labels_of
from soma_operator.core.resolve import resolve
from tests.support.somamemories import a_somamemory, observed_of

Found = TypeVar("Found")

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Refused(Exception):
    """The API server's answer was no."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class KubeApi:
    """One user's way to the API server."""

    plane: ControlPlane
    token: str

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Manifest:
        """Ask, and return the answer.

        Raises:
            Refused: The answer was not a success.
        """
        answer: Manifest = json.loads(self.text(method, path, body, content_type, accept))
        return answer

    def text(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> str:
        """Ask, and return the answer as it is."""
        address = urlsplit(self.plane.base_url)
        context = ssl.create_default_context(cafile=str(self.plane.ca_file))
        connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, context=context, timeout=30
        )
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": content_type,
            "Accept": accept,
        }
        try:
            connection.request(
                method, path, json.dumps(body) if body is not None else None, headers
            )
            response = connection.getresponse()
            answer = response.read().decode()
        finally:
            connection.close()
        if response.status >= 300:
            raise Refused(response.status, _message(answer))
        return answer

    def create(self, manifest: Manifest) -> Manifest:
        """Make an object, as `kubectl create` does: unknown fields are refused."""
        path = path_of(kind_of(manifest), manifest["metadata"]["namespace"])
        return self.request("POST", f"{path}?fieldValidation=Strict", manifest)

    def read(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Return an object; None when there is none."""
        try:
            return self.request("GET", path_of(kind, namespace, name))
        except Refused as refusal:
            if refusal.code == 404:
                return None
            raise

    def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """Return an object that is there."""
        return self.request("GET", path_of(kind, namespace, name))

    def find(self, kind: Kind, namespace: str) -> list[Manifest]:
        """Return all objects of a kind."""
        items: list[Manifest] = self.request("GET", path_of(kind, namespace))["items"]
        return items

    def patch(
        self, kind: Kind, namespace: str, name: str, change: Manifest, subresource: str = ""
    ) -> Manifest:
        """Change fields by hand, as `kubectl edit` does."""
        return self.request("PATCH", path_of(kind, namespace, name) + subresource, change, MERGE)

    def apply(self, manifest: Manifest, manager: str) -> Manifest:
        """Apply as another field manager."""
        path = path_of(kind_of(manifest), manifest["metadata"].get("namespace"), name_of(manifest))
        return self.request("PATCH", f"{path}?fieldManager={manager}&force=true", manifest, APPLY)

    def history(self, kind: Kind, namespace: str, since: str) -> list[Manifest]:
        """Return every state that objects of a kind had after a resource version."""
        query = f"watch=1&resourceVersion={since}&timeoutSeconds=1"
        lines = self.text("GET", f"{path_of(kind, namespace)}?{query}").splitlines()
        return [event["object"] for event in map(json.loads, lines) if event["type"] != "DELETED"]

    def delete(self, kind: Kind, namespace: str | None, name: str) -> None:
        """Delete an object."""
        self.request("DELETE", path_of(kind, namespace, name), {"propagationPolicy": "Background"})


def _message(answer: str) -> str:
    try:
        return str(json.loads(answer).get("message"))
    except ValueError:
        return answer  # A path that is not served yet is answered in plain text.


def path_of(kind: Kind, namespace: str | None, name: str | None = None) -> str:
    """Return where objects are."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    scope = f"/namespaces/{namespace}" if namespace and kind.namespaced else ""
    return f"{root}{scope}/{kind.plural}" + (f"/{name}" if name else "")


@dataclass(frozen=True, slots=True)
class Room:
    """One namespace of one test, and the parts that no controller plays on a bare API server."""

    api: KubeApi
    namespace: str

    def make(self, name: str = "mem", spec: Manifest | None = None, **more: Any) -> Manifest:
        """Create a SomaMemory."""
        return self.api.create(self.manifest(name, spec, **more))

    def manifest(self, name: str = "mem", spec: Manifest | None = None, **more: Any) -> Manifest:
        """Return a SomaMemory as a user writes it."""
        metadata = {"name": name, "namespace": self.namespace, **more}
        return {
            "apiVersion": SOMA_MEMORY.api_version,
            "kind": SOMA_MEMORY.name,
            "metadata": metadata,
            "spec": spec or {},
        }

    def clear(self) -> None:
        """Delete every SomaMemory; none waits for an operator that has ended."""
        for one in self.api.find(SOMA_MEMORY, self.namespace):
            if one["metadata"].get("finalizers"):
                self.edit({"metadata": {"finalizers": None}}, name_of(one))
        self.api.request("DELETE", path_of(SOMA_MEMORY, self.namespace))

    def status(self, name: str = "mem") -> Manifest:
        """Return the status of a SomaMemory."""
        status: Manifest = self.api.get(SOMA_MEMORY, self.namespace, name)["status"]
        return status

    def edit(self, change: Manifest, name: str = "mem", kind: Kind = SOMA_MEMORY) -> Manifest:
        """Change an object by hand."""
        return self.api.patch(kind, self.namespace, name, change)

    def child(self, kind: Kind, name: str = "mem") -> Manifest:
        """Wait for a child and return it."""
        return eventually(lambda: self.api.read(kind, self.namespace, name))

    def secret(self, name: str) -> None:
        """Make a Secret."""
        metadata = {"name": name, "namespace": self.namespace}
        data = {"stringData": {"tls.crt": "not shown to anybody"}}
        self.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **data})

    def bind(self, name: str = "mem") -> None:
        """Play the volume controllers: give the claim its volume."""
        claim = self.child(PERSISTENT_VOLUME_CLAIM, f"{name}-data")
        size = claim["spec"]["resources"]["requests"]["storage"]
        status = {"phase": "Bound", "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"]}
        self.api.patch(
            PERSISTENT_VOLUME_CLAIM, self.namespace, f"{name}-data", {"status": status}, "/status"
        )

    def roll_out(self, name: str = "mem", *, ready: int | None = None) -> None:
        """Play the Deployment controller and the kubelet: the pods of the newest template are there."""
        deployment = self.child(DEPLOYMENT, name)
        wished = deployment["spec"]["replicas"]
        count = wished if ready is None else ready
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": wished,
            "updatedReplicas": wished,
            "readyReplicas": count,
            "availableReplicas": count,
        }
        self.api.patch(DEPLOYMENT, self.namespace, name, {"status": status}, "/status")

    def run(self, name: str = "mem") -> Manifest:
        """Play everything until the SomaMemory is ready; return its status."""
        self.bind(name)

        def look() -> Manifest | None:
            self.roll_out(name)
            return self._condition("Ready", "True", None, name)

        return eventually(look, or_say=lambda: str(self.status(name)))

    def wait_for_image(self, tag: str, name: str = "mem") -> None:
        """Wait until the Deployment asks for this tag."""
        eventually(lambda: f":{tag}" in str(self.child(DEPLOYMENT, name)["spec"]) or None)

    def pod(self, status: Manifest, name: str = "mem") -> None:
        """Play the kubelet: a pod of the SomaMemory with this status."""
        labels = labels_of(resolve(observed_of(a_somamemory(name))))
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{name}-1", "namespace": self.namespace, "labels": labels},
            "spec": {"containers": [{"name": "memory-server", "image": "registry.test/a"}]},
        }
        if self.api.read(POD, self.namespace, f"{name}-1") is None:
            self.make_pod(pod)
        self.api.patch(POD, self.namespace, f"{name}-1", {"status": status}, "/status")

    def make_pod(self, pod: Manifest) -> None:
        """Play whoever makes pods."""
        eventually(lambda: self._made(pod))

    def wait_for(
        self, kind: str, status: str, reason: str | None = None, *, name: str = "mem"
    ) -> Manifest:
        """Wait until a condition is so for the newest generation, and return the whole status."""

        return eventually(
            lambda: self._condition(kind, status, reason, name),
            or_say=lambda: str(self.status(name)),
        )

    def is_ready(self, name: str = "mem") -> Manifest | None:
        """Return the status when the newest generation is ready."""
        return self._condition("Ready", "True", None, name)

    def _condition(self, kind: str, status: str, reason: str | None, name: str) -> Manifest | None:
        resource = self.api.get(SOMA_MEMORY, self.namespace, name)
        found: Manifest = resource.get("status", {})
        if found.get("observedGeneration") != resource["metadata"]["generation"]:
            return None
        for one in found.get("conditions", []):
            if (one["type"], one["status"]) == (kind, status) and reason in (None, one["reason"]):
                return found
        return None

    def _made(self, pod: Manifest) -> Manifest | None:
        try:
            return self.api.create(pod)
        except Refused:  # the namespace's default ServiceAccount comes a moment after the namespace
            return None


def eventually(
    look: Callable[[], Found | None],
    *,
    timeout_s: float = 20.0,
    or_say: Callable[[], str] = lambda: "",
) -> Found:
    """Look until something is seen, and return it."""
    end = time.monotonic() + timeout_s
    while (found := look()) is None:
        assert time.monotonic() < end, f"nothing after {timeout_s} s: {or_say()}"
        time.sleep(0.05)
    return found
