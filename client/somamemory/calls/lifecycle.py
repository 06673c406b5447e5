"""Calls of LifecycleService."""

from collections.abc import Iterable, Iterator, Sequence

from soma.memory.v1 import lifecycle_service_pb2 as pb
from somamemory import codec, model
from somamemory.calls.base import LONG, MESSAGE_BYTES, Call, Download, Exchange, call, read_rpc, rpc
from somamemory.grouping import grouped
from somamemory.model import DEFAULT_NAMESPACE

_SERVICE = "LifecycleService"

EXPORT = read_rpc(_SERVICE, "Export", pb.ExportRequest, pb.ExportResponse)
IMPORT = rpc(_SERVICE, "Import", pb.ImportRequest, pb.ImportResponse)
SHARE = rpc(_SERVICE, "Share", pb.ShareRequest, pb.ShareResponse, LONG)
CONSOLIDATE = rpc(_SERVICE, "Consolidate", pb.ConsolidateRequest, pb.ConsolidateResponse, LONG)
UNDO_CONSOLIDATION = rpc(
    _SERVICE, "UndoConsolidation", pb.UndoConsolidationRequest, pb.UndoConsolidationResponse, LONG
)
REFLECT = read_rpc(_SERVICE, "Reflect", pb.ReflectRequest, pb.ReflectResponse, LONG)
REPORT_OUTCOME = rpc(_SERVICE, "ReportOutcome", pb.ReportOutcomeRequest, pb.ReportOutcomeResponse)
ERASE_SUBJECT = rpc(_SERVICE, "EraseSubject", pb.EraseSubjectRequest, pb.EraseSubjectResponse, LONG)
VERIFY_ERASURE = read_rpc(
    _SERVICE, "VerifyErasure", pb.VerifyErasureRequest, pb.VerifyErasureResponse
)

METHODS = (
    EXPORT, IMPORT, SHARE, CONSOLIDATE, UNDO_CONSOLIDATION, REFLECT, REPORT_OUTCOME, ERASE_SUBJECT,
    VERIFY_ERASURE,
)  # fmt: skip

IMPORT_ITEMS = 200
"""Memories and links in one message of an import, at most."""


def export_memories(
    *,
    namespace: str = DEFAULT_NAMESPACE,
    filter: model.Filter | None = None,
    include_versions: bool = False,
    include_embeddings: bool = False,
) -> Download[model.Moved | model.Link | model.ExportSummary]:
    """Read the memories of a namespace, then the links among them, as they are at one commit.

    Args:
        namespace: The caller's partition.
        filter: Which memories.
        include_versions: Bring kept versions, too: of each memory the latest, as many as one message carries. The
            summary says how many were left out.
        include_embeddings: Bring embeddings, so that an import need not make them again.

    Returns:
        An iterator over memories, links, and at the end a summary: without it the export is not whole.
    """
    request = pb.ExportRequest(
        namespace=namespace,
        filter=codec.filter_of(filter),
        include_versions=include_versions,
        include_embeddings=include_embeddings,
    )
    return Download(EXPORT, request, lambda response: (codec.exported(response),))


def import_memories(
    parts: Iterable[model.Moved | model.Link | model.ExportSummary],
    *,
    namespace: str = DEFAULT_NAMESPACE,
    conflict: str = model.ConflictPolicy.REFUSE,
    dry_run: bool = False,
) -> Exchange[model.ImportProgress]:
    """Take in what `export_memories` gave: memories first, then the links between them.

    Args:
        parts: What comes in; summaries are passed over.
        namespace: The caller's partition.
        conflict: What becomes of memories whose id is taken: `refuse`, `skip` or `overwrite`.
        dry_run: Check everything, write nothing.

    Returns:
        An iterator over what became of everything until then, with what was refused since the one before.
    """
    options = pb.ImportOptions(
        namespace=namespace,
        conflict=codec.conflict_number(conflict),
        dry_run=dry_run,
    )

    return Exchange(
        IMPORT, _messages(parts, options), lambda response: (codec.import_progress(response),)
    )


def share(
    to_namespace: str,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    filter: model.Filter | None = None,
    conflict: str = model.ConflictPolicy.REFUSE,
    dry_run: bool = False,
) -> Call[model.ImportProgress]:
    """Copy memories, with the links among them, to another namespace of the caller."""
    request = pb.ShareRequest(
        namespace=namespace,
        to_namespace=to_namespace,
        filter=codec.filter_of(filter),
        conflict=codec.conflict_number(conflict),
        dry_run=dry_run,
    )
    return call(SHARE, request, codec.share_progress)


