"""`builtin:digits`: 1,797 handwritten digits of 8 x 8 pixels (Alpaydin and Kaynak 1998), from scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from danlu.extras import import_optional
from danlu.text.split import SPLITS, cuts_by_share, fraction

SIDE, LEVELS = 8, 16
PATCH = 2
"""Pixels along a side of a patch."""

FEATURES, POSITIONS = PATCH * PATCH, (SIDE // PATCH) ** 2
VALIDATION, TEST = 0.1, 0.2


@dataclass(frozen=True)
class Digits:
    """Images and their labels."""

    images: np.ndarray  # [n, 8, 8] float32 in [0, 1]; 1 is ink
    labels: np.ndarray  # [n]


@cache
def digits() -> dict[str, Digits]:
    """Return the images of each split. The split is a hash of the image, so that equal images are in the same split."""
    data = import_optional("sklearn.datasets", "eval", "builtin:digits").load_digits()
    images, labels = (data.images / LEVELS).astype(np.float32), data.target.astype(np.int64)
    boundaries = cuts_by_share(VALIDATION, TEST)
    splits = np.array(
        [boundaries.split(fraction(f"digit {image.astype(np.uint8).tobytes().hex()}")) for image in data.images]
    )
    return {split: Digits(images[splits == split], labels[splits == split]) for split in SPLITS}


def patches_of(images: np.ndarray) -> np.ndarray:
    """Cut images [n, 8, 8] into patches [n, 16, 4] of 2 x 2 pixels, row by row."""
    cells = SIDE // PATCH
    return images.reshape(-1, cells, PATCH, cells, PATCH).swapaxes(2, 3).reshape(len(images), POSITIONS, FEATURES)


def image_of(patches: np.ndarray) -> np.ndarray:
    """Assemble an image [8, 8] from its patches [16, 4]."""
    cells = SIDE // PATCH
    return patches.reshape(cells, cells, PATCH, PATCH).swapaxes(1, 2).reshape(SIDE, SIDE)
