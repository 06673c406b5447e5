"""The port Cluster on a real API server: plain HTTP through one session."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
from opentelemetry.trace import SpanKind, get_current_span

from soma_common.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NotFound,
    Overloaded,
    PermissionRefused,
    SomaError,
    Unauthenticated,
    Unavailable,
)
from soma_operator.adapters.access import Access
from soma_operator.core.kinds import Kind, Manifest, kind_of, name_of
from soma_operator.core.render.metadata import FIELD_MANAGER, STATUS_FIELD_MANAGER
from soma_operator.metrics import Metrics
from soma_operator.ports import Mark
from soma_operator.traces import Fact, stage, trace_headers

_NO_SUCH_FORM = "failed to create typed patch object"
"""What the API server says, with the code 500, to an apply that does not have the form of its kind."""

PAGE_SIZE = 500
"""Objects in one answer: bounds the memory of a list, here and in the API server."""

NEVER_VERSION = "1"
"""Resource version that no object has: the first write to an empty etcd makes the second one. An apply that names it
makes a new object, and is a conflict where there is one."""

LONGEST_PATIENCE_S = 300.0
"""What is asked for beyond it is no wish that an API server has."""

_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"
_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@asynccontextmanager
async def connect(
    access: Access, metrics: Metrics, *, timeout_s: float
) -> AsyncIterator["KubernetesCluster"]:
    """Hold a session with the API server."""
    # Proxies of the environment are meant for the world outside the cluster.
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=access.ssl_context(), limit=32),
        timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(5.0, timeout_s)),
        trust_env=False,
    ) as session:
        yield KubernetesCluster(session, access, metrics)


class KubernetesCluster:
    """Objects of a real Kubernetes API; see the port for its promises."""

    def __init__(self, session: aiohttp.ClientSession, access: Access, metrics: Metrics) -> None:
        self._session = session
        self._access = access
        self._metrics = metrics

    async def read(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Return an object."""
        try:
            return await self._call("get", "GET", kind, _path(kind, namespace, name), name=name)
        except NotFound:
            return None

    async def read_now(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Return an object as it is now."""
        return await self.read(kind, namespace, name)

    async def exists(self, kind: Kind, namespace: str, name: str) -> bool:
        """Return whether an object is there; what a Secret holds never comes into this process."""
        path = _path(kind, namespace, name)
        try:
            await self._call("get", "GET", kind, path, headers={"Accept": _METADATA}, name=name)
        except NotFound:
            return False
        return True

    async def find(
        self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects that carry these labels."""
        params = {"limit": str(PAGE_SIZE)}
        if labels:
            params["labelSelector"] = ",".join(f"{key}={value}" for key, value in labels.items())
        found: list[Manifest] = []
        while True:
            page = await self._call("list", "GET", kind, _path(kind, namespace), params=params)
            # Items of a list do not say what they are.
            found += [
                {"apiVersion": kind.api_version, "kind": kind.name, **item}
                for item in page.get("items") or []
            ]
            params["continue"] = page.get("metadata", {}).get("continue", "")
            if not params["continue"]:
                return found

    async def serves(self, kind: Kind) -> bool:
        """Return whether the API server knows the kind."""
        try:
            known = await self._call("discover", "GET", kind, _root(kind))
        except NotFound:
            return False
        return any(one["name"] == kind.plural for one in known.get("resources", []))

    async def apply(self, manifest: Manifest) -> Manifest:
        """Make an object as the manifest says."""
        return await self._apply(manifest, "", FIELD_MANAGER)

    async def make(self, manifest: Manifest) -> Manifest:
        """Make a new object as the manifest says."""
        metadata = {**manifest["metadata"], "resourceVersion": NEVER_VERSION}
        try:
            return await self._apply({**manifest, "metadata": metadata}, "", FIELD_MANAGER)
        except Conflict as error:
            raise AlreadyExists("the name is taken", **error.facts) from None

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Make the status of an object as the manifest says."""
        return await self._apply(manifest, "/status", STATUS_FIELD_MANAGER)

    async def drop_conditions(self, live: Manifest, types: frozenset[str]) -> Manifest:
        """Remove conditions from the status."""
        conditions = live["status"]["conditions"]
        # From the last to the first: each removal moves what follows it.
        gone = [number for number, one in enumerate(conditions) if one["type"] in types][::-1]
        steps = [{"op": "remove", "path": f"/status/conditions/{number}"} for number in gone]
        return await self._patch(live, steps, "/status", STATUS_FIELD_MANAGER)

    async def set_mark(self, live: Manifest, field: Mark, items: list[Any]) -> Manifest:
        """Make a list of the metadata as given."""
        step = {"op": "replace", "path": f"/metadata/{field}", "value": items}
        return await self._patch(live, [step], "", FIELD_MANAGER)

    async def _patch(
        self, live: Manifest, steps: list[Manifest], subresource: str, manager: str
    ) -> Manifest:
        """Change the very object that was read."""
        version = live["metadata"]["resourceVersion"]
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        try:
            return await self._call(
                "patch", "PATCH", kind_of(live), _path_of(live) + subresource,
                params={"fieldManager": manager}, body=[test, *steps],
                headers={"Content-Type": _JSON_PATCH}, name=name_of(live),
            )  # fmt: skip
        except InvalidInput as error:
            # A test that fails is told in these words; nothing else in the steps can be wrong.
            raise Conflict("the object is another one", **error.facts) from None

    async def create(self, manifest: Manifest) -> Manifest:
        """Make a new object."""
        kind, namespace = kind_of(manifest), manifest["metadata"].get("namespace")
        return await self._call(
            "create", "POST", kind, _path(kind, namespace), body=manifest, name=name_of(manifest)
        )

    async def replace(self, manifest: Manifest) -> Manifest:
        """Overwrite an object."""
        return await self._call(
            "update", "PUT", kind_of(manifest), _path_of(manifest), body=manifest,
            name=name_of(manifest),
        )  # fmt: skip

    async def delete(self, live: Manifest) -> None:
        """Delete an object."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            # Deleted is what was looked at, or nothing: a claim may have got its volume meanwhile.
            "preconditions": {name: live["metadata"][name] for name in ("uid", "resourceVersion")},
            "propagationPolicy": "Background",
        }
        try:
            await self._call("delete", "DELETE", kind_of(live), _path_of(live), body=options)
        except NotFound:
            return

    async def _apply(self, manifest: Manifest, subresource: str, manager: str) -> Manifest:
        # Strict: a field that this API server does not know would be dropped, and then missing for ever.
        params = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        return await self._call(
            "apply", "PATCH", kind_of(manifest), _path_of(manifest) + subresource,
            params=params, body=manifest, headers={"Content-Type": _APPLY}, name=name_of(manifest),
        )  # fmt: skip

    async def _call(
        self,
        verb: str,
        method: str,
        kind: Kind,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Manifest | list[Manifest] | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "",
    ) -> Manifest:
        facts: dict[str, Fact] = {"http.request.method": method, "k8s.object.name": name}
        with stage(f"{verb} {kind.plural}", SpanKind.CLIENT, **facts):
            return await self._ask(verb, method, kind, path, params, body, headers, name)

    async def _ask(
        self,
        verb: str,
        method: str,
        kind: Kind,
        path: str,
        params: Mapping[str, str] | None,
        body: Manifest | list[Manifest] | None,
        headers: Mapping[str, str] | None,
        name: str,
    ) -> Manifest:
        headers = {"Accept": _JSON, "Content-Type": _JSON, **trace_headers(), **(headers or {})}
        token = self._access.bearer()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        code = 0
        try:
            async with self._session.request(
                method,
                self._access.server + path,
                params=params,
                data=None if body is None else json.dumps(body),
                headers=headers,
            ) as response:
                code = response.status
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(
                "failed to reach the API server", cause=type(error).__name__
            ) from error
        finally:
            self._metrics.api_requests.labels(verb, kind.plural, str(code)).inc()
            get_current_span().set_attribute("http.response.status_code", code)
        if code < 300:
            return _answer(content, code)
        raise _error(code, content, response.headers, kind=kind, name=name)


