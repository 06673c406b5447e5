"""The story of the crash tests: eight writers, a server that is killed again and again, and the reckoning."""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from somamemory import (
    AsyncMemoryClient,
    DeadlineExceeded,
    Draft,
    Memory,
    Receipt,
    SomaMemoryError,
    Unavailable,
)
from tests.support.server_process import ServerProcess

WRITERS = 8
BATCH = 5
NAMESPACE = "crash"
SEED_VARIABLE = "CRASH_TEST_SEED"


@dataclass
class Journal:
    """What the writers know about each write, by its request id."""

    drafts: dict[str, Draft] = field(default_factory=dict)
    acknowledged: dict[str, Receipt] = field(default_factory=dict)

    @property
    def unknown(self) -> list[Draft]:
        """Writes that were sent and never answered."""
        return [draft for key, draft in self.drafts.items() if key not in self.acknowledged]

    def keep(self, drafts: Iterable[Draft], receipts: Iterable[Receipt | SomaMemoryError]) -> None:
        """Note the answers to writes; a refusal of any is a failure of the test."""
        for draft, receipt in zip(drafts, receipts, strict=True):
            assert isinstance(receipt, Receipt), receipt
            assert receipt.request_id == draft.request_id
            self.acknowledged[draft.request_id] = receipt

    def payload(self, request_id: str) -> bytes:
        """Return the payload that a write carried."""
        sent = self.drafts[request_id].payload
        assert isinstance(sent, bytes)
        return sent


class Writer:
    """Stores one by one and in batches: new memories with and without id, and over one hot memory."""

    def __init__(self, number: int, journal: Journal, seed: int) -> None:
        self._number = number
        self._journal = journal
        self._random = random.Random(f"{seed}-{number}")
        self._count = 0

    async def run(self, client: AsyncMemoryClient, stop: asyncio.Event) -> None:
        """Write until told to stop; an unanswered write stays unknown."""
        while not stop.is_set():
            size = self._random.choice([1, 1, 1, BATCH])
            drafts = [self._draft() for _ in range(size)]
            self._journal.drafts.update({draft.request_id: draft for draft in drafts})
            try:
                await self._write(client, drafts)
            except (Unavailable, DeadlineExceeded):
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.004)

    async def _write(self, client: AsyncMemoryClient, drafts: list[Draft]) -> None:
        if len(drafts) > 1:
            receipts = await client.store_batch(drafts, namespace=NAMESPACE, allow_partial=True)
            self._journal.keep(drafts, receipts)
            return
        [draft] = drafts
        receipt = await client.store(
            draft.payload, namespace=NAMESPACE, id=draft.id, request_id=draft.request_id
        )
        self._journal.keep(drafts, [receipt])

    def _draft(self) -> Draft:
        self._count += 1
        token = f"w{self._number}n{self._count}"
        body = {
            "text": f"crash {token}",
            "noise": self._random.random(),
            "pad": "ü" * self._random.randint(0, 400),
        }
        # Spaces, so that a server that writes payloads anew would be found out.
        payload = json.dumps(
            body, ensure_ascii=False, indent=self._random.choice([None, 1])
        ).encode()
        memory_id = self._random.choice([f"id-{token}", "", f"hot-{self._number}"])
        return Draft(payload=payload, id=memory_id, request_id=f"request-{token}")


async def survive(folder: Path, *, kills: int) -> None:
    """Write through kills, start once more, and hold the server to everything that it acknowledged.

    Raises:
        AssertionError: Something acknowledged is lost, changed or doubled, or something unknown could
            not be repeated.
    """
    seed = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().getrandbits(32))
    print(f"seed: {SEED_VARIABLE}={seed}")
    server, journal = ServerProcess(folder / "data"), Journal()

    await _write_through_kills(server, journal, seed, kills)
    acknowledged, unknown = dict(journal.acknowledged), journal.unknown
    print(f"{len(acknowledged)} writes acknowledged, {len(unknown)} unknown after {kills} kills")
    assert len(acknowledged) > 5 * kills

    await asyncio.to_thread(server.start)
    try:
        async with AsyncMemoryClient(server.address, timeout_s=20) as client:
            _check_all_there(journal, acknowledged, await _everything(client))
            await _repeat(client, journal, unknown)
            _check_exactly_once(journal, await _everything(client))
            await _check_found(client, journal, random.Random(seed))
    finally:
        assert await asyncio.to_thread(server.stop) == 0


