"""How blanks are written for each kind of head: used in the logit check of exported models and in model cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from danlu.tokens.vocabulary import Vocabulary

HIDE_EVERY = 5
"""Distance between hidden tokens: one token in five is hidden."""


@dataclass(frozen=True)
class Blank:
    """A kind of blank: its notation, and the function that puts blanks into token ids."""

    text: str  # notation in a text
    hide: Callable[[np.ndarray, Vocabulary], np.ndarray]  # replaces some of the ids [n] with blanks


def mask_tokens(ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Replace every `HIDE_EVERY`-th token with the mask token."""
    return np.where(np.arange(len(ids)) % HIDE_EVERY == HIDE_EVERY // 2, vocabulary.require_mask(), ids)


def insert_sentinels(ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Replace every `HIDE_EVERY`-th token with the next sentinel, until no sentinels are left."""
    shown = ids.copy()
    positions = np.arange(HIDE_EVERY // 2, len(ids), HIDE_EVERY)[: len(vocabulary.sentinels)]
    shown[positions] = vocabulary.sentinels[: len(positions)]
    return shown


BLANKS: Mapping[str | None, Blank] = {
    None: Blank("", lambda ids, vocabulary: ids),
    "mask": Blank("<mask>", mask_tokens),
    "sentinels": Blank("<extra_id_0>", insert_sentinels),
}
"""Kinds of blanks, keyed by `Head.blank`."""
