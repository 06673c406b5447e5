"""Importance: stored as its author gave it, made comparable at recall by how the partition's values lie now.

Authors use scales of their own, from 0 to 1 or from 1 to 10,000. The shape of the values decides how they are brought
into [0, 1], so that a few huge ones do not press all others together:
    - light tails: from the least to the greatest, in proportion;
    - heavier tails: in proportion between fences a quarter of the core outside of it, cut off there;
    - very heavy tails: along a logistic curve around the median.
"""

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

LEAST_SAMPLES = 64
"""With fewer values quantiles say nothing about the tails: then in proportion."""

_LIGHT_TAIL, _LIGHT_ASYMMETRY = 5.0, 3.0
_HEAVY_TAIL, _HEAVY_EXTREME = 15.0, 8.0
_FENCE = 0.25
_STEEPEST = 25.0


class Shape(enum.Enum):
    """How values are brought into [0, 1]."""

    EQUAL = "equal"
    PROPORTION = "proportion"
    FENCED = "fenced"
    LOGISTIC = "logistic"


_WIDEST = 1e200
"""Beyond, values count as this one: the difference of two of the greatest floats would be infinite."""


@dataclass(frozen=True, slots=True)
class ImportanceScale:
    """Brings raw importance into [0, 1]; where all are equal nothing is more important, and all are 0."""

    shape: Shape = Shape.EQUAL
    low: float = 0.0
    high: float = 0.0
    """The values that become 0 and 1; of a logistic curve its middle and its steepness."""

    def of(self, raw: Values) -> Values:
        """Return raw values in [0, 1], in the same order; a greater one is never less."""
        if self.shape is Shape.EQUAL:
            return np.zeros(len(raw))
        raw = np.clip(raw, -_WIDEST, _WIDEST)
        if self.shape is Shape.LOGISTIC:
            # Beyond 60 the curve is flat to the last bit.
            exponent = np.clip(self.high * (raw - self.low), -60.0, 60.0)
            return 1 / (1 + np.exp(-exponent))
        return np.clip((raw - self.low) / (self.high - self.low), 0.0, 1.0)


def scale_of(raw: Values) -> ImportanceScale:
    """Return the scale of a partition's values, in any order; all finite."""
    if len(raw) == 0:
        return ImportanceScale()
    raw = np.clip(raw, -_WIDEST, _WIDEST)
    least, greatest = float(raw.min()), float(raw.max())
    if least == greatest:
        return ImportanceScale()
    proportion = ImportanceScale(Shape.PROPORTION, least, greatest)
    if len(raw) < LEAST_SAMPLES:
        return proportion
    q10, q50, q90, q99 = (float(value) for value in np.quantile(raw, (0.1, 0.5, 0.9, 0.99)))
    core = q90 - q10
    if core <= 0:
        # Nearly all are equal: those that are not stand out at any scale.
        return proportion
    upper, lower = max(q90 - q50, 1e-12), max(q50 - q10, 1e-12)
    tail, extreme, asymmetry = (greatest - q90) / upper, (q99 - q90) / upper, upper / lower
    if tail <= _LIGHT_TAIL and asymmetry <= _LIGHT_ASYMMETRY:
        return proportion
    if tail <= _HEAVY_TAIL and extreme <= _HEAVY_EXTREME:
        low, high = max(least, q10 - _FENCE * core), min(greatest, q90 + _FENCE * core)
        return ImportanceScale(Shape.FENCED, low, high)
    return ImportanceScale(Shape.LOGISTIC, q50, min(float(np.log(9)) / core, _STEEPEST))
