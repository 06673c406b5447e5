"""Importance at the ends of what a float can be."""

import numpy as np
import pytest

from memory_server.domain.importance import LEAST_SAMPLES, scale_of

GREATEST = np.finfo(np.float64).max


@pytest.mark.parametrize("others", [0, LEAST_SAMPLES])
def test_the_greatest_floats_are_brought_to_the_ends(others: int) -> None:
    """Their difference is no float; a memory of such an importance is still ranked, and above the others."""
    raw = np.array([-GREATEST, *np.linspace(0.0, 1.0, others), GREATEST])

    scaled = scale_of(raw).of(raw)

    assert np.isfinite(scaled).all()
    assert scaled[0] == scaled.min()
    assert scaled[-1] == scaled.max() > scaled[0]
