"""Figures and samples of a binary classification of tokens.

Shapes: L tokens of one sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor


class Detections:
    """Counts of true and predicted replacements."""

    def __init__(self) -> None:
        self.total = self.true = self.suspected = self.found = self.equal = 0
        self.filled = self.restored = 0

    def add(self, truth: Tensor, suspected: Tensor) -> None:
        """Count tokens, given booleans of which are replaced and which are predicted to be."""
        self.total += truth.numel()
        self.true += int(truth.sum())
        self.suspected += int(suspected.sum())
        self.found += int((truth & suspected).sum())
        self.equal += int((truth == suspected).sum())

    def add_generated(self, different: Tensor) -> None:
        """Count tokens that the generator predicted, given booleans of which differ from the original."""
        self.filled += different.numel()
        self.restored += int((~different).sum())

    def figures(self) -> dict[str, float]:
        """Return accuracy, precision and recall of the detector, with their baselines.

        Accuracy is given with that of predicting no replacement; precision with the base rate, the precision of random
        predictions. `restored_by_generator` is the share of hidden tokens that the generator restores. Figures without
        observations are omitted.
        """
        shares = {
            "accuracy": (self.equal, self.total),
            "accuracy_suspecting_none": (self.total - self.true, self.total),
            "precision": (self.found, self.suspected),
            "recall": (self.found, self.true),
            "base_rate": (self.true, self.total),
            "restored_by_generator": (self.restored, self.filled),
        }
        return {name: part / whole for name, (part, whole) in shares.items() if whole}


Decode = Callable[[Any], str]
"""Decodes ids to text."""


def with_blanks(tokens: np.ndarray, hidden: np.ndarray, decode: Decode) -> str:
    """Return the text of tokens [L] with ___ for each hidden token (booleans [L])."""
    return _render(tokens, hidden, decode, lambda i: "___")


def with_marks(tokens: np.ndarray, replaced: np.ndarray, suspected: np.ndarray, decode: Decode) -> str:
    """Return the text of tokens [L], replaced tokens as [token], suspected ones followed by a question mark."""

    def render(i: int) -> str:
        word = decode(tokens[i : i + 1])
        space = " " if word.startswith(" ") else ""
        return (f"{space}[{word.strip()}]" if replaced[i] else word) + "?" * bool(suspected[i])

    return _render(tokens, replaced | suspected, decode, render)


def _render(tokens: np.ndarray, special: np.ndarray, decode: Decode, render: Callable[[int], str]) -> str:
    """Decode tokens, some of them by `render(place)`, the stretches in between as a whole."""
    pieces, start = [], 0
    for i in map(int, np.flatnonzero(special)):
        pieces += [decode(tokens[start:i]), render(i)]
        start = i + 1
    return "".join([*pieces, decode(tokens[start:])])
