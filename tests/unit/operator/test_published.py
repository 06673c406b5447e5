"""Conditions as they are published."""

from soma_operator.api.v1alpha1.status import Condition
from soma_operator.core.published import Aspect, dated
from tests.support.somamemories import NOW


def test_a_message_is_no_longer_than_the_api_server_takes() -> None:
    """Some quote what others said, at any length: that must not cost the whole status."""
    aspect = Aspect("Ready", "False", "PodsRefused", "no pod may be made: " + "x" * 100_000)

    (made,) = dated([aspect], {}, 1, NOW)

    Condition.model_validate(made)
    assert made["message"].startswith("no pod may be made: xxx")
