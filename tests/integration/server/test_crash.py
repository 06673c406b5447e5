"""Kill the server again and again while eight writers store: what it acknowledged must be there."""

from pathlib import Path

import pytest

from tests.support.crash_story import survive


@pytest.mark.timeout(240)
async def test_every_acknowledged_memory_survives_twenty_kills(tmp_path: Path) -> None:
    """Acknowledged is there exactly once with its exact payload; unknown, repeated, is there once."""
    await survive(tmp_path, kills=20)
