"""What a tuning job tries next: Grid, Random and Bayesian.

Bayesian is a Gaussian process over the scaled parameters (Matern 5/2 kernel, one length for all, chosen by likelihood)
whose expected improvement is greatest among random candidates; what is still running counts as having the mean of what
is known. It is none of AWS's own implementation: with the same seed it tries other values than AWS does.
Source: Snoek, Larochelle, Adams, "Practical Bayesian Optimization of Machine Learning Algorithms", 2012.
"""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.sagemaker.jobs.tuning.ranges import Space, Values

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

_FIRST_AT_RANDOM = 3
_CANDIDATES = 1000
_LENGTHS = (0.1, 0.2, 0.4, 0.8, 1.6)
_NOISE = 1e-4


@dataclass(frozen=True, slots=True)
class Tried:
    """One training job of the tuning job."""

    values: Values
    score: float | None
    """Greater is better; None while it runs, and where it has no metric."""


def at_random(space: Space, rng: random.Random) -> Values:
    return space.values([rng.random() for _ in space.parameters])


def of_grid(space: Space, number: int) -> Values:
    """Returns the combination of that `number`, which counts from 0 on."""
    return next(itertools.islice(space.grid(), number, None))


def bayesian(space: Space, tried: Sequence[Tried], rng: random.Random) -> Values:
    known = [trial for trial in tried if trial.score is not None]
    if len(known) < _FIRST_AT_RANDOM:
        return at_random(space, rng)
    # Only here: most clouds never tune, and their start does not wait for it.
    import numpy as np

    candidates = [at_random(space, rng) for _ in range(_CANDIDATES)]
    points = np.array([space.point(trial.values) for trial in tried])
    mean = sum(trial.score or 0.0 for trial in known) / len(known)
    scores = np.array([mean if trial.score is None else trial.score for trial in tried])
    spread = float(scores.std()) or 1.0
    scaled = (scores - scores.mean()) / spread
    gain = _expected_improvement(points, scaled, np.array([space.point(values) for values in candidates]))
    return candidates[int(gain.argmax())]


def _expected_improvement(points: "Array", scores: "Array", candidates: "Array") -> "Array":
    import numpy as np

    length = max(_LENGTHS, key=lambda length: _likelihood(points, scores, length))
    factor = np.linalg.cholesky(_kernel(points, points, length) + _NOISE * np.eye(len(points)))
    across = _kernel(points, candidates, length)
    weights = np.linalg.solve(factor.T, np.linalg.solve(factor, scores))
    mean = across.T @ weights
    deviation = np.sqrt(np.maximum(1.0 - (np.linalg.solve(factor, across) ** 2).sum(axis=0), 1e-12))
    better = (mean - scores.max()) / deviation
    density = np.exp(-(better**2) / 2) / math.sqrt(2 * math.pi)
    below = np.array([math.erf(number / math.sqrt(2)) for number in better]) / 2 + 0.5
    gain: Array = deviation * (better * below + density)
    return gain


def _likelihood(points: "Array", scores: "Array", length: float) -> float:
    import numpy as np

    factor = np.linalg.cholesky(_kernel(points, points, length) + _NOISE * np.eye(len(points)))
    half = np.linalg.solve(factor, scores)
    return float(-(half @ half) / 2 - np.log(np.diag(factor)).sum())


def _kernel(left: "Array", right: "Array", length: float) -> "Array":
    import numpy as np

    distance = np.sqrt(((left[:, None, :] - right[None, :, :]) ** 2).sum(axis=-1)) * math.sqrt(5) / length
    kernel: Array = (1 + distance + distance**2 / 3) * np.exp(-distance)
    return kernel
