"""Where things are kept."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""


def cache() -> Path:
    """Return the folder of what is built once and used by every checkout of this machine."""
    given = os.environ.get("SOMA_CLUSTER_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "soma-cluster"


def tool(name: str) -> Path:
    """Return where the pinned tool `name` is, once built."""
    return cache() / "bin" / name
