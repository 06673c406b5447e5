"""Two findings as one."""

import numpy as np

from memory_server.domain import ranking
from memory_server.ports import Found


def joined(found: Found, more: Found) -> Found:
    """Return two findings of one question as one, in the order of the commits; what both found is there once."""
    seqs = np.union1d(found.seqs, more.seqs)
    here, there = seqs.searchsorted(found.seqs), seqs.searchsorted(more.seqs)
    candidates = ranking.joined(found.candidates, more.candidates, here, there)
    return Found(seqs, candidates, found.is_exact)
