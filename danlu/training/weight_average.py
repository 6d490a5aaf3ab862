"""A moving average of the weights, which is validated and saved instead of them (Polyak and Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of all tensors of a model, by name.

    docs/decisions/0017-weight-average.md explains why PyTorch's AveragedModel is not used.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.weights: dict[str, Tensor] = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Update the average after step number `step`, from 1.

        At the start of training the decay is lower, so that the average is over about the last tenth of the steps.
        """
        decay = min(self.decay, step / (step + 9))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - decay)
            else:
                self.weights[name].copy_(value)

    @contextmanager
    def swap_in(self, model: nn.Module) -> Iterator[None]:
        """Context in which the model has the averaged weights; its own are restored at the end."""
        original = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.weights)
        try:
            yield
        finally:
            model.load_state_dict(original)


def averaged_weights(average: Average | None, model: nn.Module) -> Any:
    """Return a context in which the model has the averaged weights, or its own if there is no average."""
    return nullcontext() if average is None else average.swap_in(model)
