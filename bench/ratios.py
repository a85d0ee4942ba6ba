"""What ratios that were measured in pairs amount to: their median, and how far it can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from statistics import median
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Ratio:
    """A ratio of two sides, from several pairs."""

    median: float
    low: float
    high: float
    """The median of ever more pairs would lie between these, with so much confidence."""
    confidence: float
    least: float
    most: float
    pairs: int

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Self:
        """Return what the ratios of the pairs amount to."""
        ordered = sorted(round(ratio, 3) for ratio in ratios)
        left_out, confidence = interval(len(ordered))
        return cls(
            round(median(ordered), 3),
            ordered[left_out],
            ordered[-1 - left_out],
            round(confidence, 3),
            ordered[0],
            ordered[-1],
            len(ordered),
        )

    def __str__(self) -> str:
        return (
            f"{self.median}; with {self.confidence:.0%} confidence from {self.low} to {self.high}, by {self.pairs} "
            f"pairs from {self.least} to {self.most}"
        )


def interval(count: int) -> tuple[int, float]:
    """Return how many of so many sorted values to leave out at each end, and the confidence in what is left.

    Whatever their distribution is, each is above its median as likely as below. As many are left out as leave enough
    confidence, or none where there are too few for that.
    """

    def confidence(left_out: int) -> float:
        outside = sum(comb(count, below) for below in range(left_out + 1)) / float(2**count)
        return max(1.0 - 2 * outside, 0.0)

    left_out = 0
    while confidence(left_out + 1) >= CONFIDENCE:
        left_out += 1
    return left_out, confidence(left_out)
