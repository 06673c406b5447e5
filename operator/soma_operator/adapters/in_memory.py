"""The port Cluster in memory: for tests and for trying things out; keeps the port's promises, knows no schemas.

An object is kept as a flat mapping from the path of each field to its value, beside the set of paths that each field
manager owns. Server-side apply is then plain set arithmetic: drop what the manager owned and no longer names, unless
another manager owns it too; set what it names.
"""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from soma_common.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from soma_operator.core.difference import ATOMIC_MAPS, MERGE_KEYS, merge_key
from soma_operator.core.kinds import Kind, Manifest, kind_of, name_of
from soma_operator.core.render.metadata import FIELD_MANAGER, STATUS_FIELD_MANAGER
from soma_operator.ports import Mark

Path = tuple[Hashable, ...]
Flat = dict[Path, Any]
Address = tuple[Kind, str | None, str]

_MERGE_KEYS = {**MERGE_KEYS, "conditions": ("type",)}

_SERVER_FIELDS = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "generation", "managedFields"}
)
"""Metadata that the API server rules."""

_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class _Item:
    """Step into an item of a shared list."""

    keys: tuple[Any, ...]


@dataclass(slots=True)
class _Stored:
    """One object."""

    metadata: dict[str, Any]
    fields: Flat
    owned: dict[str, frozenset[Path]] = field(default_factory=dict)


