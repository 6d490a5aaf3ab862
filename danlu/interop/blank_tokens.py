"""The blanks in a text for each kind of head, used to check exported models and in model cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from danlu.tokens.vocabulary import Vocabulary

EVERY = 5
"""One in this many tokens of a text is hidden."""


@dataclass(frozen=True)
class Blank:
    """One kind of blank."""

    text: str  # its notation in a text
    hide: Callable[[np.ndarray, Vocabulary], np.ndarray]  # replace some of the ids [n] by blanks


def mask_tokens(ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Replace one id in `EVERY` by the mask."""
    return np.where(np.arange(len(ids)) % EVERY == EVERY // 2, vocabulary.require_mask(), ids)


def insert_sentinels(ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Replace one id in `EVERY` by the next sentinel, until no sentinels are left."""
    shown = ids.copy()
    places = np.arange(EVERY // 2, len(ids), EVERY)[: len(vocabulary.sentinels)]
    shown[places] = vocabulary.sentinels[: len(places)]
    return shown


BLANKS: Mapping[str | None, Blank] = {
    None: Blank("", lambda ids, vocabulary: ids),
    "mask": Blank("<mask>", mask_tokens),
    "sentinels": Blank("<extra_id_0>", insert_sentinels),
}
"""The kinds of blanks, by the `blank` of a head."""