def _root(kind: Kind) -> str:
    return f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"


def _path(kind: Kind, namespace: str | None, name: str | None = None) -> str:
    scope = f"/namespaces/{quote(namespace)}" if namespace and kind.namespaced else ""
    return f"{_root(kind)}{scope}/{kind.plural}" + (f"/{quote(name)}" if name else "")


def _path_of(manifest: Manifest) -> str:
    return _path(kind_of(manifest), manifest["metadata"].get("namespace"), name_of(manifest))


def _answer(content: bytes, code: int) -> Manifest:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        # A proxy on the way answers with a page of its own.
        raise Unavailable("the answer is not one of an API server", code=code)
    return answer


def _error(
    code: int, content: bytes, headers: Mapping[str, str], *, kind: Kind, name: str
) -> SomaError:
    status = _status(content)
    detail = str(status.get("message", ""))[:1000]
    if code == 404:
        return NotFound("the object does not exist", kind=kind.name, name=name)
    if code == 409:
        is_taken = status.get("reason") == "AlreadyExists"
        return (AlreadyExists if is_taken else Conflict)("the object is another one", detail=detail)
    if code == 401:
        return Unauthenticated("the API server does not take the credential", detail=detail)
    if code == 403:
        return PermissionRefused("the API server forbids it", detail=detail)
    if code == 429:
        wait_s = _patience_s(headers.get("Retry-After", ""))
        return Overloaded("the API server asks for patience", retry_after_s=wait_s)
    if code in (400, 413, 415, 422) or (code == 500 and detail.startswith(_NO_SUCH_FORM)):
        return InvalidInput("the API server refuses the content", detail=detail)
    return Unavailable("the API server failed", code=code, detail=detail)


def _patience_s(header: str) -> float:
    """Return the wish for patience; a proxy may name a date, or nonsense."""
    return min(float(header), LONGEST_PATIENCE_S) if header.isdecimal() else 1.0


def _status(content: bytes) -> dict[str, Any]:
    try:
        status = json.loads(content)
    except ValueError:
        return {}  # A proxy on the way answers in its own form.
    return status if isinstance(status, dict) else {}
