"""Translation language modelling: hide tokens of a sentence and its translation (TLM, Lample and Conneau 2019).

Shapes: T positions and N sequences of a stream, k hidden positions, L tokens of one pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, Stream, StreamSpec, full_order
from danlu.errors import WrongInput
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, Units, UnitSource
from danlu.objectives.masked import Masked
from danlu.objectives.masked_tokens.masking import hide_units
from danlu.registry import objectives
from danlu.text.parallel_lines import pairs_of_split, read_pairs
from danlu.tokens.vocabulary import Vocabulary

FRAME = 2
"""Number of special tokens of one side of a pair: bos and eos."""

NUM_SAMPLES = 5


@objectives.register
class Translation(Objective):
    """Predict hidden tokens of both sides of a translation pair in one sequence.

    Each side has beginning and end tokens, its own segment, and positions that start at 0. Tokens that are hidden on
    one side can be predicted from the other.
    """

    name: Literal["translation"] = "translation"
    pairs: str = Field(
        default="builtin:sentence_pairs",
        description=("A .tsv or .csv file with a header, optionally .gz or .zst, or builtin:sentence_pairs."),
    )
    columns: tuple[str, str] = Field(default=("en", "zh"), description="Names of the two columns.")
    longest: PositiveInt = Field(
        default=62, description="Maximum tokens of a side; pairs with a longer side are dropped."
    )
    validation: float = Field(default=0.04, gt=0, lt=0.5, description="Share of the pairs for validation.")
    test: float = Field(default=0.04, gt=0, lt=0.5, description="Share of the pairs for testing.")
    masked: Masked = Field(default=Masked(), description="Settings of masked language modelling, by token or span.")

    streams: ClassVar[Mapping[str, StreamSpec]] = {
        "text": StreamSpec({"token": np.int64, "segment": np.int64}, {"masked": np.int64})
    }
    terms: ClassVar[tuple[str, ...]] = ("masked",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = Masked.logits_from

    @property
    def files(self) -> tuple[Path, ...]:
        return () if self.pairs.startswith("builtin:") else (Path(self.pairs),)

    @model_validator(mode="after")
    def _check_unit(self) -> Translation:
        if self.masked.unit == "word":
            raise ValueError("word boundaries of parallel lines are not available; set masked.unit to token or span")
        return self

    def units(self, source: UnitSource, split: str) -> Units:
        """Return the pairs of a split as units; each is two arrays of token ids."""
        pairs = pairs_of_split(read_pairs(self.pairs, self.columns), split, self.validation, self.test)
        sides = [source.encode(side) for side in zip(*pairs, strict=True)]
        rows = [row for row in zip(*sides, strict=True) if all(0 < len(ids) <= self.longest for ids in row)]
        if not rows:
            raise WrongInput(
                f"{self.pairs}: all {split} pairs have a side of more than {self.longest} tokens; raise longest"
            )
        return Units(rows, sum(len(a) + len(b) + 2 * FRAME for a, b in rows) / len(rows))

    def example(self, sample: Sample) -> Example:
        return {"text": [self.sequence(sample.row(), sample)]}

    def sequence(self, row: tuple[np.ndarray, np.ndarray], sample: Sample) -> Seq:
        """Return both sides of a pair as one sequence with hidden tokens."""
        vocabulary = sample.vocabulary
        pieces = [np.concatenate([[vocabulary.bos], ids, [vocabulary.eos]]) for ids in row]
        rate = self.masked.rate_at(sample.progress)
        positions = hide_units(self.masked.unit, pieces, rate, self.masked.mean_span, sample)
        corrupted = [
            self.masked.corrupt(ids, p, sample.rng, vocabulary) for ids, p in zip(pieces, positions, strict=True)
        ]
        lengths = [len(ids) for ids in pieces]
        return Seq(
            {
                "token": np.concatenate(corrupted),
                "segment": np.repeat([0, 1], lengths),
                "position": np.concatenate([np.arange(n) for n in lengths]),
            },
            full_order(sum(lengths)),
            labels={"masked": np.where(np.concatenate([p.hidden for p in positions]), np.concatenate(pieces), -1)},
        )

    def build_head(self, shape: ModelShape) -> nn.Module:
        return self.masked.build_head(shape)

    def blank_logits(self, model: ModelAPI, head: nn.Module, hidden: Tensor) -> Tensor:
        """Return the logits [k, vocabulary] of hidden positions from their hidden states [k, width]."""
        return self.masked.blank_logits(model, head, hidden)

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        if self.longest + FRAME > model.context:
            raise WrongInput(
                f"translation: longest {self.longest} needs a context of {self.longest + FRAME} or more, not "
                f"{model.context}; lower longest or raise architecture.context"
            )
        return self.masked.losses(model, head, batch)

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Measure the accuracy on hidden tokens with the correct translation and with that of another pair.

        The difference is the gain from the translation.
        """
        texts = [batch["text"] for batch in batches if len(batch["text"]) > 1]
        if not texts:
            return {}
        vocabulary = source.vocabulary
        predicted = [self.predictions(model, head, text, vocabulary) for text in texts]
        correct = [
            ids == text.labels["masked"][text.labels["masked"] >= 0] for ids, text in zip(predicted, texts, strict=True)
        ]
        correct_when_mismatched = [
            self.predictions(model, head, text, vocabulary) == text.labels["masked"][text.labels["masked"] >= 0]
            for text in map(mismatched_pairs, texts)
        ]
        return {
            "figures": {
                "accuracy": float(torch.cat(correct).float().mean()),
                "accuracy_beside_another_pair": float(torch.cat(correct_when_mismatched).float().mean()),
            },
            "samples": samples(texts[0], predicted[0], source),
        }

    def predictions(self, model: ModelAPI, head: nn.Module, text: Stream, vocabulary: Vocabulary) -> Tensor:
        """Return the most probable ordinary token at each hidden position, [k]; special tokens are never hidden."""
        at = text.labels["masked"] >= 0
        logits = self.blank_logits(model, head, model.hidden(text)[at])
        logits[:, sorted(vocabulary.special)] = -torch.inf
        return logits.argmax(1)


