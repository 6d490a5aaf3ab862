"""Statistics of sets of sentence codes.

Shapes: n and m codes of d entries.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Return the squared Fréchet distance of the normal distributions fitted to the rows of a [n, d] and b [m, d].

    It is |mean(a) - mean(b)|^2 + trace(A + B - 2 (A B)^1/2) for covariances A and B (Heusel et al. 2017).
    """
    x, y = (np.asarray(codes.double().cpu()) for codes in (a, b))
    cov_x, cov_y = (np.atleast_2d(np.cov(codes, rowvar=False)) for codes in (x, y))
    root = square_root(cov_x)
    eigenvalues = np.linalg.eigvalsh(root @ cov_y @ root).clip(0)  # equal to those of A B, but of a symmetric matrix
    mean_distance = np.square(x.mean(0) - y.mean(0)).sum()
    return float(mean_distance + np.trace(cov_x) + np.trace(cov_y) - 2 * np.sqrt(eigenvalues).sum())


def square_root(covariance: np.ndarray) -> np.ndarray:
    """Return the square root of a positive semidefinite matrix [d, d], ignoring negative eigenvalues (rounding)."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def total_variance(x: Tensor) -> float:
    """Return the total variance of the rows of x [n, d]; 0 if all are equal."""
    return float(x.double().var(0).sum())
