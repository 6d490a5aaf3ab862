"""Relatedness: are two fragments of the same document? A classification of the similarity of their vectors, as much of
the literature on "contrastive prediction" describes it (a Siamese network, Bromley et al. 1993)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from danlu.objectives.group_similarity import unit_length
from danlu.objectives.sentences import cut_in_the_middle
from danlu.objectives.text_pairs import APART, apart, pair_figures, pair_losses, sides_apart, true_or_strange
from danlu.registry import objectives
from danlu.settings import Settings
from danlu.waist import Batch, Draw, Example, Fields, ModelShape, Parts, Source


class SimilarityHead(nn.Module):
    """Two numbers: the logit of "related" is scale x (cosine - middle), that of "unrelated" 0.
    [k, width] twice -> [k, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.middle = nn.Parameter(torch.tensor(5.0)), nn.Parameter(torch.tensor(0.5))

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        related = self.scale * ((unit_length(u) * unit_length(v)).sum(1) - self.middle)
        return torch.stack([torch.zeros_like(related), related], 1)


@objectives.register
class Relatedness(Settings):
    """Each text is cut in two somewhere in its middle; the second part, or as often one of another document, is encoded
    beside the first, each alone, and their cosine says whether they belong together."""

    name: Literal["relatedness"] = "relatedness"

    fields: ClassVar[Mapping[str, Fields]] = {"text": Fields(marks={"related": np.int64})}
    terms: ClassVar[tuple[str, ...]] = ("related",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    token_head: ClassVar[str] = "none"
    embeds_text: ClassVar[bool] = True

    def example(self, draw: Draw) -> Example:
        pairs = true_or_strange(draw, cut_in_the_middle, APART, bounds=False)
        return {"text": apart(pairs, draw, None, "related")}

    def parts(self, shape: ModelShape) -> nn.Module:
        return nn.ModuleDict({"pair": SimilarityHead()})

    def losses(self, model: Parts, parts: Any, batch: Batch) -> dict[str, Tensor]:
        return pair_losses(model, parts, batch["text"], "related", sides_apart)

    def judge(self, model: Parts, parts: Any, batches: Iterable[Batch], source: Source) -> dict[str, Any]:
        names = ("unrelated", "related")
        return {"figures": pair_figures(model, parts["pair"], batches, "related", sides_apart, names)}
