"""What pydantic finds wrong, in our words."""

from pydantic import ValidationError

from soma_common.errors import Violation


def violations_of(error: ValidationError, whole: str = "") -> list[Violation]:
    """Return every bad field with what would be right; never a value, which may be a secret.

    Args:
        error: Raised by a model.
        whole: What the path of a violation is that is of no one field.
    """
    return [
        Violation(".".join(map(str, detail["loc"])) or whole, detail["msg"])
        for detail in error.errors(include_input=False, include_url=False)
    ]
