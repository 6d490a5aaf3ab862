"""Hidden patches without a network: the mean patch, the nearest that is shown, and the best linear prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST = 1_024
"""Numbers of an image up to which there is a linear prediction: its covariances are a square of them."""

RIDGE = 1e-3
"""Of the mean variance, added to every variance: pixels that never change have none."""


@dataclass(frozen=True)
class PatchControls:
    """places [positions, 2]; mean [positions, features]; covariance of all numbers of an image, or None."""

    places: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray | None

    @classmethod
    def fit(cls, train: np.ndarray, places: np.ndarray) -> PatchControls:
        """Of training images [n, positions, features]."""
        flat = train.reshape(len(train), -1).astype(np.float64)
        mean, covariance = flat.mean(0), None
        if len(mean) <= MOST:
            centred = flat - mean
            covariance = centred.T @ centred / len(flat)
            covariance += RIDGE * np.trace(covariance) / len(mean) * np.eye(len(mean))
        return cls(places, mean.reshape(train.shape[1:]), covariance)

    def predictions(self, image: np.ndarray, hidden: np.ndarray) -> dict[str, np.ndarray]:
        """{name: [k, features]} for the k patches of an image [positions, features] where `hidden` [positions] is."""
        made = {"mean patch": self.mean[hidden], "nearest patch": self.nearest(image, hidden)}
        return made | ({"linear": self.linear(image, hidden)} if self.covariance is not None else {})

    def nearest(self, image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """Each is the mean of the shown ones that stand nearest to it."""
        apart = np.square(self.places[hidden][:, None] - self.places[~hidden][None]).sum(-1)
        near = (apart == apart.min(1, keepdims=True)).astype(np.float64)
        return near / near.sum(1, keepdims=True) @ image[~hidden]

    def linear(self, image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """The mean of what is hidden given what is shown, were the numbers normally distributed: no linear function of
        what is shown has a smaller squared error on the training images (but for the ridge)."""
        assert self.covariance is not None
        asked = np.repeat(hidden, image.shape[1])
        across, inside = self.covariance[np.ix_(asked, ~asked)], self.covariance[np.ix_(~asked, ~asked)]
        moved = (image - self.mean).reshape(-1)[~asked]
        return self.mean[hidden] + (across @ np.linalg.solve(inside, moved)).reshape(-1, image.shape[1])