class InMemoryCluster:
    """Objects in memory; see the port for its promises.

    Attributes:
        version: Resource version of the last write; it stands still when nothing is written.
        unserved: Kinds that this cluster does not know.
        before: Called before each request with its verb and kind; a test raises an error from it.
    """

    def __init__(self, namespaces: frozenset[str] = frozenset({"default"})) -> None:
        self.version = 0
        self.unserved: set[Kind] = set()
        self.before: Callable[[str, Kind], None] = lambda _verb, _kind: None
        self._namespaces = namespaces
        self._objects: dict[Address, _Stored] = {}

    async def read(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Return an object."""
        self.before("get", kind)
        stored = self._objects.get((kind, namespace, name))
        return None if stored is None else _manifest(kind, stored)

    async def read_now(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Return an object as it is now."""
        return await self.read(kind, namespace, name)

    async def find(
        self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects that carry these labels."""
        self.before("list", kind)
        candidates = [
            _manifest(kind, stored)
            for (its_kind, its_namespace, _), stored in sorted(
                self._objects.items(), key=lambda item: (item[0][1] or "", item[0][2])
            )
            if its_kind == kind and namespace in (None, its_namespace)
        ]
        wished = set((labels or {}).items())
        return [
            one for one in candidates if wished <= set(one["metadata"].get("labels", {}).items())
        ]

    async def exists(self, kind: Kind, namespace: str, name: str) -> bool:
        """Return whether an object is there."""
        return await self.read(kind, namespace, name) is not None

    async def serves(self, kind: Kind) -> bool:
        """Return whether the kind is known."""
        self.before("discover", kind)
        return kind not in self.unserved

    async def apply(self, manifest: Manifest) -> Manifest:
        """Make an object as the manifest says."""
        return self._apply(manifest, FIELD_MANAGER)

    async def make(self, manifest: Manifest) -> Manifest:
        """Make a new object as the manifest says."""
        if _address(manifest) in self._objects:
            self.before("apply", kind_of(manifest))
            raise AlreadyExists("the name is taken", detail="it exists already")
        return self._apply(manifest, FIELD_MANAGER)

    async def apply_as(self, manifest: Manifest, manager: str) -> Manifest:
        """Do what another field manager would do."""
        return self._apply(manifest, manager)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Make the status of an object as the manifest says."""
        self.before("apply", kind_of(manifest))
        stored = self._unchanged(manifest)
        wished = _flat({"status": manifest["status"]})
        return self._merge(manifest, stored, wished, STATUS_FIELD_MANAGER)

    async def drop_conditions(self, live: Manifest, types: frozenset[str]) -> Manifest:
        """Remove conditions from the status."""
        self.before("patch", kind_of(live))
        stored = self._unchanged(live)
        items = {_Item((one,)) for one in types}
        kept = {path: value for path, value in stored.fields.items() if not items & set(path)}
        self._change(stored, kept)
        return _manifest(kind_of(live), stored)

    async def set_mark(self, live: Manifest, field: Mark, items: list[Any]) -> Manifest:
        """Make a list of the metadata as given."""
        kind = kind_of(live)
        self.before("patch", kind)
        stored = self._unchanged(live)
        marked = _manifest(kind, stored)
        marked["metadata"][field] = items
        if not items:
            del marked["metadata"][field]
        self._change(stored, _flat(_content(marked)))
        return _manifest(kind, stored)

    async def create(self, manifest: Manifest) -> Manifest:
        """Make a new object."""
        kind = kind_of(manifest)
        self.before("create", kind)
        if _address(manifest) in self._objects:
            raise AlreadyExists("the object is another one", detail="it exists already")
        stored = self._new(manifest)
        stored.fields = _flat(_content(manifest))
        self._objects[_address(manifest)] = stored
        self._touch(stored)
        return _manifest(kind, stored)

    async def replace(self, manifest: Manifest) -> Manifest:
        """Overwrite an object."""
        kind = kind_of(manifest)
        self.before("update", kind)
        stored = self._unchanged(manifest)
        self._change(stored, _flat(_content(manifest)))
        return _manifest(kind, stored)

    async def delete(self, live: Manifest) -> None:
        """Delete an object."""
        self.before("delete", kind_of(live))
        try:
            self._unchanged(live)
        except NotFound:
            return
        del self._objects[_address(live)]
        self.version += 1

    def _apply(self, manifest: Manifest, manager: str) -> Manifest:
        self.before("apply", kind_of(manifest))
        content = {key: value for key, value in _content(manifest).items() if key != "status"}
        wished = _flat(content)
        if _address(manifest) in self._objects:
            return self._merge(manifest, self._unchanged(manifest), wished, manager)
        stored = self._new(manifest)
        stored.fields, stored.owned[manager] = wished, frozenset(wished)
        self._objects[_address(manifest)] = stored
        self._touch(stored)
        return _manifest(kind_of(manifest), stored)

    def _merge(self, manifest: Manifest, stored: _Stored, wished: Flat, manager: str) -> Manifest:
        others = frozenset().union(
            *(owned for name, owned in stored.owned.items() if name != manager)
        )
        dropped = stored.owned.get(manager, frozenset()) - set(wished) - others
        fields = {path: value for path, value in stored.fields.items() if path not in dropped}
        stored.owned[manager] = frozenset(wished)
        self._change(stored, {**fields, **wished})
        return _manifest(kind_of(manifest), stored)

    def _change(self, stored: _Stored, fields: Flat) -> None:
        if fields == stored.fields:
            return
        if _spec(fields) != _spec(stored.fields):
            stored.metadata["generation"] += 1
        stored.fields = deepcopy(fields)
        self._touch(stored)

    def _touch(self, stored: _Stored) -> None:
        self.version += 1
        stored.metadata["resourceVersion"] = str(self.version)

    def _new(self, manifest: Manifest) -> _Stored:
        metadata = manifest["metadata"]
        namespace, name = metadata.get("namespace"), name_of(manifest)
        if _NAME.fullmatch(name) is None:
            raise InvalidInput("the API server refuses the content", detail="the name is invalid")
        if namespace is not None and namespace not in self._namespaces:
            raise NotFound("the object does not exist", kind="Namespace", name=namespace)
        given = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
        uid = f"uid-{self.version + 1}"
        return _Stored({**given, "uid": uid, "resourceVersion": "", "generation": 1}, {})

    def _existing(self, manifest: Manifest) -> _Stored:
        stored = self._objects.get(_address(manifest))
        if stored is None:
            raise NotFound(
                "the object does not exist", kind=kind_of(manifest).name, name=name_of(manifest)
            )
        uid = manifest["metadata"].get("uid")
        if uid not in (None, stored.metadata["uid"]):
            raise Conflict("the object is another one", detail="its uid differs")
        return stored

    def _unchanged(self, manifest: Manifest) -> _Stored:
        stored = self._existing(manifest)
        read = manifest["metadata"].get("resourceVersion")
        if read not in (None, stored.metadata["resourceVersion"]):
            raise Conflict("the object is another one", detail="it changed meanwhile")
        return stored


def _address(manifest: Manifest) -> Address:
    return kind_of(manifest), manifest["metadata"].get("namespace"), name_of(manifest)


def _content(manifest: Manifest) -> Manifest:
    metadata = {
        key: value for key, value in manifest["metadata"].items() if key not in _SERVER_FIELDS
    }
    rest = {
        key: value
        for key, value in manifest.items()
        if key not in ("apiVersion", "kind", "metadata")
    }
    return {"metadata": metadata, **rest}


def _manifest(kind: Kind, stored: _Stored) -> Manifest:
    content = _nested(stored.fields)
    metadata = {**stored.metadata, **content.pop("metadata", {})}
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": deepcopy(metadata),
        **content,
    }


def _spec(fields: Flat) -> Flat:
    return {
        path: value
        for path, value in fields.items()
        if path and path[0] not in ("metadata", "status")
    }


def _flat(content: Manifest) -> Flat:
    return dict(_leaves(content, (), ""))


def _leaves(value: Any, path: Path, name: str) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value and name not in ATOMIC_MAPS:
        for key, part in value.items():
            yield from _leaves(part, (*path, key), key)
    elif isinstance(value, list) and value and _MERGE_KEYS.get(name):
        for item in value:
            step = _Item(merge_key(item, _MERGE_KEYS[name]))
            yield from _leaves(item, (*path, step), "")
    elif path and (value != {} or name == "emptyDir"):
        yield path, deepcopy(value)


def _nested(fields: Flat) -> Manifest:
    root: Manifest = {}
    for path, value in fields.items():
        _put(root, path, value)
    return {key: _listed(part) for key, part in root.items()}


def _put(node: dict[Hashable, Any] | Manifest, path: Path, value: Any) -> None:
    *steps, last = path
    inner: dict[Any, Any] = node
    for step in steps:
        inner = inner.setdefault(step, {})
    inner[last] = deepcopy(value)


def _listed(node: Any) -> Any:
    """Turn the items of shared lists, kept as mappings, back into lists."""
    if not isinstance(node, dict):
        return node
    parts = {step: _listed(part) for step, part in node.items()}
    return list(parts.values()) if any(isinstance(step, _Item) for step in parts) else parts
