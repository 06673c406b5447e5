"""Moving, summing up, judging and erasing over the wire."""

import asyncio
import hashlib
import json
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf import timestamp_pb2

from memory_server.__main__ import EXIT_NOT_EMPTY, EXIT_NOT_FOUND
from soma.memory.v1 import (
    admin_service_pb2,
    lifecycle_service_pb2,
    link_service_pb2,
    memory_pb2,
    memory_service_pb2,
    namespace_service_pb2,
)
from tests.support.server_process import ServerProcess
from tests.support.waiting import PATIENCE_S
from tests.support.wire import Wire, bad_fields, ref

SEMANTIC = memory_pb2.MEMORY_KIND_SEMANTIC
OVERWRITE, SKIP = memory_pb2.CONFLICT_POLICY_OVERWRITE, memory_pb2.CONFLICT_POLICY_SKIP
REFUSE = memory_pb2.CONFLICT_POLICY_REFUSE


async def exported(wire: Wire, **more: object) -> list[lifecycle_service_pb2.ExportResponse]:
    """Export the namespace."""
    request = lifecycle_service_pb2.ExportRequest(namespace=wire.namespace, **more)  # type: ignore[arg-type]
    return [part async for part in wire.lifecycle.Export(request)]


async def imported(
    wire: Wire,
    parts: list[lifecycle_service_pb2.ExportResponse],
    **options: object,
) -> list[lifecycle_service_pb2.ImportResponse]:
    """Import what an export gave, a message each for options, memories and links."""
    chosen = lifecycle_service_pb2.ImportOptions(namespace=wire.namespace, **options)  # type: ignore[arg-type]
    memories = [part.memory for part in parts if part.HasField("memory")]
    links = [part.link for part in parts if part.HasField("link")]
    requests = [
        lifecycle_service_pb2.ImportRequest(options=chosen),
        lifecycle_service_pb2.ImportRequest(memories=memories),
        lifecycle_service_pb2.ImportRequest(links=links),
    ]
    return [answer async for answer in wire.lifecycle.Import(iter(requests))]


def content(parts: list[lifecycle_service_pb2.ExportResponse]) -> list[object]:
    """Return what an export holds of its authors' words: memories, versions, links."""
    found: list[object] = []
    for part in parts:
        if part.HasField("memory"):
            versions = [version.memory for version in part.memory.versions]
            found += [
                (memory.id, memory.payload_json, memory.text, memory.importance,
                 memory.event_time.ToNanoseconds(), memory.update_time.ToNanoseconds(),
                 tuple(memory.coordinate.values), str(memory.metadata), part.memory.embedding)
                for memory in [*versions, part.memory.memory]
            ]  # fmt: skip
        elif part.HasField("link"):
            found.append((part.link.from_id, part.link.to_id, part.link.type, part.link.weight))
    return sorted(found, key=repr)


async def furnish(wire: Wire) -> None:
    """Store some memories with versions, metadata, a coordinate and links."""
    metadata = {"k": memory_pb2.MetadataValue(number=1.5)}
    await wire.store({"text": "first words"}, id="a", metadata=metadata)
    await wire.store({"text": "second words"}, id="a", metadata=metadata, importance=0.25)
    await wire.store({"text": "other"}, id="b", coordinate={"values": [1.0, 2.0]})
    await wire.store({"text": "third"}, id="c", kind=SEMANTIC)
    await wire.link("a", "b", "likes", weight=0.5)
    await wire.link("b", "c")


async def test_an_export_is_imported_whole(wire: Wire) -> None:
    """Memories, versions with their times, embeddings and links are the same in another namespace."""
    await furnish(wire)
    parts = await exported(wire, include_versions=True, include_embeddings=True)
    assert (parts[-1].summary.memory_count, parts[-1].summary.link_count) == (3, 2)

    other = Wire(wire.channel, f"{wire.namespace}-copy")
    answers = await imported(other, parts)

    last = answers[-1]
    assert (last.stored_count, last.linked_count, last.rejected_count) == (3, 2, 0)
    copied = await exported(other, include_versions=True, include_embeddings=True)
    assert content(copied) == content(parts)
    assert (await other.recall("second", mode=3)).results[0].memory.id == "a"


