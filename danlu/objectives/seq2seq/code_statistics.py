"""Statistics of sets of sentence codes.

Shapes: n and m codes of d entries.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Return the squared Fréchet distance of the normal distributions fitted to the rows of [n, d] and [m, d].

    It is |mean - mean|^2 + trace(A + B - 2 (A B)^1/2) for covariances A and B (Heusel et al. 2017).
    """
    one, other = (np.asarray(x.double().cpu()) for x in (a, b))
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (one, other))
    root = square_root(first)
    crossed = np.linalg.eigvalsh(root @ second @ root).clip(0)  # those of A B, and this one is symmetric
    apart = np.square(one.mean(0) - other.mean(0)).sum()
    return float(apart + np.trace(first) + np.trace(second) - 2 * np.sqrt(crossed).sum())


def square_root(covariance: np.ndarray) -> np.ndarray:
    """Return the square root of a positive semidefinite matrix; negative eigenvalues are rounding errors."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def spread(x: Tensor) -> float:
    """Return the total variance of the rows of [n, d]; 0 if all are equal."""
    return float(x.double().var(0).sum())
