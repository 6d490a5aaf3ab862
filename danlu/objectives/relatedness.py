"""Relatedness: classify from the cosine of their embeddings whether two spans are from the same document.

The model is a Siamese network (Bromley et al. 1993).

Shapes: k pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from danlu.batch import Batch, Example, StreamSpec
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, UnitSource
from danlu.objectives.sentences.group_similarity import normalise
from danlu.objectives.sentences.sentence_spans import cut_in_the_middle
from danlu.objectives.sentences.text_pairs import (
    SINGLE_FRAME,
    draw_pairs,
    pair_figures,
    pair_losses,
    separate_sequences,
    separate_vectors,
)
from danlu.registry import objectives


class SimilarityHead(nn.Module):
    """A classifier with two parameters, [k, width] twice -> [k, 2].

    The logit of "related" is scale x (cosine - middle), that of "unrelated" is 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.middle = nn.Parameter(torch.tensor(5.0)), nn.Parameter(torch.tensor(0.5))

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        related = self.scale * ((normalise(u) * normalise(v)).sum(1) - self.middle)
        return torch.stack([torch.zeros_like(related), related], 1)


@objectives.register
class Relatedness(Objective):
    """Classify from the cosine of two embeddings whether two spans are from the same text.

    Each text is cut in two near its middle. With probability 1/2, a span of another document replaces the second part.
    Each part is encoded alone.
    """

    name: Literal["relatedness"] = "relatedness"

    streams: ClassVar[Mapping[str, StreamSpec]] = {"text": StreamSpec(sequence_labels={"related": np.int64})}
    terms: ClassVar[tuple[str, ...]] = ("related",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING
    embeds_text: ClassVar[bool] = True

    def example(self, sample: Sample) -> Example:
        pairs = draw_pairs(sample, cut_in_the_middle, SINGLE_FRAME, bounds=False)
        return {"text": separate_sequences(pairs, sample, None, "related")}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.ModuleDict({"pair": SimilarityHead()})

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        return pair_losses(model, head, batch["text"], "related", separate_vectors)

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        names = ("unrelated", "related")
        return {"figures": pair_figures(model, head["pair"], batches, "related", separate_vectors, names)}
