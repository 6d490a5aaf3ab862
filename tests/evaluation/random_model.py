"""A causal model with random weights, and a token store of documents of the toy language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from toy_language import VOCABULARY, sentence

from danlu.architectures import Network, build_network
from danlu.architectures.transformer import Transformer
from danlu.objectives.causal import Causal
from danlu.training.precision import Machine

CONTEXT = 16
MACHINE = Machine("cpu", "float32", 1)


def random_model(scale: float = 0.3, **settings: object) -> Network:
    """Build in float64 and away from the initial weights, where blocks are the identity."""
    chosen = Transformer.model_validate(
        {"layers": 2, "width": 16, "heads": 2, "ffn_dim": 24, "context": CONTEXT, **settings}
    )
    model = build_network(Causal(), chosen, VOCABULARY.size, seed=0).double().eval()
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += scale * torch.randn(parameter.shape, generator=noise, dtype=parameter.dtype)
    return model


class ToyStore:
    """Documents in memory, each with begin and end tokens; a token stands for two bytes."""

    def __init__(self, lengths: Sequence[int]):
        v = VOCABULARY
        self.ids = [np.concatenate([[v.bos], sentence(k, n), [v.eos]]) for k, n in enumerate(lengths)]

    @property
    def documents(self) -> int:
        return len(self.ids)

    def document(self, i: int) -> np.ndarray:
        return self.ids[i]

    def document_bytes(self, i: int) -> int:
        return 2 * (len(self.ids[i]) - 2)