def consolidate(
    *,
    namespace: str = DEFAULT_NAMESPACE,
    filter: model.Filter | None = None,
    min_episodes: int = 0,
    max_summary_bytes: int = 0,
    summaries: Sequence[model.Summary] = (),
    dry_run: bool = False,
) -> Call[model.Consolidation]:
    """Write semantic memories that sum episodes up, linked to them by `consolidated_from`; the sources stay.

    Args:
        namespace: The caller's partition.
        filter: Which episodes.
        min_episodes: Fewest episodes of one conversation that are summed up; 0 leaves it to the server.
        max_summary_bytes: Longest text of one summary; 0 leaves it to the server.
        summaries: Summaries that the caller made. Empty: the server takes the sentences that say most.
        dry_run: Only tell what would be written.
    """
    request = pb.ConsolidateRequest(
        namespace=namespace,
        filter=codec.filter_of(filter),
        min_episodes=min_episodes,
        max_summary_bytes=max_summary_bytes,
        summaries=[
            pb.Summary(
                memory=codec.draft(each.draft),
                sources=[codec.reference(ref) for ref in each.sources],
            )
            for each in summaries
        ],
        dry_run=dry_run,
    )
    return call(CONSOLIDATE, request, codec.consolidation)


def undo_consolidation(consolidation_id: str, *, namespace: str = DEFAULT_NAMESPACE) -> Call[int]:
    """Delete what a consolidation wrote; the sources are as before. Return how many summaries went."""
    request = pb.UndoConsolidationRequest(namespace=namespace, consolidation_id=consolidation_id)
    return call(UNDO_CONSOLIDATION, request, lambda response: response.deleted_count)


def reflect(
    *,
    namespace: str = DEFAULT_NAMESPACE,
    filter: model.Filter | None = None,
    count: int = 0,
    seed: int | None = None,
) -> Call[list[model.Memory]]:
    """Return a random sample of memories, without repeats; the same seed gives the same one."""
    request = pb.ReflectRequest(
        namespace=namespace, filter=codec.filter_of(filter), count=count, seed=seed
    )
    return call(
        REFLECT, request, lambda response: [codec.memory(each) for each in response.memories]
    )


def report_outcome(
    ref: model.Ref,
    outcome: float,
    *,
    correction: model.Draft | None = None,
    namespace: str = DEFAULT_NAMESPACE,
    request_id: str = "",
) -> Call[model.Judged]:
    """Tell how well a memory served; its importance follows, and a correction is linked to it by `corrects`.

    Args:
        ref: Which memory.
        outcome: From -1, misleading, to 1, just right.
        correction: What is right instead; stored as a semantic memory.
        namespace: The caller's partition.
        request_id: Makes a retry safe. Empty: a new one for this call.
    """
    request = pb.ReportOutcomeRequest(
        namespace=namespace,
        ref=codec.reference(ref),
        outcome=outcome,
        correction=codec.correction(correction) if correction else None,
        request_id=request_id,
    )

    def read(response: pb.ReportOutcomeResponse) -> model.Judged:
        receipt = codec.receipt(response.receipt)
        return model.Judged(receipt, response.importance, response.correction_id)

    return call(REPORT_OUTCOME, request, read)


def erase_subject(
    metadata_key: str, value: model.Scalar, *, namespace: str = ""
) -> Call[model.ErasureReceipt]:
    """Erase every memory with a metadata value, in all of the caller's namespaces or in one.

    Returns:
        A signed receipt; `verify_erasure` checks it, and anybody can with the public key in it.
    """
    request = codec.subject(metadata_key, value, namespace)
    return call(ERASE_SUBJECT, request, lambda response: codec.erasure_receipt(response.receipt))


def verify_erasure(
    receipt: model.ErasureReceipt, metadata_key: str, value: model.Scalar, *, namespace: str = ""
) -> Call[model.Verification]:
    """Check the signature of a receipt, and look again whether anything of the subject is there."""
    request = pb.VerifyErasureRequest(
        receipt=codec.erasure_message(receipt),
        subject=codec.subject(metadata_key, value, namespace),
    )

    def read(response: pb.VerifyErasureResponse) -> model.Verification:
        return model.Verification(
            response.authentic, response.remaining_count, tuple(response.pending)
        )

    return call(VERIFY_ERASURE, request, read)


def _messages(
    parts: Iterable[model.Moved | model.Link | model.ExportSummary], options: pb.ImportOptions
) -> Iterator[pb.ImportRequest]:
    messages = grouped(
        (_part(part) for part in parts if not isinstance(part, model.ExportSummary)),
        pb.ImportRequest.ByteSize,
        most_items=IMPORT_ITEMS,
        most_bytes=MESSAGE_BYTES,
        # The links of a message are written after its memories: a memory that follows them needs another one.
        are_apart=lambda before, after: bool(before.links and after.memories),
    )
    message = pb.ImportRequest(options=options)
    for message_parts in messages:
        for part in message_parts:
            message.MergeFrom(part)
        yield message
        message = pb.ImportRequest()
    if message.HasField("options"):
        yield message


def _part(part: model.Moved | model.Link) -> pb.ImportRequest:
    if isinstance(part, model.Link):
        return pb.ImportRequest(links=[codec.link_message(part)])
    return pb.ImportRequest(memories=[codec.moved_message(part)])
