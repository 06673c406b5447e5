"""Move memories: out of a namespace, into one, from one to another; with their versions and links."""

from memory_server.usecases.movement.exporting import ExportQuery, ExportSummary, export
from memory_server.usecases.movement.importing import (
    ConflictPolicy,
    Importer,
    ImportOptions,
    MovedMemory,
    Progress,
    Reject,
)
from memory_server.usecases.movement.sharing import share

__all__ = [
    "ConflictPolicy",
    "ExportQuery",
    "ExportSummary",
    "ImportOptions",
    "Importer",
    "MovedMemory",
    "Progress",
    "Reject",
    "export",
    "share",
]