@pytest.mark.parametrize("max_message_bytes", [256 * 1024, 8 * 1024 * 1024])
async def test_an_export_of_long_histories_is_received_and_imported(
    tmp_path: Path, max_message_bytes: int
) -> None:
    """By any client: each memory with its latest versions, and the summary says how many were left out."""
    policy = namespace_service_pb2.NamespacePolicy(max_versions=100)
    with ServerProcess(
        tmp_path / "data", max_payload_bytes=64 * 1024, max_message_bytes=max_message_bytes
    ) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire, other = Wire(channel, "n"), Wire(channel, "m")
            for name in "nm":
                await wire.namespaces.CreateNamespace(
                    namespace_service_pb2.CreateNamespaceRequest(namespace=name, policy=policy)
                )
            for number in range(80):
                await wire.store({"n": number, "long": "x" * 60_000}, id="a", text="t")
            await wire.store({"text": "short"}, id="b")

            parts = await exported(wire, include_versions=True)
            answers = [await imported(other, [part]) for part in parts[:2]]

            assert [answer[-1].stored_count for answer in answers] == [1, 1]
            copied = await exported(other, include_versions=True)
    assert content(copied) == content(parts)
    versions = [version.memory.version for version in parts[0].memory.versions]
    left_out = parts[-1].summary.left_out_version_count
    assert versions == list(range(left_out + 1, 80))
    most_bytes = min(max_message_bytes, 3 * 1024 * 1024)
    assert most_bytes * 2 // 3 < parts[0].ByteSize() <= most_bytes


async def test_conflicts_are_refused_skipped_or_overwritten(wire: Wire) -> None:
    """By the policy; a dry run says the same and writes nothing."""
    await furnish(wire)
    parts = await exported(wire)
    refused = (await imported(wire, parts))[-1]
    assert (refused.stored_count, refused.rejected_count) == (0, 5)
    dry = (await imported(wire, parts, conflict=SKIP, dry_run=True))[-1]
    skipped = (await imported(wire, parts, conflict=SKIP))[-1]
    assert (dry.stored_count, dry.skipped_count) == (0, 5)
    assert (skipped.stored_count, skipped.skipped_count, skipped.linked_count) == (0, 5, 0)
    assert (await wire.get("a")).version == 2
    written = (await imported(wire, parts, conflict=OVERWRITE))[-1]
    assert (written.stored_count, written.linked_count) == (3, 2)
    assert (await wire.get("a")).version == 3


async def test_rejects_name_what_and_why(wire: Wire) -> None:
    """A bad memory and a link to nowhere do not stop the rest."""
    good = lifecycle_service_pb2.MovedMemory(memory={"id": "good", "payload_json": b"{}"})
    bad = lifecycle_service_pb2.MovedMemory(memory={"id": "bad", "payload_json": b"[]"})
    options = lifecycle_service_pb2.ImportOptions(namespace=wire.namespace)
    request = lifecycle_service_pb2.ImportRequest(
        options=options,
        memories=[bad, good],
        links=[memory_pb2.MemoryLink(from_id="good", to_id="absent", type="t")],
    )
    [answer] = [one async for one in wire.lifecycle.Import(iter([request]))]

    assert answer.stored_count == 1
    assert [(reject.position, reject.id) for reject in answer.rejects] == [(0, "bad"), (2, "good")]
    assert [reject.error.code for reject in answer.rejects] == [
        grpc.StatusCode.INVALID_ARGUMENT.value[0],
        grpc.StatusCode.NOT_FOUND.value[0],
    ]
    bare = lifecycle_service_pb2.ImportRequest(memories=[good])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.lifecycle.Import(iter([bare])).read()
    assert "options" in bad_fields(caught.value)


@pytest.mark.parametrize("seconds", [-(10**11), -(10**13), 10**13])
@pytest.mark.parametrize("time", ["create_time", "update_time"])
async def test_a_time_that_no_timestamp_can_name_is_rejected(
    wire: Wire, time: str, seconds: int
) -> None:
    """It is the memory's own fault: nothing of it is stored, and the others of the import are."""
    bad = memory_pb2.Memory(id="bad", payload_json=b"{}")
    getattr(bad, time).seconds = seconds
    request = lifecycle_service_pb2.ImportRequest(
        options=lifecycle_service_pb2.ImportOptions(namespace=wire.namespace),
        memories=[
            lifecycle_service_pb2.MovedMemory(memory=bad),
            lifecycle_service_pb2.MovedMemory(memory={"id": "good", "payload_json": b"{}"}),
        ],
    )
    [answer] = [one async for one in wire.lifecycle.Import(iter([request]))]

    assert [reject.id for reject in answer.rejects] == ["bad"]
    assert answer.rejects[0].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert await wire.ids() == ["good"]


