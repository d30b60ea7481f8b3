"""Statistics of a difference between two rows: its error from seeds and from clips, its test, Holm's correction."""

import math
import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Difference:
    """The accuracy of one row minus that of another, in points.

    Attributes:
        points: The difference of each seed that both rows have.
        error: Standard error of the mean; None for one seed or no spread, where there is no test.
        freedom: Degrees of freedom of the error.
        clips: Number of independent test clips behind the error (twins count once); None if only seeds are behind it.

    Example:
        >>> Difference.over_seeds([1.0, 2.0, 3.0]).mean
        2.0
    """

    points: tuple[float, ...]
    error: float | None = None
    freedom: float | None = None
    clips: int | None = None

    @classmethod
    def over_seeds(cls, points: Sequence[float]) -> "Difference":
        """The error of a paired t-test: seeds vary, the test clips are taken as given.

        Args:
            points: The difference of each seed.
        """
        points, n = tuple(map(float, points)), len(points)
        if n < 2 or max(points) == min(points) or not all(map(math.isfinite, points)):
            return cls(points)
        mean = math.fsum(points) / n
        return cls(points, math.sqrt(math.fsum((x - mean) ** 2 for x in points) / (n - 1) / n), n - 1)

    @classmethod
    def over_seeds_and_clips(cls, gaps: "np.ndarray") -> "Difference":
        """The error if other seeds and other test clips had been drawn: both are random effects, and they are crossed.

        The variance of the mean is (MS_seeds + MS_clips - MS_rest) / (seeds x clips), with the mean squares of a
        two-way analysis of variance, and Satterthwaite's degrees of freedom. It is at least that of either effect.

        Args:
            gaps: For each seed and each clip or pair of twins, right minus right of the two rows, (seeds, clips), in
                -1 to 1.
        """
        seeds, clips = gaps.shape
        points = tuple(100 * gaps.mean(1))
        if seeds < 2 or clips < 2:
            return cls(points)
        mean, by_seed, by_clip = gaps.mean(), gaps.mean(1), gaps.mean(0)
        rest = gaps - by_seed[:, None] - by_clip[None] + mean
        parts = {  # mean square, degrees of freedom
            "seeds": (clips * ((by_seed - mean) ** 2).sum() / (seeds - 1), seeds - 1),
            "clips": (seeds * ((by_clip - mean) ** 2).sum() / (clips - 1), clips - 1),
            "rest": ((rest**2).sum() / (seeds - 1) / (clips - 1), (seeds - 1) * (clips - 1)),
        }
        both = parts["seeds"][0] + parts["clips"][0] - parts["rest"][0]
        square, freedom = max(parts["seeds"], parts["clips"])
        if both > square:
            square, freedom = both, both**2 / sum(ms**2 / df for ms, df in parts.values())
        if square <= 0:
            return cls(points)
        return cls(points, float(100 * math.sqrt(square / seeds / clips)), float(freedom), clips)

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return math.fsum(self.points) / len(self.points)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean; None without a test."""
        if self.error is None:
            return None
        from scipy.stats import t

        half = float(t.ppf(0.975, self.freedom)) * self.error
        return self.mean - half, self.mean + half

    def p(self, null: float = 0.0, side: str = "two-sided") -> float | None:
        """The p value of a t-test of the mean; None without a test.

        Args:
            null: Mean under the null hypothesis.
            side: `two-sided`, `greater` or `less`.
        """
        if self.error is None:
            return None
        from scipy.stats import t

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # loss of precision where p is near 0
            value = (self.mean - null) / self.error
            tail = {"two-sided": 2 * t.sf(abs(value), self.freedom), "greater": t.sf(value, self.freedom)}
            return float(tail.get(side, t.cdf(value, self.freedom)))


def holm(ps: Mapping[Hashable, float]) -> dict[Hashable, float]:
    """Correct the p values of one table for their number (Holm 1979).

    Args:
        ps: Test -> its p value.

    Returns:
        Test -> its corrected p value, at most 1. The smallest is multiplied by the number of tests, the next by one
        less, and so on; none is smaller than one before it.

    Example:
        >>> holm({"a": 0.01, "b": 0.04})
        {'a': 0.02, 'b': 0.04}
    """
    corrected, largest = {}, 0.0
    for rank, (test, p) in enumerate(sorted(ps.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(ps) - rank) * p))
        corrected[test] = largest
    return corrected
