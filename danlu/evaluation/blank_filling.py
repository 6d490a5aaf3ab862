"""Filling the blanks of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from danlu.batch import Seq, StreamSpec, full_order
from danlu.packing import pack


@dataclass(frozen=True)
class Candidate:
    """A token for a blank and its probability among the ordinary tokens."""

    id: int
    probability: float


@torch.no_grad()
def blanks(model: Any, ids: np.ndarray, at: np.ndarray, ordinary: np.ndarray) -> np.ndarray:
    """Return the token probabilities [len(at), vocabulary] at positions `at` of a sequence; special tokens have 0."""
    seq = Seq({"token": ids}, full_order(len(ids)))
    stream = pack([{"text": [seq]}], {"text": StreamSpec()})["text"].to(model.device)
    logits = model.objective.blank_logits(model, model.head, model.hidden(stream)[at]).cpu().double()
    logits[:, torch.from_numpy(~ordinary)] = float("-inf")
    return logits.softmax(-1).numpy()


def best(probabilities: np.ndarray, top: int) -> list[Candidate]:
    """Return the `top` most probable tokens of [vocabulary], most probable first."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [Candidate(int(i), float(probabilities[i])) for i in order]


def fill_jointly(model: Any, ids: np.ndarray, at: np.ndarray, ordinary: np.ndarray) -> np.ndarray:
    """Fill the blanks one after another, each time the one with the most probable token."""
    ids, left = ids.copy(), list(at)
    while left:
        found = blanks(model, ids, np.array(left), ordinary)
        most_certain = int(found.max(1).argmax())
        ids[left[most_certain]] = int(found[most_certain].argmax())
        del left[most_certain]
    return ids
