"""How a text with blanks is written, by the kind of head: for checking exported models and for model cards."""

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

    text: str  # how it is written in a text
    cover: Callable[[np.ndarray, Vocabulary], np.ndarray]  # hide some of the ids [n]


def masked(ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Replace one id in `EVERY` by the mask."""
    return np.where(np.arange(len(ids)) % EVERY == EVERY // 2, vocabulary.require_mask(), ids)


def with_sentinels(ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Replace one id in `EVERY` by the next sentinel, as long as there are any."""
    shown = ids.copy()
    places = np.arange(EVERY // 2, len(ids), EVERY)[: len(vocabulary.sentinels)]
    shown[places] = vocabulary.sentinels[: len(places)]
    return shown


BLANKS: Mapping[str | None, Blank] = {
    None: Blank("", lambda ids, vocabulary: ids),
    "mask": Blank("<mask>", masked),
    "sentinels": Blank("<extra_id_0>", with_sentinels),
}
"""By the `blank` of a head."""
