"""Words: where a text is cut, what is known of each, which slots have them, and the sum of their vectors."""

from array import array
from typing import TypeVar

import numpy as np
import numpy.typing as npt

_Value = TypeVar("_Value")

def cut(text: str, most: int) -> list[str]:
    """Return the runs of letters and digits of a text that are at most so long.

    Raises:
        ValueError: The text is not ASCII.
    """

def known_of(
    words: list[str],
    young: dict[str, _Value],
    old: dict[str, _Value],
    are_numbers_known: bool = False,
) -> tuple[list[_Value | None], set[str] | None]:
    """Return what is known of each word, None where nothing is, and the words of which nothing is, if any.

    What was in `old` alone is put into `young`, too.

    Args:
        words: What is asked for.
        young: What was met lately.
        old: What was met before.
        are_numbers_known: A word of ASCII digits alone is what is known of it; it is looked up nowhere.
    """

def enter(
    numbers: dict[str, int],
    words: list[str],
    slot: int,
    lists: list[array[int] | None],
    frequencies: array[int],
) -> tuple[bytes, list[tuple[int, int]], list[str]]:
    """Put a slot at the end of the lists of its words, and count it for each; new words get the next numbers.

    Args:
        numbers: The number of each word, as many as there are lists.
        words: Those of the slot, in any order.
        slot: Greater than those before.
        lists: Slots by the number of the word, unsigned of 32 bits; None: none yet. No view of one may be held.
        frequencies: Unsigned, of 32 bits; by the number of the word.

    Returns:
        The numbers, each once and ascending, unsigned of 32 bits; those of words that repeat, with how often they
        are there; and the words that are new, each once, in their order.

    Raises:
        IndexError: A number has no list or frequency; neither was changed.
        TypeError: A list is of another type.
    """

def add_up(
    table: npt.NDArray[np.float32], texts: list[list[bytes]], totals: npt.NDArray[np.float32]
) -> None:
    """Write the sum of each text's rows at unit length; all zeros when the sum is.

    The rows are added one after the other, in their order: the same rows give the same bits, alone or among others.

    Args:
        table: The rows.
        texts: Numbers of rows, signed of 32 bits, in several pieces for each text.
        totals: Where to write the sums, one text after the other.

    Raises:
        IndexError: There is no such row.
        ValueError: The totals are not as many as the texts, or not as long as a row.
    """
