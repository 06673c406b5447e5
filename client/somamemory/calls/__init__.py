"""Every call of the API, described once: how its request is built and how its response is read.

Nothing here does I/O. `client.MemoryClient` and `aio.AsyncMemoryClient` both take their methods from
these functions, so that a call has one signature, one documentation and one meaning.

How to add a call: write its function in the module of its service and name it in both clients; `tests/unit/client`
refuses an RPC that is described nowhere.
"""

from typing import Any

from somamemory.calls import admin, lifecycle, links, memories, namespaces, recalls
from somamemory.calls.admin import (
    backup,
    is_serving,
    server_info,
)
from somamemory.calls.base import Call, Download, Exchange, Method
from somamemory.calls.lifecycle import (
    consolidate,
    erase_subject,
    export_memories,
    import_memories,
    reflect,
    report_outcome,
    share,
    undo_consolidation,
    verify_erasure,
)
from somamemory.calls.links import (
    find_path,
    link,
    neighbors,
    unlink,
)
from somamemory.calls.memories import (
    batch_get,
    delete,
    delete_batch,
    get,
    list_memories,
    list_versions,
    purge,
    restore_version,
    store,
    store_batch,
    store_stream,
    update,
    watch,
)
from somamemory.calls.namespaces import (
    create_namespace,
    delete_namespace,
    get_namespace,
    list_namespaces,
    stats,
    update_namespace,
)
from somamemory.calls.recalls import (
    Query,
    range_search,
    recall,
    recall_batch,
    recall_stream,
)

METHODS: tuple[Method[Any, Any], ...] = (
    *memories.METHODS,
    *recalls.METHODS,
    *links.METHODS,
    *namespaces.METHODS,
    *lifecycle.METHODS,
    *admin.METHODS,
)

__all__ = [
    "METHODS",
    "Call",
    "Download",
    "Exchange",
    "Method",
    "Query",
    "admin",
    "backup",
    "batch_get",
    "consolidate",
    "create_namespace",
    "delete",
    "delete_batch",
    "delete_namespace",
    "erase_subject",
    "export_memories",
    "find_path",
    "get",
    "get_namespace",
    "import_memories",
    "is_serving",
    "lifecycle",
    "link",
    "links",
    "list_memories",
    "list_namespaces",
    "list_versions",
    "memories",
    "namespaces",
    "neighbors",
    "purge",
    "range_search",
    "recall",
    "recall_batch",
    "recall_stream",
    "recalls",
    "reflect",
    "report_outcome",
    "restore_version",
    "server_info",
    "share",
    "stats",
    "store",
    "store_batch",
    "store_stream",
    "undo_consolidation",
    "unlink",
    "update",
    "update_namespace",
    "verify_erasure",
    "watch",
]
