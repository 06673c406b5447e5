"""The page of the operator's benchmarks."""

import json
from pathlib import Path

from soma_dev.paths import ROOT
from tests.bench.operator.report import page

KEPT = ROOT / "docs/benchmarks/operator"


def test_the_page_tells_the_kept_numbers() -> None:
    """Nobody edits the page: it is what the kept JSON of the runs gives."""
    assert (KEPT.parent / "operator.md").read_text() == page(KEPT)


def test_every_kind_of_run_is_told(tmp_path: Path) -> None:
    """A run of each kind that is kept has its section, and the numbers of resources are in their order."""
    for path in KEPT.glob("*.json"):
        (tmp_path / path.name).write_text(path.read_text())
    many = json.loads((KEPT / "1000.json").read_text())
    (tmp_path / "200.json").write_text(json.dumps({**many, "resources": 200}))

    text = page(tmp_path)

    assert text.index("## 200 resources") < text.index("## 1000 resources")
    assert ("## Beside" in text) == (KEPT / "beside.json").exists()
    assert ("1000 resources beside" in text) == (KEPT / "crowd.json").exists()
    assert ("## Resources that come and go" in text) == (KEPT / "churn.json").exists()
