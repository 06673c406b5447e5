"""Make, describe, list and delete namespaces."""

import dataclasses
from collections.abc import Sequence

from memory_server.domain import validation
from memory_server.domain.memory import NamespaceStats, Scope, Tenant
from memory_server.domain.pages import page_token, read_page_token
from memory_server.domain.policy import NamespaceInfo, NamespacePolicy, check_policy
from memory_server.domain.validation import Violations
from memory_server.ports import CreateNamespaceWrite, DropNamespaceWrite, PolicyWrite
from memory_server.usecases.engine import Engine
from memory_server.usecases.read import check_page_size
from soma_common.errors import Conflict

ATTEMPTS = 20
"""How often a change of a policy that expects no version is decided anew, because another came between."""

_FIELDS = tuple(field.name for field in dataclasses.fields(NamespacePolicy))


async def create(engine: Engine, scope: Scope, policy: NamespacePolicy) -> NamespaceInfo:
    """Make a namespace with a policy.

    Raises:
        InvalidInput: With every violation.
        AlreadyExists: There is one of that name.
        Overloaded, StorageFull, Unavailable: As the store says.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    check_policy(found, policy)
    found.raise_if_any()
    await engine.commit_one(CreateNamespaceWrite(scope, policy, engine.clock.now_us()))
    return await engine.store.namespace(scope)


async def describe(engine: Engine, scope: Scope) -> NamespaceInfo:
    """Describe a namespace.

    Raises:
        InvalidInput: The namespace's name is not acceptable.
        NotFound: There is no such namespace.
    """
    _check_name(scope)
    return await engine.store.namespace(scope)


async def set_policy(
    engine: Engine,
    scope: Scope,
    policy: NamespacePolicy,
    paths: Sequence[str],
    expected_version: int | None,
) -> NamespaceInfo:
    """Change the named fields of a policy, or all if none is named.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace.
        Conflict, Overloaded, StorageFull, Unavailable: As the store says.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    check_policy(found, policy)
    validation.check_mask(found, paths)
    for path in paths:
        found.require(path in _FIELDS, "update_mask", f"must name some of {', '.join(_FIELDS)}")
    validation.check_expected_version(found, expected_version, minimum=1)
    found.raise_if_any()
    values = {path: getattr(policy, path) for path in paths or _FIELDS}
    for attempt in range(ATTEMPTS):
        current = await engine.store.namespace(scope)
        new = dataclasses.replace(current.policy, **values)
        expected = current.version if expected_version is None else expected_version
        try:
            await engine.commit_one(PolicyWrite(scope, new, engine.clock.now_us(), expected))
        except Conflict:
            if expected_version is not None or attempt == ATTEMPTS - 1:
                raise
            continue
        break
    return await engine.store.namespace(scope)


async def drop(engine: Engine, scope: Scope) -> int:
    """Delete a namespace with all it holds; return the commit that made it unreachable.

    Raises:
        InvalidInput: The namespace's name is not acceptable.
        NotFound: There is no such namespace.
        Overloaded, StorageFull, Unavailable: As the store says.
    """
    _check_name(scope)
    receipt = await engine.commit_one(DropNamespaceWrite(scope, engine.clock.now_us()))
    return receipt.commit_seq


async def list_names(
    engine: Engine, tenant: Tenant, *, page_size: int, token: str
) -> tuple[list[str], str]:
    """Return a page of the tenant's namespaces and the token of the next.

    Raises:
        InvalidInput: With every violation.
    """
    found = Violations()
    limit = check_page_size(found, page_size)
    found.raise_if_any()

    question, key = repr(("namespaces", tenant)), engine.store.page_key
    after = read_page_token(token, question=question, key=key).decode() if token else ""
    names = await engine.store.namespaces(tenant, after, limit + 1)
    page = names[:limit]
    has_more = len(names) > limit
    next_token = page_token(page[-1].encode(), question=question, key=key) if has_more else ""
    return page, next_token


async def stats(engine: Engine, scope: Scope) -> NamespaceStats:
    """Count what a namespace holds.

    Raises:
        InvalidInput: The namespace's name is not acceptable.
        NotFound: There is no such namespace.
    """
    _check_name(scope)
    return await engine.store.stats(scope, engine.clock.now_us())


def _check_name(scope: Scope) -> None:
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    found.raise_if_any()
