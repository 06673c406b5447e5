"""Range search: the memories whose coordinates lie in a box."""

from memory_server.domain import limits, validation
from memory_server.domain.filters import Filter
from memory_server.domain.memory import Coordinate, Scope
from memory_server.domain.pages import page_token, read_page_token
from memory_server.domain.validation import Violations
from memory_server.ports import Allowed
from memory_server.usecases.engine import Engine
from memory_server.usecases.read import MemoryPage, fitting


async def range_search(
    engine: Engine,
    scope: Scope,
    least: Coordinate,
    greatest: Coordinate,
    given: Filter,
    *,
    page_size: int,
    token: str,
) -> MemoryPage:
    """Return a page of the memories in a box, its sides included, in the order in which they were written.

    Raises:
        InvalidInput: With every violation; also for a token of another box or filter.
        NotFound: There is no such namespace.
    """
    limit = _check(scope, least, greatest, given, page_size)
    await engine.store.require_namespace(scope)
    question = repr(("range", scope.tenant, scope.namespace, least, greatest,
                     sorted(given.kinds), given))  # fmt: skip
    key = engine.store.page_key
    after = int(read_page_token(token, question=question, key=key)) if token else 0
    allowed = Allowed(given, engine.clock.now_us())
    seqs = [seq for seq in engine.index.within(scope, least, greatest, allowed) if seq > after]
    records = await engine.store.get_by_seq(scope, seqs[:limit])
    page = fitting([records[seq] for seq in seqs[:limit] if seq in records])
    last = page[-1].commit_seq if page else 0
    next_token = ""
    if page and seqs[-1] > last:
        next_token = page_token(str(last).encode(), question=question, key=key)
    return MemoryPage(page, next_token)


def _check(
    scope: Scope, least: Coordinate, greatest: Coordinate, given: Filter, page_size: int
) -> int:
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_coordinate(found, "min", least)
    validation.check_coordinate(found, "max", greatest)
    validation.check_filter(found, given)
    is_same = len(least) == len(greatest)
    found.require(is_same, "max", "must have as many dimensions as min")
    if is_same:
        is_above = all(low <= high for low, high in zip(least, greatest, strict=True))
        found.require(is_above, "max", "must not be below min")
    limit = validation.check_count(
        found,
        "page_size",
        page_size,
        default=limits.DEFAULT_PAGE_SIZE,
        maximum=limits.MAX_PAGE_SIZE,
    )
    found.raise_if_any()
    return limit
