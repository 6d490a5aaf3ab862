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
from danlu.objectives.masked_tokens.masking import by_unit
from danlu.registry import objectives
from danlu.text.parallel_lines import pairs_of_split, read_pairs
from danlu.tokens.vocabulary import Vocabulary

FRAME = 2
"""Special tokens of one side of a pair: its beginning and end."""

SHOWN = 5


@objectives.register
class Translation(Objective):
    """Predict hidden tokens of both sides of a translation pair, which are in one sequence.

    Each side is framed by beginning and end tokens and has its own segment and positions from 0. Tokens hidden on one
    side can be predicted from the other.
    """

    name: Literal["translation"] = "translation"
    pairs: str = Field(
        default="builtin:sentence_pairs",
        description=("A .tsv or .csv file with a header, also as .gz or .zst, or builtin:sentence_pairs."),
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
    def _by_token(self) -> Translation:
        if self.masked.unit == "word":
            raise ValueError("word boundaries of parallel lines are not available; set masked.unit to token or span")
        return self

    def units(self, source: UnitSource, split: str) -> Units:
        """Return the pairs of a split, each as two arrays of ids."""
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
        places = by_unit(self.masked.unit, pieces, self.masked.rate_at(sample.progress), self.masked.mean_span, sample)
        shown = [self.masked.corrupt(ids, p, sample.rng, vocabulary) for ids, p in zip(pieces, places, strict=True)]
        lengths = [len(ids) for ids in pieces]
        return Seq(
            {
                "token": np.concatenate(shown),
                "segment": np.repeat([0, 1], lengths),
                "position": np.concatenate([np.arange(n) for n in lengths]),
            },
            full_order(sum(lengths)),
            labels={"masked": np.where(np.concatenate([p.hidden for p in places]), np.concatenate(pieces), -1)},
        )

    def build_head(self, shape: ModelShape) -> nn.Module:
        return self.masked.build_head(shape)

    def blank_logits(self, model: ModelAPI, head: nn.Module, hidden: Tensor) -> Tensor:
        """Return the logits [k, vocabulary] of hidden positions from their hidden states [k, width]."""
        return self.masked.blank_logits(model, head, hidden)

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        if self.longest + FRAME > model.context:
            needed = f"needs an architecture whose context is {self.longest + FRAME} or more, not {model.context}"
            raise WrongInput(
                f"translation: longest {self.longest} {needed}; give a smaller longest or a larger context"
            )
        return self.masked.losses(model, head, batch)

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Measure the accuracy on hidden tokens, with the right translation and with that of another pair.

        The difference is what the model gains from the translation.
        """
        texts = [batch["text"] for batch in batches if len(batch["text"]) > 1]
        if not texts:
            return {}
        vocabulary = source.vocabulary
        predicted = [self.predictions(model, head, text, vocabulary) for text in texts]
        right = torch.cat(
            [t == x.labels["masked"][x.labels["masked"] >= 0] for t, x in zip(predicted, texts, strict=True)]
        )
        mismatched = [mismatched_pairs(text) for text in texts]
        wrong = [
            self.predictions(model, head, x, vocabulary) == x.labels["masked"][x.labels["masked"] >= 0]
            for x in mismatched
        ]
        return {
            "figures": {
                "accuracy": float(right.float().mean()),
                "accuracy_beside_another_pair": float(torch.cat(wrong).float().mean()),
            },
            "samples": samples(texts[0], predicted[0], source),
        }

    def predictions(self, model: ModelAPI, head: nn.Module, text: Stream, vocabulary: Vocabulary) -> Tensor:
        """Return the most probable ordinary token at each hidden position, [k]; no other token is ever hidden."""
        at = text.labels["masked"] >= 0
        logits = self.blank_logits(model, head, model.hidden(text)[at])
        logits[:, sorted(vocabulary.special)] = -torch.inf
        return logits.argmax(1)


def mismatched_pairs(text: Stream) -> Stream:
    """Combine the first side of each pair with the second side of the next pair, including hidden tokens."""
    first, of = text.inputs["segment"] == 0, text.sequence
    count, numbers = len(text), torch.arange(len(text.key), device=text.key.device)
    sides = [torch.cat([numbers[(of == k) & first], numbers[(of == (k + 1) % count) & ~first]]) for k in range(count)]
    order, lengths = torch.cat(sides), tuple(len(side) for side in sides)
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
    """Return the first pairs, with ___ for hidden tokens and with the predicted tokens."""
    labels, segment = text.labels["masked"].cpu().numpy(), text.inputs["segment"].cpu().numpy()
    filled = text.inputs["token"].cpu().numpy().copy()
    filled[labels >= 0] = predicted.cpu().numpy()
    found = []
    for start, stop in pairwise(text.offsets.tolist()[: SHOWN + 1]):
        ids, hidden, side = filled[start:stop], labels[start:stop] >= 0, segment[start:stop]
        given, made = (with_blanks(ids, blank, side, source) for blank in (hidden, np.zeros_like(hidden)))
        found.append({"given": given, "made": made})
    return found


def with_blanks(ids: np.ndarray, hidden: np.ndarray, segment: np.ndarray, source: UnitSource) -> str:
    """Return the text of both sides [L], joined by ` | `, with ___ for each run of hidden tokens."""
    sides = []
    for number in (0, 1):
        inside = np.flatnonzero(segment == number)[1:-1]
        runs = np.split(inside, np.flatnonzero(np.diff(hidden[inside].astype(int))) + 1)
        sides.append("".join("___" if hidden[run[0]] else source.decode(ids[run].tolist()) for run in runs if len(run)))
    return " | ".join(sides)
