"""Do similarities of vectors rank pairs of texts as people do? Zero-shot: nothing is learnt from the scores (Cer et al.
2017 for such pairs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from danlu.errors import WrongInput
from danlu.evaluation.bag_of_tokens import tfidf_vectors
from danlu.evaluation.text_vectors import shown, vectors_of
from danlu.metrics.correlation import spearman_interval
from danlu.settings import Settings
from danlu.tasks.label_tables import read_columns
from danlu.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class ScoredPair:
    first: str
    second: str
    score: float


class ScoredPairs(Settings):
    """A table with a header row (.tsv, .csv, plain or .zst) of pairs of texts, and people's scores of how similar they
    are."""

    rows: Path
    first: str = "text_a"
    second: str = "text_b"
    score: str = "label"

    def read(self) -> list[ScoredPair]:
        """WrongInput, with file and line, for what `read_columns` refuses, a score that is no number, and fewer than
        three pairs."""
        pairs = []
        for line, (first, second, score) in read_columns(self.rows, (self.first, self.second, self.score)):
            try:
                pairs.append(ScoredPair(first, second, float(score)))
            except ValueError:
                raise WrongInput(f"{self.rows}:{line}: the score {score!r} is no number") from None
            if not np.isfinite(pairs[-1].score):
                raise WrongInput(f"{self.rows}:{line}: the score {score!r} is no number")
        if len(pairs) < 3:
            raise WrongInput(f"{self.rows}: has {len(pairs)} pairs; a rank correlation needs three or more")
        return pairs


def similarity_figures(
    models: Mapping[str, Any],
    pairs: Sequence[ScoredPair],
    encode: Callable[[list[str]], list[np.ndarray]],
    vocabulary: Vocabulary,
) -> dict[str, Any]:
    """{figure: {"value", "low", "high"}}: Spearman's correlation of cosines with scores, for each model (by what is
    said after a figure of it, the model itself by "") and for TF-IDF of the same tokens; intervals over pairs."""
    scores = [pair.score for pair in pairs]
    ids = encode([pair.first for pair in pairs] + [pair.second for pair in pairs])
    longest = min(model.context for model in models.values()) - 2
    ids = [each[:longest] for each in ids]
    vectors = {name: vectors_of(model, ids, vocabulary) for name, model in models.items()}
    vectors[", TF-IDF"] = tfidf_vectors(ids)
    n = len(pairs)
    return {
        f"Spearman{name}": shown(spearman_interval((both[:n] * both[n:]).sum(1), scores))
        for name, both in vectors.items()
    }