async def test_a_memory_that_is_rejected_leaves_no_version(wire: Wire) -> None:
    """Where the current version breaks a quota, no older one is written, let alone current."""
    policy = namespace_service_pb2.NamespacePolicy(quota_payload_bytes=100)
    await wire.namespaces.CreateNamespace(
        namespace_service_pb2.CreateNamespaceRequest(namespace=wire.namespace, policy=policy)
    )
    moved = lifecycle_service_pb2.MovedMemory(
        memory={"id": "a", "payload_json": b"{%100s}" % b""},
        versions=[memory_pb2.MemoryVersion(memory={"payload_json": b"{}"})],
    )
    request = lifecycle_service_pb2.ImportRequest(
        options=lifecycle_service_pb2.ImportOptions(namespace=wire.namespace), memories=[moved]
    )
    [answer] = [one async for one in wire.lifecycle.Import(iter([request]))]

    assert (answer.stored_count, answer.rejected_count) == (0, 1)
    assert await wire.ids() == []


@pytest.mark.parametrize("conflict", [REFUSE, SKIP, OVERWRITE])
async def test_a_dry_run_counts_what_the_real_one_does(wire: Wire, conflict: int) -> None:
    """Taken coordinates and links that are there are counted alike, within one import, too."""
    other = Wire(wire.channel, f"{wire.namespace}-taken")
    await furnish(wire)
    await wire.store({"text": "fourth"}, id="d", coordinate={"values": [3.0]})
    await other.store({"text": "here before"}, id="x", coordinate={"values": [1.0, 2.0]})
    await other.store({"text": "here before"}, id="a")
    parts = await exported(wire, include_versions=True)
    parts[2:2] = parts[:2]  # some memories twice
    counts = []
    for dry_run in (True, False, True, False):
        last = (await imported(other, parts, conflict=conflict, dry_run=dry_run))[-1]
        counts.append(
            (last.stored_count, last.skipped_count, last.linked_count, last.rejected_count)
        )

    assert counts[0] == counts[1]
    assert counts[2] == counts[3]


async def test_memories_are_shared_with_their_links(wire: Wire) -> None:
    """Those that pass the filter, and the links among them; never with itself."""
    await furnish(wire)
    request = lifecycle_service_pb2.ShareRequest(
        namespace=wire.namespace,
        to_namespace=f"{wire.namespace}-shared",
        filter=memory_pb2.Filter(kinds=[memory_pb2.MEMORY_KIND_EPISODIC]),
    )
    answer = await wire.lifecycle.Share(request)

    assert (answer.stored_count, answer.linked_count) == (2, 1)
    other = Wire(wire.channel, request.to_namespace)
    assert set(await other.ids()) == {"a", "b"}
    again = await wire.lifecycle.Share(request)
    assert (again.stored_count, again.rejected_count) == (0, 3)
    request.to_namespace = wire.namespace
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.lifecycle.Share(request)
    assert bad_fields(caught.value) == ["to_namespace"]


async def talk(wire: Wire, session: str, *texts: str) -> None:
    """Store a conversation, a memory per turn."""
    for number, text in enumerate(texts):
        stamp = timestamp_pb2.Timestamp(seconds=1_700_000_000 + 60 * number)
        metadata = {"session": memory_pb2.MetadataValue(text=session)}
        await wire.store(
            {"text": text}, id=f"{session}-{number}", event_time=stamp, metadata=metadata
        )


async def test_episodes_are_summed_up_and_it_can_be_undone(wire: Wire) -> None:
    """Sources stay, links lead to them, a second time writes nothing, undoing leaves no trace."""
    turns = ("I moved to Oslo in May.", "The flat in Oslo is small.", "Weather is fine.")
    await talk(wire, "s1", *turns)
    before = await wire.ids()
    request = lifecycle_service_pb2.ConsolidateRequest(
        namespace=wire.namespace, max_summary_bytes=100
    )
    first = await wire.lifecycle.Consolidate(request)
    again = await wire.lifecycle.Consolidate(request)

    assert [one.created for one in first.memories] == [True]
    assert [one.created for one in again.memories] == [False]
    assert first.memories[0].id == again.memories[0].id
    assert "Oslo" in first.memories[0].text
    assert list(first.memories[0].source_ids) == ["s1-0", "s1-1", "s1-2"]
    near = await wire.links.Neighbors(
        link_service_pb2.NeighborsRequest(
            namespace=wire.namespace, ref=ref(first.memories[0].id), types=["consolidated_from"]
        )
    )
    assert {one.memory.id for one in near.neighbors} == {"s1-0", "s1-1", "s1-2"}

    undone = await wire.lifecycle.UndoConsolidation(
        lifecycle_service_pb2.UndoConsolidationRequest(
            namespace=wire.namespace, consolidation_id=first.consolidation_id
        )
    )
    assert undone.deleted_count == 1
    assert await wire.ids() == before


