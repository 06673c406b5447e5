"""The long form of the model test."""

from pathlib import Path

import pytest

from tests.contract.memory_server.test_model import answer_alike


@pytest.mark.timeout(3600)
async def test_fifty_thousand_calls_are_answered_alike(tmp_path: Path) -> None:
    """Every call of the API that both engines can be asked, restarts included."""
    await answer_alike(tmp_path, 50_000)
