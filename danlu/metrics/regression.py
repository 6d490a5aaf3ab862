"""Regression metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from danlu.metrics.metric import Metric, require_pairs


class MeanAbsoluteError(Metric):
    """Mean absolute difference between predictions and labels."""

    name: Literal["mae"] = "mae"

    higher_is_better: ClassVar[bool] = False
    low: ClassVar[float | None] = 0.0

    def score(self, labels: Sequence[Any] | np.ndarray, predictions: Sequence[Any] | np.ndarray) -> float:
        require_pairs(labels, predictions)
        return float(np.abs(np.asarray(predictions, np.float64) - np.asarray(labels, np.float64)).mean())
