"""What stands in a text where something is left out: when an exported model is checked, and in its card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from danlu.tokens.vocabulary import Vocabulary

EVERY = 5
"""One in so many tokens of a text is left out."""


@dataclass(frozen=True)
class Blank:
    """text: how it is written; cover(ids [n], vocabulary): the ids [n] with some of them left out."""

    text: str
    cover: Callable[[np.ndarray, Vocabulary], np.ndarray]


def masked(ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """One id in `EVERY` replaced by the mask."""
    return np.where(np.arange(len(ids)) % EVERY == EVERY // 2, vocabulary.require_mask(), ids)


def with_sentinels(ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """The same by sentinels, as many as there are."""
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
