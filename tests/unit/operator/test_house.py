"""What the folder of the operator must never do."""

import ast
import operator
import re
import sysconfig
from pathlib import Path
from typing import get_args

from soma_operator.core.reasons import REASONS
from soma_operator.core.revision import Pending
from soma_operator.core.status import CONDITION_TYPES
from soma_operator.settings import OperatorSettings

ROOT = Path(__file__).resolve().parents[3]


def test_the_room_does_not_hide_the_standard_library() -> None:
    """`operator/` is a folder, never a package: else Python itself stops."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert Path(str(operator.__file__)).is_relative_to(sysconfig.get_path("stdlib"))


def test_namespaces_are_separated_by_commas() -> None:
    """Blanks and empty parts mean nothing; an empty text means all namespaces."""
    assert OperatorSettings(watch_namespaces=" a, b ,").namespaces == ("a", "b")
    assert OperatorSettings(watch_namespaces="").namespaces == ()


def test_every_setting_is_described() -> None:
    """Each setting says what it means, with its unit."""
    fields = OperatorSettings.model_fields

    assert [name for name, field in fields.items() if not field.description] == []


def test_every_reason_is_explained() -> None:
    """No condition has a reason that the reference page does not tell."""
    used = {
        node.value
        for path in (ROOT / "operator/soma_operator").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("Finding", "Aspect")
        for node in call.args[:3]
        if isinstance(node, ast.Constant) and re.fullmatch("[A-Z][A-Za-z]+", str(node.value))
    }

    used |= set(get_args(Pending))

    assert used - set(CONDITION_TYPES) - {"True", "False", "Unknown"} <= set(REASONS)
    assert set(REASONS) - {"Ready", "Paused"} <= used
