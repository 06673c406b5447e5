"""The long form of the crash test."""

from pathlib import Path

import pytest

from tests.support.crash_story import survive


@pytest.mark.timeout(1200)
async def test_every_acknowledged_memory_survives_a_hundred_kills(tmp_path: Path) -> None:
    """Acknowledged is there exactly once with its exact payload; unknown, repeated, is there once."""
    await survive(tmp_path, kills=100)
