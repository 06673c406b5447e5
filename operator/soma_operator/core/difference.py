"""Where a live object falls short of a wished one; fields that nobody wishes for do not count."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from soma_operator.core.kinds import Manifest
from soma_operator.core.quantity import same_quantity

MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "env": ("name",),
    "envFrom": (),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port", "protocol"),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""Lists of objects that several writers share, with what tells their items apart, as in the API's own schema.

An empty tuple, and every list not named here: the list belongs to one writer as a whole.
"""

_FILLED_IN: Mapping[str, str] = {"protocol": "TCP"}
"""Parts of a key that the API server adds where they are left out."""

ATOMIC_MAPS = frozenset({"selector", "matchLabels"})
"""Maps that belong to one writer as a whole: one more label in a selector is another selector."""


_MAPS = frozenset(
    {
        "annotations",
        "data",
        "labels",
        "limits",
        "matchLabels",
        "metadata",
        "nodeSelector",
        "requests",
    }
)
"""Maps of words: dropped when they are empty, while an empty word in them stays. An empty `emptyDir` or `podSelector`
says something."""


OURS_ALONE = frozenset({"ingress", "egress"})
"""Fields in which every list belongs to one writer: nobody may add a port to a policy."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two values differ; None: nothing is there."""

    path: str
    live: Any
    wished: Any


def covers(live: Any, wished: Any) -> bool:
    """Return whether a live value holds everything that is wished for in it."""
    return next(differences(live, wished), None) is None


def differences(
    live: Any, wished: Any, path: str = "", *, is_ours: bool = False
) -> Iterator[Difference]:
    """Give every place in which the live value does not hold what is wished for.

    Args:
        live: What is there.
        wished: What is to be there.
        path: Names of the fields that lead to the values.
        is_ours: Whether no other writer has a part in lists below.
    """
    field = path.rpartition(".")[2]
    is_ours = is_ours or field in OURS_ALONE
    if isinstance(wished, dict) and isinstance(live, dict):
        yield from _in_map(live, wished, path, is_ours=is_ours)
    elif isinstance(wished, list) and isinstance(live, list):
        yield from _in_list(live, wished, path, is_ours=is_ours)
    elif live != wished:
        yield Difference(path, live, wished)


def _in_map(live: Manifest, wished: Manifest, path: str, *, is_ours: bool) -> Iterator[Difference]:
    field = path.rpartition(".")[2]
    if field in ATOMIC_MAPS and set(live) - set(wished):
        yield Difference(path, live, wished)
        return
    for name, value in wished.items():
        inner = f"{path}.{name}".lstrip(".")
        if name not in live:
            if not _is_nothing(field, name, value):
                yield Difference(inner, None, value)
        elif not _is_amount(field, name) or not same_quantity(live[name], value):
            yield from differences(live[name], value, inner, is_ours=is_ours)


def _is_nothing(field: str, name: str, value: Any) -> bool:
    """Return whether the API server drops a value, which would then be missing for ever."""
    if value == "":
        return field not in _MAPS
    return value in (None, []) or (value == {} and name in _MAPS)


def _is_amount(field: str, name: str) -> bool:
    """Return whether the API server may write a value of a field in other words."""
    return field in ("requests", "limits") or (field, name) == ("emptyDir", "sizeLimit")


def _in_list(
    live: list[Any], wished: list[Any], path: str, *, is_ours: bool
) -> Iterator[Difference]:
    keys = () if is_ours else MERGE_KEYS.get(path.rpartition(".")[2], ())
    if not keys and len(live) != len(wished):
        yield Difference(path, live, wished)
        return
    by_key = {merge_key(item, keys): item for item in live} if keys else {}
    for number, item in enumerate(wished):
        other = by_key.get(merge_key(item, keys)) if keys else live[number]
        # The name of an item is not the name of a field: its own fields are not shared because of it.
        yield from differences(other, item, f"{path}[{number}]", is_ours=is_ours)


def merge_key(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    """Return what tells an item of a shared list apart."""
    return tuple(item.get(key, _FILLED_IN.get(key)) for key in keys)