async def test_a_conversation_that_went_on_gets_the_next_version(wire: Wire) -> None:
    """Undoing the second consolidation brings the first one's summary back."""
    await talk(wire, "s1", "Anna likes tea.", "Anna likes Oslo.")
    request = lifecycle_service_pb2.ConsolidateRequest(namespace=wire.namespace)
    first = await wire.lifecycle.Consolidate(request)
    await talk(wire, "s1", "Anna likes tea.", "Anna likes Oslo.", "Anna likes snow.")
    second = await wire.lifecycle.Consolidate(request)
    summary_id = first.memories[0].id
    assert (second.memories[0].id, second.memories[0].created) == (summary_id, True)
    assert (await wire.get(summary_id)).version == 2

    await wire.lifecycle.UndoConsolidation(
        lifecycle_service_pb2.UndoConsolidationRequest(
            namespace=wire.namespace, consolidation_id=second.consolidation_id
        )
    )
    assert (await wire.get(summary_id)).text == first.memories[0].text


async def test_summaries_of_the_caller_are_linked_to_their_sources(wire: Wire) -> None:
    """Their kind is semantic, their id is made of the sources; a dry run writes nothing."""
    await talk(wire, "s1", "one", "two")
    summary = lifecycle_service_pb2.Summary(
        memory={"payload_json": b'{"fact": "both"}'}, sources=[ref("s1-0"), ref("s1-1")]
    )
    request = lifecycle_service_pb2.ConsolidateRequest(
        namespace=wire.namespace, summaries=[summary], dry_run=True
    )
    planned = await wire.lifecycle.Consolidate(request)
    assert planned.commit_seq == 0
    assert len(await wire.ids()) == 2
    request.dry_run = False
    made = await wire.lifecycle.Consolidate(request)
    assert made.memories[0].id == planned.memories[0].id
    assert (await wire.get(made.memories[0].id)).kind == SEMANTIC


async def test_a_sample_repeats_by_its_seed(wire: Wire) -> None:
    """Without repeats, and never more than there are."""
    for number in range(30):
        await wire.store({"n": number}, id=f"m{number}")

    async def sample(seed: int | None = None, count: int = 0) -> list[str]:
        request = lifecycle_service_pb2.ReflectRequest(
            namespace=wire.namespace, seed=seed, count=count
        )
        return [memory.id for memory in (await wire.lifecycle.Reflect(request)).memories]

    assert await sample(seed=7) == await sample(seed=7)
    assert len(set(await sample(seed=7))) == 5
    assert await sample(seed=7, count=20) != await sample(seed=8, count=20)
    assert len(await sample(count=1000)) == 30


async def test_an_outcome_moves_importance_and_keeps_the_original(wire: Wire) -> None:
    """The correction is a memory of its own, linked to what it corrects; a retry does nothing twice."""
    await wire.store({"text": "the capital is Bergen"}, id="wrong")
    request = lifecycle_service_pb2.ReportOutcomeRequest(
        namespace=wire.namespace,
        ref=ref("wrong"),
        outcome=-1.0,
        correction=memory_pb2.MemoryDraft(payload_json=b'{"text": "the capital is Oslo"}'),
        request_id="r1",
    )
    first = await wire.lifecycle.ReportOutcome(request)
    again = await wire.lifecycle.ReportOutcome(request)

    assert first.importance == again.importance == pytest.approx(0.75)
    assert (first.correction_id, again.receipt.replayed) == (again.correction_id, True)
    wrong = await wire.get("wrong")
    assert wrong.text == "the capital is Bergen"
    assert wrong.importance == pytest.approx(0.75)
    right = await wire.get(first.correction_id)
    assert right.kind == SEMANTIC
    near = await wire.links.Neighbors(
        link_service_pb2.NeighborsRequest(namespace=wire.namespace, ref=ref(right.id))
    )
    assert [(one.memory.id, one.link.type) for one in near.neighbors] == [("wrong", "corrects")]
    assert len(await wire.ids()) == 2


