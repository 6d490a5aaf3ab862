"""Fill the blanks of a text with a masked language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from danlu.batch import Seq, StreamSpec, full_order
from danlu.packing import pack


@dataclass(frozen=True)
class Candidate:
    """A token for a blank, and its probability among the ordinary tokens."""

    id: int
    probability: float


@torch.no_grad()
def blank_probabilities(model: Any, ids: np.ndarray, at: np.ndarray, ordinary: np.ndarray) -> np.ndarray:
    """Return the token probabilities [len(at), vocabulary] at the positions `at` of a sequence.

    Only tokens for which `ordinary` [vocabulary] is true have a probability above 0.
    """
    seq = Seq({"token": ids}, full_order(len(ids)))
    stream = pack([{"text": [seq]}], {"text": StreamSpec()})["text"].to(model.device)
    logits = model.objective.blank_logits(model, model.head, model.hidden(stream)[at]).cpu().double()
    logits[:, torch.from_numpy(~ordinary)] = float("-inf")
    return logits.softmax(-1).numpy()


def top_candidates(probabilities: np.ndarray, top: int) -> list[Candidate]:
    """Return the `top` most probable tokens of [vocabulary], most probable first."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [Candidate(int(i), float(probabilities[i])) for i in order]


def fill_jointly(model: Any, ids: np.ndarray, at: np.ndarray, ordinary: np.ndarray) -> np.ndarray:
    """Fill the blanks one after another, the one with the most probable token first; return the ids."""
    ids, remaining = ids.copy(), list(at)
    while remaining:
        probabilities = blank_probabilities(model, ids, np.array(remaining), ordinary)
        most_certain = int(probabilities.max(1).argmax())
        ids[remaining[most_certain]] = int(probabilities[most_certain].argmax())
        del remaining[most_certain]
    return ids
