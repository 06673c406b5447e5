"""Embeddings that change while memories stay: what stores promise about them, and how all come to another model."""

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from memory_server.adapters.embedded.index import EmbeddedIndex
from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.adapters.in_memory.index import InMemoryIndex
from memory_server.domain.filters import Filter
from memory_server.domain.limits import Limits
from memory_server.domain.memory import (
    CALLER_MODEL,
    MemoryDraft,
    MemoryId,
    MemoryRef,
    Receipt,
    Scope,
)
from memory_server.ports import (
    Allowed,
    Asked,
    NewEmbedding,
    PromoteWrite,
    Question,
    ReembedWrite,
    Vectors,
)
from memory_server.usecases import outcome, recall, store, update
from memory_server.usecases.engine import Engine, fill_index
from memory_server.usecases.reembed import Reembedding
from soma_common.errors import TextRefused, Unavailable
from tests.support.memories import (
    DIMENSIONS,
    NOW_US,
    SCOPE,
    StoppedClock,
    a_delete,
    a_direction,
    a_store,
)
from tests.support.stores import StoreCase, open_embedded, open_in_memory

LIMITS = Limits(
    max_message_bytes=1_000_000,
    max_payload_bytes=100_000,
    request_id_ttl_s=3600,
    embedding_dimensions=DIMENSIONS,
)


def a_vector(number: int) -> bytes:
    embedding: bytes = a_direction(number)["embedding"]
    return embedding


async def commit(case: StoreCase, *writes: object) -> list[Receipt]:
    outcomes = await case.store.commit(writes)  # type: ignore[arg-type]
    assert all(isinstance(outcome, Receipt) for outcome in outcomes), outcomes
    return outcomes  # type: ignore[return-value]


async def model_of(case: StoreCase, memory_id: str) -> tuple[str, bytes, int]:
    record = await case.store.get_whole(SCOPE, MemoryRef(id=MemoryId(memory_id)), NOW_US)
    return record.embedding_model, record.embedding, record.version


async def lacking(case: StoreCase, model: str, after: int = 0) -> list[int]:
    return [one.commit_seq for one in await case.store.lacking(model, after, 100)]


async def test_what_lacks_a_model_is_told_in_order(case: StoreCase) -> None:
    """Callers' own embeddings and memories without text are nobody's to embed."""
    await commit(
        case,
        a_store("none", text="tea", embedding=b"", embedding_model=""),
        a_store("old", text="tea", embedding=a_vector(1), embedding_model="old"),
        a_store("new", text="tea", embedding=a_vector(1), embedding_model="new"),
        a_store("caller", text="tea", embedding=a_vector(1), embedding_model=CALLER_MODEL),
        a_store("silent", text="", embedding=b"", embedding_model=""),
        a_store("gone", text="tea", embedding=b"", embedding_model=""),
        a_delete("gone"),
    )

    assert await lacking(case, "new") == [1, 2]
    assert await lacking(case, "new", after=1) == [2]
    assert [one.scope for one in await case.store.lacking("new", 0, 1)] == [SCOPE]


async def test_an_embedding_takes_the_place_of_the_present_one(case: StoreCase) -> None:
    """Of the version it was made for only; version and commit stay; an empty one says that there is none to make."""
    await commit(
        case,
        a_store("a", embedding=b"", embedding_model=""),
        a_store("changed", embedding=b"", embedding_model=""),
        a_store("changed", embedding=b"", embedding_model=""),
        a_store("caller", embedding=a_vector(1), embedding_model=CALLER_MODEL),
        a_store("unknown", embedding=b"", embedding_model=""),
    )
    case.changes.clear()
    embeddings = {(SCOPE, seq): a_vector(9) for seq in (1, 2, 4, 77)} | {(SCOPE, 5): b""}
    (receipt,) = await commit(case, ReembedWrite("new", embeddings))

    assert receipt.version == 5
    assert case.store.last_commit_seq == 5
    assert await model_of(case, "a") == ("new", a_vector(9), 1)
    assert await model_of(case, "changed") == ("", b"", 2)
    assert await model_of(case, "caller") == (CALLER_MODEL, a_vector(1), 1)
    assert await model_of(case, "unknown") == ("new", b"", 1)
    assert await lacking(case, "new") == [3]
    told = [new for change in case.changes for new in change.embedded]
    assert told == [
        NewEmbedding(1, "new", a_vector(9), is_beside=False),
        NewEmbedding(5, "new", b"", is_beside=False),
    ]


async def beside(case: StoreCase) -> list[tuple[Scope, NewEmbedding]]:
    return [entry async for batch in case.store.scan_beside() for entry in batch]


