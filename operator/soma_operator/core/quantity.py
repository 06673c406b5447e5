"""Kubernetes quantities (`500m`, `10Gi`) as exact numbers."""

import re
from fractions import Fraction

_SUFFIXES = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1),
    "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9),
    "T": Fraction(10**12), "P": Fraction(10**15), "E": Fraction(10**18),
    "Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30),
    "Ti": Fraction(2**40), "Pi": Fraction(2**50), "Ei": Fraction(2**60),
}  # fmt: skip

_FORM = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?:[eE](?P<exponent>[+-]?\d{1,2})|(?P<suffix>[KMGTPE]i|[numkMGTPE])?)"
)


def parse_quantity(text: object) -> Fraction | None:
    """Return the value of a quantity, or None when it is not one."""
    match = _FORM.fullmatch(str(text))
    if match is None:
        return None
    value = Fraction(match["number"])
    if match["exponent"] is not None:
        return value * Fraction(10) ** int(match["exponent"])
    return value * _SUFFIXES[match["suffix"] or ""]


def readable_bytes(count: int) -> str:
    """Return a size for people: three digits or so, and a binary suffix."""
    for suffix in ("Ti", "Gi", "Mi", "Ki"):
        unit = _SUFFIXES[suffix]
        if count >= unit:
            amount = count / unit
            return f"{float(amount):.1f}{suffix}" if amount < 10 else f"{round(amount)}{suffix}"
    return str(count)


def same_quantity(one: object, other: object) -> bool:
    """Return whether two quantities are the same amount: the API server rewrites `1000m` to `1`."""
    return one == other or (
        (value := parse_quantity(one)) is not None and value == parse_quantity(other)
    )
