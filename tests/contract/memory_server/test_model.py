"""The embedded engine against the in-memory one, which is its plainest statement: the same random calls, restarts
included, give the same answers."""

import dataclasses
import itertools
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from memory_server.adapters.embedded.index import EmbeddedIndex
from memory_server.adapters.embedded.index.snapshot import SnapshotFile
from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.adapters.in_memory.index import InMemoryIndex
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.limits import Limits
from memory_server.domain.memory import (
    MemoryDraft,
    MemoryId,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    Receipt,
    Scope,
    Tenant,
)
from memory_server.domain.policy import DEFAULT_POLICY, NamespacePolicy
from memory_server.ports import EraseWrite, EvictWrite, MemoryStore, SearchIndex, SweepWrite
from memory_server.usecases import (
    consolidate,
    delete,
    lifecycle,
    link,
    movement,
    namespaces,
    read,
    recall,
    store,
    update,
    walk,
)
from memory_server.usecases import outcome as outcomes
from memory_server.usecases.engine import Engine, fill_index
from soma_common.errors import SomaError
from tests.support.memories import DIMENSIONS, NOW_US, StoppedClock
from tests.support.stores import open_embedded, open_in_memory

STEPS = 8000
RESTART_PROBABILITY = 0.003
WORDS = [f"word{number}" for number in range(40)]
SCOPES = [Scope(Tenant(tenant), name) for tenant in ("t", "u") for name in ("a", "a:b")]
LIMITS = Limits(8 << 20, 1 << 20, 3600, DIMENSIONS)


def an_engine(memory_store: MemoryStore, index: SearchIndex, clock: StoppedClock) -> Engine:
    numbers = itertools.count()
    return Engine(
        memory_store,
        index,
        HashEmbedder(DIMENSIONS),
        clock,
        lambda size: next(numbers).to_bytes(size, "big"),
        LIMITS,
    )


OTHERS = [
    "get", "list", "walk", "stats", "expire", "purge", "restore", "versions", "past", "get_past", "changes", "policy",
    "create", "drop", "erase", "unlink", "path", "export", "accesses", "sweep", "evict", "import", "share",
    "recall_past", "outcome", "consolidate",
]  # fmt: skip


async def past(engine: Engine, scope: Scope, moment_us: int) -> list[MemoryRecord]:
    """Return what the store knew, in the order of the commits."""
    records = await engine.store.as_of(scope, moment_us, engine.clock.now_us())
    return sorted(records, key=lambda record: record.commit_seq)


async def changes(
    engine: Engine, scope: Scope, after: tuple[int, int]
) -> list[tuple[int, int, str, int, str]]:
    """Return what changed; the order within a commit is the store's own."""
    found = await engine.store.changes(scope, after, 1000)
    return sorted((one.commit_seq, int(one.type), one.id, one.version, one.to_id) for one in found)


async def export(engine: Engine, scope: Scope, given: Filter) -> list[object]:
    """Return everything that a snapshot holds."""
    now_us = engine.clock.now_us()
    async with engine.store.snapshot(scope) as held:
        pages = [p async for p in held.memories(given, now_us, with_versions=True)]
        links = [page async for page in held.links()]
        return [held.commit_seq, *(one for page in [*pages, *links] for one in page)]


async def swept(engine: Engine) -> None:
    """Sweep until nothing is left."""
    while True:
        receipt = (await engine.store.commit([SweepWrite(7)]))[0]
        assert isinstance(receipt, Receipt)
        if not receipt.version:
            return


