"""What memories are made of, and what names them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = Sequence[float] | NDArray[np.floating[Any]]
else:
    Vector = Any

DEFAULT_NAMESPACE = "default"

Payload = Mapping[str, Any] | bytes
"""A JSON object: a mapping, or the exact bytes of its JSON text."""

Scalar = str | int | float | bool
"""One metadata value."""

Ref = str | Sequence[float]
"""Names one memory: its id, or its coordinate."""

Item_co = TypeVar("Item_co", covariant=True)

MAX_BATCH_ITEMS = 1000
"""Most memories in one call, or in one message of a stream."""


class Keep(Enum):
    """Stands for a field that an update leaves as it is; None could be a value."""

    KEEP = "keep"


KEEP = Keep.KEEP


@dataclass(frozen=True)
class Page(Generic[Item_co]):
    """Some of the things asked for, and the token that gives the next ones."""

    items: tuple[Item_co, ...]
    next_token: str
