"""Semantic textual similarity (Cer et al. 2017): rank correlation of cosine similarities with human scores.

Nothing is trained on the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from danlu.errors import WrongInput
from danlu.evaluation.bag_of_tokens import tfidf_vectors
from danlu.evaluation.text_vectors import embed_texts, interval_json
from danlu.metrics.correlation import spearman_interval
from danlu.settings import Settings
from danlu.tasks.label_tables import read_columns
from danlu.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class ScoredPair:
    """Two texts and a human score of their similarity."""

    first: str
    second: str
    score: float


class ScoredPairs(Settings):
    """A table of pairs of texts with human similarity scores."""

    rows: Path = Field(description="A table with a header row: .tsv or .csv, plain or compressed.")
    first: str = Field(default="text_a", description="Column of the first text.")
    second: str = Field(default="text_b", description="Column of the second text.")
    score: str = Field(default="label", description="Column of the score.")

    def read(self) -> list[ScoredPair]:
        """Read the table.

        Raises:
            WrongInput: if `read_columns` refuses the table, a score is not a number (with file and line), or there are
                fewer than three pairs.
        """
        pairs = []
        for line, (first, second, score) in read_columns(self.rows, (self.first, self.second, self.score)):
            try:
                pairs.append(ScoredPair(first, second, float(score)))
            except ValueError:
                raise WrongInput(f"{self.rows}:{line}: the score {score!r} is not a number") from None
            if not np.isfinite(pairs[-1].score):
                raise WrongInput(f"{self.rows}:{line}: the score {score!r} is not a number")
        if len(pairs) < 3:
            raise WrongInput(f"{self.rows} has {len(pairs)} pairs; a rank correlation needs at least three")
        return pairs


def similarity_figures(
    models: Mapping[str, Any],
    pairs: Sequence[ScoredPair],
    encode: Callable[[list[str]], list[np.ndarray]],
    vocabulary: Vocabulary,
) -> dict[str, Any]:
    """Return Spearman's correlation of cosines with scores, for each model and for TF-IDF vectors of the same tokens.

    Args:
        models: models by the suffix of the figure's name; "" for the model itself.

    Returns:
        {figure: {"value", "low", "high"}} with intervals over pairs.
    """
    scores = [pair.score for pair in pairs]
    ids = encode([pair.first for pair in pairs] + [pair.second for pair in pairs])
    longest = min(model.context for model in models.values()) - 2
    ids = [text[:longest] for text in ids]
    vectors = {name: embed_texts(model, ids, vocabulary) for name, model in models.items()}
    vectors[", TF-IDF"] = tfidf_vectors(ids)
    n = len(pairs)
    return {
        f"Spearman{name}": interval_json(spearman_interval((unit[:n] * unit[n:]).sum(1), scores))
        for name, unit in vectors.items()
    }
