"""A moving average of the weights, which is what is judged and kept (Polyak and Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """weights {name: tensor} move towards the model's by 1 - decay each step, faster in the first ones."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.weights: dict[str, Tensor] = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """After step number `step` (from 1): early on the average is over about the last tenth of what was done."""
        kept = min(self.decay, step / (step + 9))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - kept)
            else:
                self.weights[name].copy_(value)

    @contextmanager
    def shown(self, model: nn.Module) -> Iterator[None]:
        """The model has the averaged weights inside."""
        own = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.weights)
        try:
            yield
        finally:
            model.load_state_dict(own)


def shown(average: Average | None, model: nn.Module) -> Any:
    """`Average.shown`, or nothing where there is no average."""
    return nullcontext() if average is None else average.shown(model)
