"""How well a yes or no for each token is told, beside how often it is yes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor


class Detections:
    """Counts of what was true and what was suspected, and figures of them."""

    def __init__(self) -> None:
        self.total = self.true = self.suspected = self.both = self.equal = 0
        self.filled = self.restored = 0

    def add(self, truth: Tensor, suspected: Tensor) -> None:
        """Booleans of the same tokens."""
        self.total += truth.numel()
        self.true += int(truth.sum())
        self.suspected += int(suspected.sum())
        self.both += int((truth & suspected).sum())
        self.equal += int((truth == suspected).sum())

    def fill(self, different: Tensor) -> None:
        """Whether each token that the generator put in differs from the original."""
        self.filled += different.numel()
        self.restored += int((~different).sum())

    def figures(self) -> dict[str, float]:
        """accuracy beside that of suspecting nothing; precision, of the suspected how many are replaced, beside the
        base rate, which is what suspecting at random has; recall, of the replaced how many are suspected; how many
        hidden tokens the generator restores. What nothing was counted for is left out."""
        shares = {
            "accuracy": (self.equal, self.total),
            "accuracy_suspecting_none": (self.total - self.true, self.total),
            "precision": (self.both, self.suspected),
            "recall": (self.both, self.true),
            "base_rate": (self.true, self.total),
            "restored_by_generator": (self.restored, self.filled),
        }
        return {name: part / whole for name, (part, whole) in shares.items() if whole}


Decode = Callable[[Any], str]
"""Ids to text."""


def blanked(tokens: np.ndarray, hidden: np.ndarray, decode: Decode) -> str:
    """The text of tokens [L] with ___ for each of those that are hidden (booleans [L])."""
    return _told(tokens, hidden, decode, lambda i: "___")


def marked(tokens: np.ndarray, put_in: np.ndarray, doubted: np.ndarray, decode: Decode) -> str:
    """The text of tokens [L], those put in as [token], and a question mark behind those doubted (booleans [L])."""

    def told(i: int) -> str:
        word = decode(tokens[i : i + 1])
        space = " " if word.startswith(" ") else ""
        return (f"{space}[{word.strip()}]" if put_in[i] else word) + "?" * bool(doubted[i])

    return _told(tokens, put_in | doubted, decode, told)


def _told(tokens: np.ndarray, special: np.ndarray, decode: Decode, told: Callable[[int], str]) -> str:
    """Text in which some tokens are told by `told(place)`, the stretches between them decoded whole."""
    pieces, start = [], 0
    for i in map(int, np.flatnonzero(special)):
        pieces += [decode(tokens[start:i]), told(i)]
        start = i + 1
    return "".join([*pieces, decode(tokens[start:])])