def mismatched_pairs(text: Stream) -> Stream:
    """Return a stream in which the first side of each pair is combined with the second side of the next pair."""
    first, pair = text.inputs["segment"] == 0, text.sequence
    count, indices = len(text), torch.arange(len(text.key), device=text.key.device)
    mismatched = [
        torch.cat([indices[(pair == k) & first], indices[(pair == (k + 1) % count) & ~first]]) for k in range(count)
    ]
    order, lengths = torch.cat(mismatched), tuple(map(len, mismatched))
    return replace(
        text,
        inputs={name: value[order] for name, value in text.inputs.items()},
        labels={name: value[order] for name, value in text.labels.items()},
        key=text.key[order],
        query=text.query[order],
        offsets=torch.tensor([0, *np.cumsum(lengths).tolist()], device=text.key.device),
        lengths=lengths,
    )


def samples(text: Stream, predicted: Tensor, source: UnitSource) -> list[dict[str, str]]:
    """Return the first pairs of a stream as samples: with ___ for hidden tokens, and with the predicted tokens."""
    labels, segment = text.labels["masked"].cpu().numpy(), text.inputs["segment"].cpu().numpy()
    filled = text.inputs["token"].cpu().numpy().copy()
    filled[labels >= 0] = predicted.cpu().numpy()
    pairs = []
    for start, stop in pairwise(text.offsets.tolist()[: NUM_SAMPLES + 1]):
        ids, hidden, side = filled[start:stop], labels[start:stop] >= 0, segment[start:stop]
        given, made = (render_pair(ids, blank, side, source) for blank in (hidden, np.zeros_like(hidden)))
        pairs.append({"given": given, "made": made})
    return pairs


def render_pair(ids: np.ndarray, hidden: np.ndarray, segment: np.ndarray, source: UnitSource) -> str:
    """Return the text of a pair, its sides joined by ` | `, with ___ for each run of hidden tokens.

    Args:
        ids: token ids of both sides [L].
        hidden: whether a token is hidden, booleans [L].
        segment: side of each token, 0 or 1, [L].
        source: decodes ids.
    """
    sides = []
    for number in (0, 1):
        inside = np.flatnonzero(segment == number)[1:-1]
        runs = np.split(inside, np.flatnonzero(np.diff(hidden[inside].astype(int))) + 1)
        sides.append("".join("___" if hidden[run[0]] else source.decode(ids[run].tolist()) for run in runs if len(run)))
    return " | ".join(sides)
