"""Relatedness: are two fragments of the same document? A classification of the similarity of their vectors, as much of
the literature on "contrastive prediction" describes it (a Siamese network, Bromley et al. 1993)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from danlu.objectives.group_similarity import unit_length
from danlu.objectives.pooling import mean_pool
from danlu.objectives.sentences import cut_in_the_middle
from danlu.objectives.text_pairs import APART, apart, pair_figures, true_or_strange
from danlu.registry import objectives
from danlu.settings import Settings
from danlu.waist import Batch, Draw, Example, Fields, ModelShape, Parts, Source


class SimilarityHead(nn.Module):
    """Two numbers: the logit of "related" is scale x cosine + bias, that of "unrelated" 0. [k] -> [k, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.tensor(5.0)), nn.Parameter(torch.zeros(()))

    def forward(self, cosine: Tensor) -> Tensor:
        related = self.scale * cosine + self.bias
        return torch.stack([torch.zeros_like(related), related], 1)


def of_similarity(head: Any, pooled: Tensor, at: Tensor) -> Tensor:
    """Logits of the sequences `at` [k], each with the one after it: [N, width] -> [k, 2]."""
    vectors = unit_length(pooled)
    return head((vectors[at] * vectors[at + 1]).sum(1))


@objectives.register
class Relatedness(Settings):
    """Each text is cut in two somewhere in its middle; the second part, or as often one of another document, is encoded
    beside the first, each alone, and their cosine says whether they belong together."""

    name: Literal["relatedness"] = "relatedness"

    fields: ClassVar[Mapping[str, Fields]] = {"text": Fields(marks={"related": np.int64})}
    terms: ClassVar[tuple[str, ...]] = ("related",)
    weights: ClassVar[Mapping[str, float]] = {}
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    embeds_text: ClassVar[bool] = True

    def example(self, draw: Draw) -> Example:
        pairs = true_or_strange(draw, cut_in_the_middle, APART, bounds=False)
        return {"text": apart(pairs, draw, None, "related")}

    def parts(self, shape: ModelShape) -> nn.Module:
        return nn.ModuleDict({"pair": SimilarityHead()})

    def losses(self, model: Parts, parts: Any, batch: Batch) -> dict[str, Tensor]:
        text = batch["text"]
        at = (text.marks["related"] >= 0).nonzero().squeeze(1)
        logits = of_similarity(parts["pair"], mean_pool(model.hidden(text), text), at)
        return {"related": model.class_loss(logits, text.marks["related"][at])}

    def judge(self, model: Parts, parts: Any, batches: Iterable[Batch], source: Source) -> dict[str, Any]:
        names = ("unrelated", "related")
        return {"figures": pair_figures(model, parts["pair"], batches, "related", of_similarity, names)}