async def test_embeddings_are_kept_beside_until_they_are_promoted(case: StoreCase) -> None:
    """The present ones stay; overwritten and deleted memories take theirs with them; other models' are dropped."""
    names = ("a", "b", "overwritten", "deleted")
    await commit(
        case, *(a_store(name, embedding=a_vector(1), embedding_model="old") for name in names)
    )
    kept = {(SCOPE, seq): a_vector(seq) for seq in (1, 2, 3, 4)}
    await commit(case, ReembedWrite("new", kept, is_beside=True))
    assert await lacking(case, "new") == []
    assert await model_of(case, "a") == ("old", a_vector(1), 1)
    await commit(case, a_store("overwritten", embedding=a_vector(1), embedding_model="old"))
    await commit(case, a_delete("deleted"))

    assert [(scope, new.seq, new.vector) for scope, new in await beside(case)] == [
        (SCOPE, 1, a_vector(1)),
        (SCOPE, 2, a_vector(2)),
    ]
    stale = ReembedWrite("stale", {(SCOPE, 2): a_vector(7)}, is_beside=True)
    await commit(case, stale)
    case.changes.clear()
    while (await commit(case, PromoteWrite("new", 1)))[0].version:
        pass
    assert await beside(case) == []
    assert await model_of(case, "a") == ("new", a_vector(1), 1)
    assert await model_of(case, "b") == ("old", a_vector(1), 1)
    told = [new for change in case.changes for new in change.embedded]
    assert told == [NewEmbedding(1, "new", a_vector(1), is_beside=False)]


class Model(HashEmbedder):
    """A model by name, that can be away or refuse a text."""

    def __init__(self, model: str) -> None:
        super().__init__(DIMENSIONS)
        self.model = model
        self.is_away = False
        self.refused = ""
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str], *, for_query: bool = False) -> Vectors:
        self.asked += texts
        if self.is_away:
            raise Unavailable("away")
        if self.refused and self.refused in texts:
            raise TextRefused("not this one")
        rows = await super().embed(texts)
        # Another model, another space.
        return rows if self.model == "old" else np.ascontiguousarray(-rows)