async def _write_through_kills(
    server: ServerProcess, journal: Journal, seed: int, kills: int
) -> None:
    chance, stop = random.Random(seed), asyncio.Event()
    await asyncio.to_thread(server.start)
    async with AsyncMemoryClient(server.address, timeout_s=2) as client:
        writers = [Writer(number, journal, seed) for number in range(WRITERS)]
        async with asyncio.TaskGroup() as tasks:
            for writer in writers:
                tasks.create_task(writer.run(client, stop))
            for kill in range(kills):
                await asyncio.sleep(chance.uniform(0.1, 0.7))
                await asyncio.to_thread(server.kill)
                if kill < kills - 1:
                    await asyncio.to_thread(server.start)
            stop.set()


async def _everything(client: AsyncMemoryClient) -> dict[str, Memory]:
    """Return all memories by id; an id that is listed twice fails the test."""
    listed = [each async for each in client.list_memories(namespace=NAMESPACE, page_size=500)]
    by_id = {memory.id: memory for memory in listed}
    assert len(by_id) == len(listed), "a memory is listed twice"
    return by_id


def _check_all_there(
    journal: Journal, acknowledged: dict[str, Receipt], found: dict[str, Memory]
) -> None:
    """Every acknowledged write is there, unless a later version of the same memory took its place."""
    for request_id, receipt in acknowledged.items():
        memory = found[receipt.id]
        assert memory.version >= receipt.version, f"{receipt} is lost"
        if memory.version == receipt.version:
            assert memory.payload_json == journal.payload(request_id)
            assert memory.commit_seq == receipt.commit_seq


async def _repeat(client: AsyncMemoryClient, journal: Journal, unknown: list[Draft]) -> None:
    """Send every unknown write again, and some known ones: these are replays of the first answer."""
    for draft in unknown:
        receipts = await client.store_batch([draft], namespace=NAMESPACE)
        journal.keep([draft], receipts)
    for request_id, receipt in list(journal.acknowledged.items())[:100]:
        [again] = await client.store_batch([journal.drafts[request_id]], namespace=NAMESPACE)
        assert isinstance(again, Receipt)
        assert again == replace(receipt, replayed=True)


def _check_exactly_once(journal: Journal, found: dict[str, Memory]) -> None:
    """Every write made one version of one memory; versions have no gap and no double."""
    versions: dict[str, list[int]] = {}
    newest: dict[str, tuple[int, str]] = {}
    for request_id, receipt in journal.acknowledged.items():
        versions.setdefault(receipt.id, []).append(receipt.version)
        newest[receipt.id] = max(newest.get(receipt.id, (0, "")), (receipt.version, request_id))

    assert found.keys() == versions.keys()
    for memory_id, counted in versions.items():
        assert sorted(counted) == list(range(1, len(counted) + 1)), memory_id
        version, request_id = newest[memory_id]
        assert found[memory_id].version == version
        assert found[memory_id].payload_json == journal.payload(request_id)
    commits = Counter(receipt.commit_seq for receipt in journal.acknowledged.values())
    assert max(commits.values()) == 1, "two writes have one place in the order of commits"


async def _check_found(client: AsyncMemoryClient, journal: Journal, chance: random.Random) -> None:
    """Recall finds memories by a word that only they have, and Get by their id."""
    single = [
        (request_id, receipt)
        for request_id, receipt in journal.acknowledged.items()
        if not receipt.id.startswith("hot-")
    ]
    for request_id, receipt in chance.sample(single, 60):
        token = request_id.removeprefix("request-")
        hits = await client.recall(token, namespace=NAMESPACE, mode="keyword", top_k=3)
        read = await client.get(receipt.id, namespace=NAMESPACE)
        assert [hit.memory.id for hit in hits] == [receipt.id]
        assert read.payload_json == journal.payload(request_id)
