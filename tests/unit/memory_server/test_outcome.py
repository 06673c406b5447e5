"""What an outcome does to the importance."""

import math
import sys

import pytest

from memory_server.usecases.outcome import moved_importance


@pytest.mark.parametrize("outcome", [-1.0, 1.0])
@pytest.mark.parametrize("importance", [0.0, 1.0, sys.float_info.max, -sys.float_info.max])
def test_an_importance_stays_finite(importance: float, outcome: float) -> None:
    """However great it is, an outcome does not make it infinite; it moves in the outcome's direction or stays."""
    moved = moved_importance(importance, outcome)

    assert math.isfinite(moved)
    assert (moved - importance) * outcome >= 0
