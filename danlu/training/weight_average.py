"""A moving average of the weights, which is validated and saved in their place (Polyak and Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of all tensors of a model, by name.

    docs/decisions/0017-weight-average.md says why this is not torch's AveragedModel.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.weights: dict[str, Tensor] = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Update after step number `step` (from 1). Early on, the average is over about the last tenth of the steps."""
        kept = min(self.decay, step / (step + 9))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - kept)
            else:
                self.weights[name].copy_(value)

    @contextmanager
    def applied_to(self, model: nn.Module) -> Iterator[None]:
        """Put the averaged weights into the model within the context."""
        own = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.weights)
        try:
            yield
        finally:
            model.load_state_dict(own)


def averaged_weights(average: Average | None, model: nn.Module) -> Any:
    """Return a context in which the model has the averaged weights; without an average, its own."""
    return nullcontext() if average is None else average.applied_to(model)