async def test_what_was_summed_up_is_told_as_far_as_an_answer_carries(wire: Wire) -> None:
    """New summaries first; the rest is found by the metadata that names the consolidation."""
    long = "A sentence that is as long as a summary may be. " + "word " * 9_000
    for number in range(80):
        metadata = {"session": memory_pb2.MetadataValue(text=f"s{number}")}
        await wire.store({}, id=f"m{number}", text=f"{long} {number}", metadata=metadata)
    request = lifecycle_service_pb2.ConsolidateRequest(
        namespace=wire.namespace, min_episodes=1, max_summary_bytes=60_000
    )
    first = await wire.lifecycle.Consolidate(request)
    await wire.store({}, id="late", text=long, metadata={"session": {"text": "late"}})
    again = await wire.lifecycle.Consolidate(request)

    assert first.truncated
    assert 40 < len(first.memories) < 80
    written = {"text": first.consolidation_id}
    test = memory_pb2.MetadataTest(key="consolidation", equals=written)
    assert len(await wire.ids(memory_pb2.Filter(metadata=[test]))) == 80
    assert [one.created for one in again.memories[:2]] == [True, False]


async def test_what_is_judged_or_summed_up_is_never_written_over(wire: Wire) -> None:
    """A correction under the judged memory's own id or coordinate is refused, and a summary under a source's id."""
    await wire.store({"text": "judged"}, id="a", coordinate={"values": [1.0]})
    await wire.store({"text": "source"}, id="b")
    for draft, field in (({"id": "a"}, "id"), ({"coordinate": {"values": [1.0]}}, "coordinate")):
        correction = memory_pb2.MemoryDraft(payload_json=b"{}", **draft)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await wire.lifecycle.ReportOutcome(
                lifecycle_service_pb2.ReportOutcomeRequest(
                    namespace=wire.namespace, ref=ref("a"), outcome=-1, correction=correction
                )
            )
        assert bad_fields(caught.value) == [f"correction.{field}"]
    summaries = [
        {"memory": {"id": "sum", "payload_json": b"{}"}, "sources": [ref("a"), ref("b")]},
        {"memory": {"id": "b", "payload_json": b"{}"}, "sources": [ref("a")]},
    ]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.lifecycle.Consolidate(
            lifecycle_service_pb2.ConsolidateRequest(namespace=wire.namespace, summaries=summaries)
        )
    assert bad_fields(caught.value) == ["summaries[1].memory.id"]
    assert set(await wire.ids()) == {"a", "b"}
    assert {(await wire.get(name)).version for name in "ab"} == {1}


def is_signed(receipt: lifecycle_service_pb2.ErasureReceipt) -> None:
    """Check a receipt as anybody can who has it; raises if it is not what was signed."""
    bare = lifecycle_service_pb2.ErasureReceipt()
    bare.CopyFrom(receipt)
    bare.ClearField("signature")
    document = bare.SerializeToString(deterministic=True)
    Ed25519PublicKey.from_public_bytes(receipt.public_key).verify(receipt.signature, document)


async def test_a_subject_is_erased_and_the_receipt_proves_it(tmp_path: Path) -> None:
    """Everything about it, its versions too, is in no file; others stay; a changed receipt is not authentic."""
    canary, id_canary = "canary-77ab", "canary-id-91"
    about = {"who": memory_pb2.MetadataValue(text="ann")}
    subject = lifecycle_service_pb2.EraseSubjectRequest(metadata_key="who", value=about["who"])
    with ServerProcess(tmp_path / "data") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire, other = Wire(channel, "n"), Wire(channel, "m")
            await wire.store({"t": canary}, id=id_canary, metadata=about, request_id="r1")
            await wire.store({"t": "later about nobody"}, id=id_canary)
            await wire.store({"t": canary}, id="x", metadata=about)
            await other.store({"t": canary}, id="y", metadata=about)
            await wire.store({"t": "stays"}, id="stays")
            await wire.link("stays", "x")

            receipt = (await wire.lifecycle.EraseSubject(subject)).receipt

            assert (receipt.memory_count, receipt.version_count, receipt.link_count) == (3, 1, 1)
            is_signed(receipt)
            assert await wire.ids() == ["stays"]
            verify = lifecycle_service_pb2.VerifyErasureRequest(receipt=receipt, subject=subject)
            verified = await wire.lifecycle.VerifyErasure(verify)
            assert (verified.authentic, verified.remaining_count) == (True, 0)
            verify.receipt.memory_count = 2
            assert not (await wire.lifecycle.VerifyErasure(verify)).authentic
            files = [one for one in (tmp_path / "data").rglob("*") if one.is_file()]
            for word in (canary, id_canary):
                assert not [one for one in files if word.encode() in one.read_bytes()]

            await other.store({"t": "again"}, id="y", metadata=about)
            assert (await wire.lifecycle.VerifyErasure(verify)).remaining_count == 1


