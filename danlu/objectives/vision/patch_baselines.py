"""Baselines that predict hidden patches without a network: mean patch, nearest visible patches, linear prediction.

Shapes: k hidden patches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_VALUES = 1_024
"""Maximum number of values per image for linear prediction, whose covariance matrix is [values, values]."""

RIDGE = 1e-3
"""Fraction of the mean variance that is added to every variance, since constant pixels have zero variance."""


@dataclass(frozen=True)
class PatchBaselines:
    """Statistics of training images."""

    places: np.ndarray  # [positions, 2], row and column
    mean: np.ndarray  # [positions, features]
    covariance: np.ndarray | None  # [positions * features] squared; None if images are too large

    @classmethod
    def fit(cls, train: np.ndarray, places: np.ndarray) -> PatchBaselines:
        """Compute the statistics of training images [n, positions, features]."""
        flat = train.reshape(len(train), -1).astype(np.float64)
        mean, covariance = flat.mean(0), None
        if len(mean) <= MAX_VALUES:
            centred = flat - mean
            covariance = centred.T @ centred / len(flat)
            covariance += RIDGE * np.trace(covariance) / len(mean) * np.eye(len(mean))
        return cls(places, mean.reshape(train.shape[1:]), covariance)

    def predictions(self, image: np.ndarray, hidden: np.ndarray) -> dict[str, np.ndarray]:
        """Return the predictions [k, features] of each baseline for the hidden patches of an image.

        Args:
            image: [positions, features].
            hidden: whether a patch is hidden, booleans [positions].
        """
        predictions = {"mean patch": self.mean[hidden], "nearest patch": self.nearest(image, hidden)}
        return predictions | ({"linear": self.linear(image, hidden)} if self.covariance is not None else {})

    def nearest(self, image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """Predict the mean of the nearest visible patches, [k, features]."""
        distances = np.square(self.places[hidden][:, None] - self.places[~hidden][None]).sum(-1)
        near = (distances == distances.min(1, keepdims=True)).astype(np.float64)
        return near / near.sum(1, keepdims=True) @ image[~hidden]

    def linear(self, image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """Predict the conditional mean [k, features] of a normal distribution fitted to the training images.

        Apart from the ridge term, it is the linear prediction with the smallest squared error on the training images.
        """
        assert self.covariance is not None
        target = np.repeat(hidden, image.shape[1])
        across, inside = self.covariance[np.ix_(target, ~target)], self.covariance[np.ix_(~target, ~target)]
        deviation = (image - self.mean).reshape(-1)[~target]
        return self.mean[hidden] + (across @ np.linalg.solve(inside, deviation)).reshape(-1, image.shape[1])
