"""Going on from a prompt, with the architecture's own cache; equal to running the whole text again each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from danlu.settings import Settings
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.precision import Machine
from danlu.waist import Fields, Seq, Stream, causal_order, pack

PLAIN = {"text": Fields()}


class Sampling(Settings):
    """How the next token is drawn. temperature 0 is greedy; top_k and top_p (Holtzman et al. 2020) cut the tail."""

    tokens: PositiveInt = 60
    temperature: float = Field(default=0.8, ge=0)
    top_k: PositiveInt | None = None
    top_p: float = Field(default=0.95, gt=0, le=1)
    seed: int = Field(default=0, ge=0)

    def __str__(self) -> str:
        if self.temperature == 0:
            return "greedy"
        cut = "" if self.top_k is None else f", top-k {self.top_k}"
        return f"temperature {self.temperature:g}{cut}, top-p {self.top_p:g}, seed {self.seed}"


def choose(logits: Tensor, sampling: Sampling, rng: np.random.Generator) -> int:
    """One token id from logits [vocabulary]."""
    if sampling.temperature == 0:
        return int(logits.argmax())
    ordered, ids = torch.sort(logits.double() / sampling.temperature, descending=True, stable=True)
    if sampling.top_k:
        ordered, ids = ordered[: sampling.top_k], ids[: sampling.top_k]
    shares = ordered.softmax(-1).cpu().numpy()
    before = np.cumsum(shares) - shares
    kept = shares * (before < sampling.top_p)
    return int(ids[rng.choice(len(kept), p=kept / kept.sum())])


def continuation(position: int, ids: np.ndarray, device: str) -> Stream:
    """A stream of one sequence whose first position is `position`."""
    order = causal_order(len(ids)) + position
    return pack([{"text": [Seq({"token": ids, "position": order}, order)]}], PLAIN)["text"].to(torch.device(device))


@torch.no_grad()
def generate(
    model: Any, prompt: np.ndarray, vocabulary: Vocabulary, sampling: Sampling, context: int, machine: Machine
) -> np.ndarray:
    """New token ids after `prompt` (which gets the beginning-of-text token), up to the end-of-text token (left out),
    `sampling.tokens` or the model's context, whichever comes first. `model` is a Learner."""
    was = model.training
    model.eval()
    rng = np.random.default_rng(sampling.seed)
    ids = np.concatenate([[vocabulary.bos], prompt])[-context:]
    state, position, made = None, 0, []
    forbidden = sorted(vocabulary.special - {vocabulary.eos})
    while len(made) < sampling.tokens and position + len(ids) <= context:
        stream = continuation(position, ids, machine.device)
        hidden, state = model.backbone.extend(model.embed(stream), stream, state)
        logits = model.token_logits(hidden[-1:])[0].float()
        logits[forbidden] = float("-inf")
        token = choose(logits, sampling, rng)
        if token == vocabulary.eos:
            break
        made.append(token)
        position += len(ids)
        ids = np.array([token])
    model.train(was)
    return np.array(made, dtype=np.int64)