async def test_an_erasure_beside_an_open_export_is_told_as_it_is(wire: Wire) -> None:
    """It is done and acknowledged; the receipt says what the export holds up, and the check when that is over."""
    about = {"who": memory_pb2.MetadataValue(text="ann")}
    subject = lifecycle_service_pb2.EraseSubjectRequest(
        metadata_key="who", value=about["who"], namespace=wire.namespace
    )
    for number in range(60):
        await wire.store({"text": "x" * 60_000}, id=f"m{number}", metadata=about)
    await wire.store({"text": "stays"}, id="stays")
    export = wire.lifecycle.Export(lifecycle_service_pb2.ExportRequest(namespace=wire.namespace))
    await export.read()

    receipt = (await wire.lifecycle.EraseSubject(subject)).receipt
    is_signed(receipt)
    verify = lifecycle_service_pb2.VerifyErasureRequest(receipt=receipt, subject=subject)
    held_up = await wire.lifecycle.VerifyErasure(verify)
    export.cancel()
    async with asyncio.timeout(PATIENCE_S):
        while (after := await wire.lifecycle.VerifyErasure(verify)).pending:
            await wire.store({"text": "others go on writing"}, id="stays")

    assert receipt.memory_count == 60
    assert list(receipt.pending) == list(held_up.pending) == ["write-ahead log"]
    assert "write-ahead log" not in receipt.swept
    assert (after.authentic, after.remaining_count) == (True, 0)


async def test_a_backup_is_taken_while_it_is_written_and_restored(tmp_path: Path) -> None:
    """The copy is what its digest says, holds all that was acknowledged before, and serves as a store."""
    with ServerProcess(tmp_path / "data") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            await furnish(wire)
            wanted = content(await exported(wire, include_versions=True))
            parts = [p async for p in wire.admin.Backup(admin_service_pb2.BackupRequest())]
    copy = tmp_path / "copy"
    copy.write_bytes(b"".join(part.data for part in parts))
    summary = parts[-1].summary
    assert summary.size_bytes == copy.stat().st_size
    assert summary.sha256 == hashlib.sha256(copy.read_bytes()).digest()

    with ServerProcess(tmp_path / "new") as server:
        server.stop()
        assert server.run("restore", str(copy)) == EXIT_NOT_EMPTY
    restored = ServerProcess(tmp_path / "restored")
    assert restored.run("restore", str(copy), "--sha256", summary.sha256.hex()) == 0
    with restored as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            assert content(await exported(wire, include_versions=True)) == wanted
            assert (await wire.recall("second", mode=3)).results[0].memory.id == "a"
            past = memory_service_pb2.GetRequest(namespace="n", ref=ref("a"), version=1)
            assert json.loads((await wire.memory.Get(past)).memory.payload_json) == {
                "text": "first words"
            }


@pytest.mark.parametrize("damage", ["cut", "flip", "other"])
def test_a_damaged_copy_is_refused_and_nothing_is_left(tmp_path: Path, damage: str) -> None:
    """No store is made of it."""
    with ServerProcess(tmp_path / "data") as server:
        server.stop()
    good = (tmp_path / "data/memory.sqlite3").read_bytes()
    bad = {"cut": good[: len(good) // 2], "flip": good[:4096] + bytes(4096) + good[8192:]}
    copy = tmp_path / "copy"
    copy.write_bytes(bad.get(damage, b"no store at all" * 500))
    target = ServerProcess(tmp_path / "target")

    assert target.run("restore", str(copy)) == 1
    assert not list((tmp_path / "target").glob("*.sqlite3"))


def test_a_copy_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    """In a line that names it, not by a traceback."""
    target = ServerProcess(tmp_path / "target")

    assert target.run("restore", str(tmp_path / "nothing")) == EXIT_NOT_FOUND
    assert "there is no such copy" in target.log()
    assert "Traceback" not in target.log()