class Caller:
    """Makes random calls; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def call(self, engines: list[Engine], clock: StoppedClock) -> list[Awaitable[Any]]:
        """Make one call of every engine and return their answers."""
        clock.time_us += self.random.randint(1, 10_000)
        scope = self.random.choice(SCOPES)
        names = ["store"] * 16 + ["delete"] * 3 + ["update", "recall", "link"] * 3 + OTHERS
        verb: Callable[[Scope, list[Engine]], list[Awaitable[Any]]]
        verb = getattr(self, f"_{self.random.choice(names)}")
        return verb(scope, engines)

    def _text(self) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randint(1, 12)))

    def _ref(self) -> MemoryRef:
        if self.random.random() < 0.3:
            return MemoryRef(coordinate=(float(self.random.randint(0, 9)),))
        return MemoryRef(id=MemoryId(f"m{self.random.randint(0, 30)}"))

    def _filter(self) -> Filter:
        tests = [(), (MetadataTest("n", any_of=(1.0, 2.0)),), (MetadataTest("n", exists=False),),
                 (MetadataTest("n", is_range=True, minimum=2.0),)]  # fmt: skip
        kinds = self.random.choice([frozenset(), frozenset({1}), frozenset({2})])
        return Filter(kinds, self.random.choice(tests))

    def _expected(self) -> int | None:
        return self.random.choice([None, None, None, 0, 1, 2])

    def _request(self) -> str:
        return self.random.choice(["", "", f"r{self.random.randint(0, 200)}"])

    def _store(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        ref = self._ref()
        draft = MemoryDraft(
            payload_json=b'{"text": "%s"}' % self._text().encode(),
            id=ref.id or "",
            coordinate=ref.coordinate,
            kind=self.random.choice([1, 2]),
            importance=float(self.random.randint(0, 5)),
            metadata=self.random.choice(
                [{}, {"n": float(self.random.randint(0, 3))}, {"session": "m1"}]
            ),
            expire_time_us=self.random.choice([None, None, engines[0].clock.now_us() + 50_000]),
        )
        command = store.StoreCommand(draft, self._request(), self._expected())
        return [store.store(engine, scope, command) for engine in engines]

    def _delete(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        ref, request_id = self._ref(), self._request()
        command = delete.DeleteCommand(ref, request_id)
        return [delete.delete(engine, scope, command) for engine in engines]

    def _purge(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        given, dry_run = self._filter(), self.random.random() < 0.5
        return [
            delete.purge(engine, scope, given, dry_run=dry_run, everything=False)
            for engine in engines
        ]

    def _update(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        draft = MemoryDraft(
            payload_json=b'{"text": "%s"}' % self._text().encode(),
            kind=self.random.choice([1, 2]),
            importance=float(self.random.randint(0, 5)),
            metadata={"n": float(self.random.randint(0, 3))},
        )
        paths = self.random.sample(
            ["payload_json", "kind", "importance", "metadata.n", "expire_time", "text"], 2
        )
        command = update.UpdateCommand(self._ref(), draft, paths, self._request())
        return [update.update(engine, scope, command) for engine in engines]

    def _restore(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        version = self.random.randint(1, 4)
        command = update.RestoreCommand(self._ref(), version, self._request())
        return [update.restore(engine, scope, command) for engine in engines]

    def _versions(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        ref = self._ref()
        return [read.list_versions(e, scope, ref, page_size=1000, token="") for e in engines]

    def _past(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        moment_us = self._moment(engines)
        return [past(engine, scope, moment_us) for engine in engines]

    def _get_past(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        ref, moment_us = self._ref(), self._moment(engines)
        return [read.get(engine, scope, ref, as_of_us=moment_us) for engine in engines]

    def _moment(self, engines: list[Engine]) -> int:
        return engines[0].clock.now_us() - self.random.randint(0, 500_000)

    def _changes(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        after = (engines[0].store.last_commit_seq - self.random.randint(0, 50), 0)
        return [changes(engine, scope, after) for engine in engines]

    def _policy(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        policy = NamespacePolicy(
            default_ttl_s=self.random.choice([0, 0, 1]),
            max_memories=self.random.choice([0, 5, 15]),
            max_versions=self.random.choice([0, 1, 3]),
            quota_memories=self.random.choice([0, 20]),
            quota_payload_bytes=self.random.choice([0, 1000]),
        )
        return [namespaces.set_policy(engine, scope, policy, [], None) for engine in engines]

    def _create(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        return [namespaces.create(engine, scope, DEFAULT_POLICY) for engine in engines]

    def _drop(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        if self.random.random() < 0.8:
            return self._describe(scope, engines)
        return [namespaces.drop(engine, scope) for engine in engines]

    def _describe(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        return [namespaces.describe(engine, scope) for engine in engines]

    def _erase(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        if self.random.random() < 0.7:
            return self._count(scope, engines)
        now_us = engines[0].clock.now_us()
        write = EraseWrite(scope.tenant, scope.namespace, "n", 3.0, now_us)
        return [engine.commit_one(write) for engine in engines]

    def _count(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        return [engine.store.count_subject(scope.tenant, "", "n", 3.0) for engine in engines]

    def _unlink(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        kind = self.random.choice(["", "likes"])
        command = link.UnlinkCommand(self._ref(), self._ref(), kind, self._request())
        return [link.unlink(engine, scope, command) for engine in engines]

    def _path(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        ways = walk.Ways((), self.random.choice(list(walk.Direction)))
        query = walk.PathQuery(self._ref(), self._ref(), ways, self.random.randint(1, 5))
        return [walk.find_path(engine, scope, query) for engine in engines]

    def _export(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        given = self._filter()
        return [export(engine, scope, given) for engine in engines]

    def _accesses(self, _scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        return [lifecycle.write_accesses(engine) for engine in engines]

    def _sweep(self, _scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        return [swept(engine) for engine in engines]

    def _get(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        ref = self._ref()
        return [read.get(engine, scope, ref) for engine in engines]

    def _list(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        given = self._filter()
        return [read.list_memories(e, scope, given, page_size=1000, token="") for e in engines]

    def _recall(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        mode = self.random.choice(list(recall.RecallMode))
        query = recall.RecallQuery(text=self._text(), mode=mode, top_k=1000, given=self._filter())
        if self.random.random() < 0.2:
            query = recall.RecallQuery(coordinate=(4.5,), top_k=5, given=self._filter())
        return [recall.recall(engine, scope, query) for engine in engines]

    def _link(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        kind = self.random.choice(["", "likes"])
        command = link.LinkCommand(
            self._ref(), self._ref(), kind, self.random.random(), {}, self._request()
        )
        return [link.link(engine, scope, command) for engine in engines]

    def _walk(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        types = self.random.choice([(), (), ("likes",), ("follows", "part_of")])
        ways = walk.Ways(types, self.random.choice(list(walk.Direction)))
        query = walk.NeighborQuery(self._ref(), ways, self.random.randint(1, 4), 20)
        return [walk.neighbors(engine, scope, query) for engine in engines]

    def _stats(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        return [namespaces.stats(engine, scope) for engine in engines]

    def _evict(self, _scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        limit = self.random.randint(1, 4)
        write = EvictWrite(engines[0].clock.now_us(), limit)
        return [engine.commit_one(write) for engine in engines]

    def _conflict(self) -> movement.ConflictPolicy:
        return self.random.choice(list(movement.ConflictPolicy))

    def _moved(self, engines: list[Engine], count: int) -> movement.MovedMemory:
        ref = self._ref()
        draft = MemoryDraft(
            payload_json=b'{"text": "%s"}' % self._text().encode(),
            id=ref.id or "",
            coordinate=ref.coordinate,
            importance=float(self.random.randint(0, 5)),
        )
        older = tuple(self._moved(engines, 0) for _ in range(count))
        return movement.MovedMemory(draft, "", self._moment(engines), None, older)

    def _import(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        options = movement.ImportOptions(self._conflict(), self.random.random() < 0.3)
        memories = [self._moved(engines, self.random.choice([0, 0, 1, 3])) for _ in range(3)]
        ends = [MemoryId(f"m{self.random.randint(0, 30)}") for _ in range(4)]
        links = [MemoryLink(ends[0], ends[1], "likes", 1.0, {}, 1),
                 MemoryLink(ends[2], ends[3], "likes", 0.5, {}, 1)]  # fmt: skip
        importers = [movement.Importer(engine, scope, options) for engine in engines]
        return [importer.take(memories, links) for importer in importers]

    def _share(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        to_scope = Scope(scope.tenant, self.random.choice(["a", "a:b"]))
        options, given = movement.ImportOptions(self._conflict()), self._filter()
        return [movement.share(engine, scope, to_scope, given, options) for engine in engines]

    def _recall_past(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        query = recall.RecallQuery(
            text=self._text(), mode=recall.RecallMode.KEYWORD, top_k=1000, given=self._filter(),
            as_of_us=self._moment(engines),
        )  # fmt: skip
        return [recall.recall(engine, scope, query) for engine in engines]

    def _outcome(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        ref = self._ref()
        draft = MemoryDraft(b'{"right": 1}', id=self._ref().id or "", kind=2)
        correction = self.random.choice([None, draft])
        judged = outcomes.Outcome(ref, self.random.uniform(-1, 1), correction, self._request())
        return [outcomes.report(engine, scope, judged) for engine in engines]

    def _consolidate(self, scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        order = consolidate.Order(self._filter(), dry_run=self.random.random() < 0.5)
        return [consolidate.consolidate(engine, scope, order) for engine in engines]

    def _expire(self, _scope: Scope, engines: list[Engine]) -> list[Awaitable[Any]]:
        return [lifecycle.expire_once(engine) for engine in engines]


async def outcome(call: Awaitable[Any]) -> tuple[object, dict[int, float]]:
    """Return what a call answers, and the scores in it apart: sums in another order differ in their last bits."""
    try:
        answer = await call
    except SomaError as error:
        return (type(error), error.facts), {}
    if isinstance(answer, recall.RecallAnswer):
        scores = {hit.record.commit_seq: hit.score for hit in answer.hits}
        return [hit.record for hit in sorted(answer.hits, key=_seq)], scores
    if isinstance(answer, movement.Progress):
        rejects = [(one.position, one.id, type(one.error)) for one in answer.rejects]
        return (dataclasses.replace(answer, rejects=[]), rejects), {}
    # Page tokens are signed with each store's own key.
    if isinstance(answer, read.MemoryPage):
        return answer.records, {}
    return (answer.versions, {}) if isinstance(answer, read.VersionPage) else (answer, {})


def _seq(hit: recall.RecallHit) -> int:
    return hit.record.commit_seq


async def answer_alike(tmp_path: Path, steps: int) -> None:
    """Make random calls of both engines, on two tenants and four namespaces, with restarts of the embedded store."""
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    caller, clock = Caller(seed), StoppedClock(NOW_US)
    model = an_engine(await open_in_memory(tmp_path), InMemoryIndex(), clock)
    await fill_index(model)
    kept = SnapshotFile(tmp_path / "copy", b"store", "model")
    embedded = an_engine(await open_embedded(tmp_path / "data"), EmbeddedIndex(None, kept), clock)
    await fill_index(embedded)
    restarts = 0
    for step in range(steps):
        calls = caller.call([model, embedded], clock)
        (expected, scores), (answered, embedded_scores) = [await outcome(call) for call in calls]

        assert answered == expected, f"seed {seed}, step {step}"
        assert embedded_scores == pytest.approx(scores, abs=1e-5), f"seed {seed}, step {step}"
        if caller.random.random() < 0.01:
            await embedded.index.maintain()
        if caller.random.random() < RESTART_PROBABILITY:
            restarts += 1
            if caller.random.random() < 0.5:
                await embedded.index.close()
            await embedded.store.close()
            reopened = await open_embedded(tmp_path / "data")
            embedded = dataclasses.replace(
                embedded, store=reopened, index=EmbeddedIndex(None, kept)
            )
            await fill_index(embedded)
    await embedded.store.close()
    assert restarts > 0


async def test_the_embedded_engine_answers_as_the_model_does(tmp_path: Path) -> None:
    """Thousands of random calls; `make chaos` makes fifty thousand."""
    await answer_alike(tmp_path, STEPS)