@pytest.fixture(params=["in_memory", "embedded"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    is_embedded = request.param == "embedded"
    made = await (open_embedded if is_embedded else open_in_memory)(tmp_path / "data")
    index = EmbeddedIndex() if is_embedded else InMemoryIndex()
    engine = Engine(made, index, Model("new"), StoppedClock(), os.urandom, LIMITS)
    await fill_index(engine)
    yield engine
    await made.close()


async def put(engine: Engine, *texts: str) -> None:
    for text in texts:
        payload = b'{"text": "%s"}' % text.encode()
        draft = MemoryDraft(id=MemoryId(text.replace(" ", "-")), payload_json=payload)
        await store.store(engine, SCOPE, store.StoreCommand(draft))


async def found(engine: Engine, text: str) -> list[tuple[str, float]]:
    """Return what the vector leg alone finds."""
    query = recall.RecallQuery(text=text, mode=recall.RecallMode.VECTOR, top_k=3)
    answer = await recall.recall(engine, SCOPE, query)
    return [(hit.record.id, round(hit.parts.vector, 3)) for hit in answer.hits]


async def settle(engine: Engine, reembedding: Reembedding) -> None:
    while await reembedding.once(engine):
        pass


async def test_what_was_stored_while_the_embedder_was_away_is_embedded_later(
    engine: Engine,
) -> None:
    """The write goes on, and by vectors the memory is found as soon as the embedder is back; nothing is asked twice."""
    model = engine.wanted_embedder
    assert isinstance(model, Model)
    reembedding = Reembedding()
    model.is_away = True
    await put(engine, "green tea", "black coffee")
    await settle(engine, reembedding)
    model.is_away = False
    assert await found(engine, "green tea") == []
    await settle(engine, reembedding)
    model.asked.clear()
    await settle(engine, reembedding)

    assert model.asked == []
    assert (await found(engine, "green tea"))[0][0] == "green-tea"


async def test_a_text_that_is_refused_holds_up_no_other(engine: Engine) -> None:
    """It has no embedding, and is not tried for ever."""
    model = engine.wanted_embedder
    assert isinstance(model, Model)
    model.is_away = True
    await put(engine, "green tea", "poison", "black coffee")
    model.is_away, model.refused = False, "poison"
    reembedding = Reembedding()
    await settle(engine, reembedding)
    model.asked.clear()
    await settle(engine, Reembedding())

    assert model.asked == []
    assert (await found(engine, "black coffee"))[0][0] == "black-coffee"


async def test_a_version_of_an_older_model_is_restored_for_the_present_one(engine: Engine) -> None:
    """It is found among the others at once; while the embedder is away the receipt says that it is pending."""
    model = engine.wanted_embedder
    assert isinstance(model, Model)
    for text in ("green tea", "black coffee"):
        old = {"embedding": a_vector(1), "embedding_model": "old"} if "tea" in text else {}
        await engine.store.commit([a_store("drink", text=text, **old)])
    await settle(engine, Reembedding())
    back = update.RestoreCommand(MemoryRef(id=MemoryId("drink")), version=1)

    receipt = await update.restore(engine, SCOPE, back)
    at_once = await found(engine, "green tea")
    model.is_away = True
    pending = await update.restore(engine, SCOPE, back)
    model.is_away = False
    await settle(engine, Reembedding())

    assert receipt.is_embedded
    assert at_once == [("drink", 1.0)]
    assert not pending.is_embedded
    assert await found(engine, "green tea") == [("drink", 1.0)]


async def test_a_change_beside_the_text_takes_the_embedding_along(engine: Engine) -> None:
    """The model's and a caller's own, by an update or an outcome; the model is not asked again."""
    model = engine.wanted_embedder
    assert isinstance(model, Model)
    await put(engine, "green tea")
    own = MemoryDraft(payload_json=b"{}", id="own", text="mine", embedding=a_vector(3))
    await store.store(engine, SCOPE, store.StoreCommand(own))
    model.asked.clear()
    for memory_id in (MemoryId("green-tea"), MemoryId("own")):
        ref = MemoryRef(id=memory_id)
        lifted = MemoryDraft(payload_json=b"", importance=2.0)
        await update.update(engine, SCOPE, update.UpdateCommand(ref, lifted, ("importance",)))
        await outcome.report(engine, SCOPE, outcome.Outcome(ref, 1.0))
    await settle(engine, Reembedding())

    assert model.asked == []
    assert await found(engine, "green tea") == [("green-tea", 1.0)]
    by_vector = await recall.recall(engine, SCOPE, recall.RecallQuery(vector=a_vector(3)))
    assert [hit.record.id for hit in by_vector.hits] == ["own"]
    assert by_vector.hits[0].record.version == 3


async def test_another_model_takes_over_when_it_has_everything(engine: Engine) -> None:
    """Until then the old one serves, new memories too; then the new one does; at no moment is anything not found."""
    old = Model("old")
    engine.model_change.previous = old
    await put(engine, *(f"text number {number}" for number in range(150)))
    reembedding = Reembedding()
    assert engine.embedder is old
    assert await reembedding.once(engine) == 128
    assert (await found(engine, "text number 3"))[0] == ("text-number-3", 1.0)
    await put(engine, "text number 150")
    served = []
    while await reembedding.once(engine):
        served.append(engine.embedder.model)
        for number in (3, 140, 150):
            name = f"text number {number}"
            assert (await found(engine, name))[0] == (name.replace(" ", "-"), 1.0)

    assert served[0] == "old"
    assert served[-1] == "new"
    assert engine.embedder is engine.wanted_embedder
    old.asked.clear()
    assert (await found(engine, "text number 3"))[0] == ("text-number-3", 1.0)
    assert old.asked == []
    assert await engine.store.lacking("new", 0, 10) == []
    records = [record async for batch in engine.store.scan() for _, record in batch]
    assert {record.embedding_model for record in records} == {"new"}


async def test_a_change_of_model_survives_a_restart(tmp_path: Path) -> None:
    """In the middle: the index has both again, and the walk goes on where it was."""
    case = StoreCase(await open_embedded(tmp_path / "data"))
    writes = [
        a_store(f"m{n}", text=f"text {n}", embedding_model="old", embedding=a_vector(n))
        for n in (1, 2)
    ]
    await commit(case, *writes)
    await commit(case, ReembedWrite("new", {(SCOPE, 1): a_vector(5)}, is_beside=True))
    await case.store.close()
    made = await open_embedded(tmp_path / "data")
    clock = StoppedClock(NOW_US)
    engine = Engine(made, EmbeddedIndex(), Model("new"), clock, bytes, LIMITS)
    models = await fill_index(engine)
    question = Question(vector=("new", np.frombuffer(a_vector(5), "<f4")))
    (found_now,) = engine.index.search(SCOPE, [Asked(question, 5)], Allowed(Filter(), NOW_US))

    assert models == {"old": 2}
    assert found_now.seqs.tolist() == [1]
    assert found_now.candidates.cosine.tolist() == [pytest.approx(1.0)]
    assert [one.commit_seq for one in await made.lacking("new", 0, 10)] == [2]
    await made.close()
