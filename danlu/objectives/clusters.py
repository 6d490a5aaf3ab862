"""Masked prediction of pseudo-labels, the clusters of token representations (HuBERT, Hsu et al. 2021).

Shapes: T positions of a stream, n hidden tokens, k clusters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec, full_order
from danlu.extras import import_optional
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, Units, UnitSource
from danlu.objectives.masked import MaskedHead
from danlu.objectives.masked_tokens.masking import LONGEST_SPAN, hide_spans
from danlu.objectives.masked_tokens.pseudo_labels import MAX_CLUSTERS, NO_CLUSTER, pseudo_labels, split_tokens
from danlu.registry import objectives
from danlu.tokens.units import WindowUnits

SHOWN_CLUSTERS, SHOWN_TOKENS = 12, 10
"""Numbers of clusters and of tokens per cluster in the samples of `judge`."""


class ClusterHead(nn.Module):
    """Map hidden states [T, width] to logits [T, k]."""

    def __init__(self, shape: ModelShape, k: int):
        super().__init__()
        self.dense = MaskedHead(shape)
        self.out = nn.Linear(shape.logit_dim, k)
        nn.init.normal_(self.out.weight, std=shape.logit_dim**-0.5)
        nn.init.zeros_(self.out.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.out(self.dense(hidden))


@dataclass(frozen=True)
class LabelledPieces:
    """One window of text: ids and clusters of each document in it; cluster -1 means none."""

    pieces: list[np.ndarray]  # [n] int64 each
    clusters: list[np.ndarray]  # [n] int64 each


@dataclass(frozen=True)
class LabelledWindows(Sequence[LabelledPieces]):
    """The windows of a split with the cluster of each token."""

    windows: WindowUnits
    labels: np.ndarray  # clusters of all tokens of the split, [tokens] uint16

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, i: int) -> LabelledPieces:  # type: ignore[override]
        pieces = self.windows.pieces(i)
        start = i * self.windows.length
        stored = self.labels[start : start + sum(map(len, pieces))].astype(np.int64)
        clusters = np.where(stored == NO_CLUSTER, -1, stored)
        return LabelledPieces(pieces, np.split(clusters, np.cumsum([len(piece) for piece in pieces])[:-1]))


@objectives.register
class Clusters(Objective):
    """Hide spans and predict the cluster of each hidden token.

    The clusters are pseudo-labels that are computed once for all tokens by k-means: in the first round over word
    vectors from co-occurrence counts, in later rounds over the hidden states of a `teacher`.
    """

    name: Literal["clusters"] = "clusters"
    k: int = Field(default=100, ge=2, le=MAX_CLUSTERS, description="Number of clusters.")
    teacher: str | None = Field(
        default=None, description="Name of an earlier model of the recipe whose hidden states are clustered."
    )
    rate: float = Field(default=0.3, gt=0, lt=1, description="Share of tokens that are hidden.")
    mean_span: float = Field(
        default=3.0,
        ge=1,
        le=LONGEST_SPAN,
        description=(
            "Mean of the geometric distribution of span lengths, cut at 10 tokens (a mean of 3 becomes 2.95)."
        ),
    )
    unit_tokens: int = Field(default=256, ge=2, description="Tokens per unit, at most the context of the architecture.")

    streams: ClassVar[Mapping[str, StreamSpec]] = {"text": StreamSpec(labels={"cluster": np.int64})}
    terms: ClassVar[tuple[str, ...]] = ("cluster",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING
    class_labels: ClassVar[frozenset[str]] = frozenset({"cluster"})
    model_references: ClassVar[tuple[str, ...]] = ("teacher",)

    @property
    def required_libraries(self) -> Mapping[str, str]:
        return {"sklearn": "eval", "scipy": "eval"}

    @property
    def required_context(self) -> int:
        return self.unit_tokens

    def units(self, source: UnitSource, split: str) -> Units:
        windows = WindowUnits(source.store(split), self.unit_tokens)
        labels = pseudo_labels(source, self.teacher, self.k, self.unit_tokens, split)
        return Units(LabelledWindows(windows, labels), windows.store.tokens / len(windows))

    def example(self, sample: Sample) -> Example:
        row: LabelledPieces = sample.row()
        mask = sample.vocabulary.require_mask()
        places = hide_spans(row.pieces, self.rate, self.mean_span, sample.rng, sample.vocabulary)
        return {
            "text": [
                Seq(
                    {"token": np.where(place.hidden, mask, piece)},
                    full_order(len(piece)),
                    labels={"cluster": np.where(place.hidden, clusters, -1)},
                )
                for piece, clusters, place in zip(row.pieces, row.clusters, places, strict=True)
            ]
        }

    def build_head(self, shape: ModelShape) -> nn.Module:
        return ClusterHead(shape, self.k)

    def logits(self, model: ModelAPI, head: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the logits [n, k] and clusters [n] of the hidden tokens of a batch."""
        text = batch["text"]
        at = text.labels["cluster"] >= 0
        return head(model.hidden(text)[at]), text.labels["cluster"][at]

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"cluster": model.class_loss(*self.logits(model, head, batch))}

    def judge(self, model: ModelAPI, head: nn.Module, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Measure the accuracy on hidden tokens, with the most frequent cluster as baseline, and describe the clusters.

        Token information is the normalised mutual information of clusters and tokens (0 for independence, 1 for a
        one-to-one relation), with that of shuffled clusters as baseline. Purity is the share of tokens that are the
        most frequent token of their cluster.
        """
        outputs = [self.logits(model, head, batch) for batch in batches]
        labels = torch.cat([clusters for _, clusters in outputs]).cpu()
        predicted = torch.cat([logits.argmax(1) for logits, _ in outputs]).cpu()
        store = source.store("test")
        tokens = split_tokens(store)
        clusters = np.array(pseudo_labels(source, self.teacher, self.k, self.unit_tokens, "test"))
        tokens, clusters = tokens[clusters != NO_CLUSTER], clusters[clusters != NO_CLUSTER].astype(np.int64)
        information = import_optional("sklearn.metrics", "eval", "evaluating clusters").normalized_mutual_info_score
        table = np.zeros((self.k, source.vocabulary.size), np.int64)
        np.add.at(table, (clusters, tokens), 1)
        return {
            "figures": {
                "accuracy": float((predicted == labels).double().mean()),
                "majority": float(labels.bincount().max() / len(labels)),
                "token_information": float(information(tokens, clusters)),
                "token_information_shuffled": float(
                    information(tokens, np.random.default_rng(0).permutation(clusters))
                ),
                "purity": float(table.max(1).sum() / table.sum()),
            },
            "samples": [cluster_sample(number, table[number], source) for number in largest_clusters(table)],
        }


def largest_clusters(table: np.ndarray) -> list[int]:
    """Return the clusters with the most tokens, given counts [k, vocabulary]."""
    return np.argsort(-table.sum(1), kind="stable")[:SHOWN_CLUSTERS].tolist()


def cluster_sample(number: int, counts: np.ndarray, source: UnitSource) -> dict[str, str]:
    """Return a cluster and its most frequent tokens as a sample."""
    order = [i for i in np.argsort(-counts, kind="stable")[:SHOWN_TOKENS] if counts[i]]
    return {"given": f"cluster {number}", "made": " | ".join(source.decode([i]).strip() for i in order)}
