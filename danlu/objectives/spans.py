"""Span corruption (T5, Raffel et al. 2020): spans give way to sentinels, and the decoder writes what they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec
from danlu.errors import WrongInput
from danlu.hf_heads import SEQ2SEQ_LM_OF_SENTINELS, Head
from danlu.objective import ModelAPI, ModelShape, Objective, Sample, TextRewriter, UnitSource
from danlu.objectives.seq2seq.text_to_text import (
    composition,
    joined,
    pair,
    parted,
    rounded,
    token_accuracy,
    without_ends,
    written_hidden,
)
from danlu.registry import objectives
from danlu.tokens.vocabulary import Vocabulary


@objectives.register
class Spans(Objective, TextRewriter):
    """Of each piece of a document a share `rate` is hidden, in spans of `mean_span` tokens on average; never less than
    one token.

    The encoder reads the text with sentinel 0 in place of the first span, sentinel 1 of the second and so on, and eos.
    The decoder begins with the padding token, as T5 does, and writes sentinel 0, the first span, sentinel 1, ..., a
    last sentinel and eos. `sentinels`: how many the tokenizer gets; a piece has one span less at most. No sequence is
    longer than the unit, so that windows that reach the model's context are cut by the token that eos takes.
    """

    name: Literal["spans"] = "spans"
    rate: float = Field(default=0.15, gt=0, lt=1)
    mean_span: float = Field(default=3.0, ge=1)
    sentinels: int = Field(default=100, ge=2)

    streams: ClassVar[Mapping[str, StreamSpec]] = {
        "source": StreamSpec(),
        "target": StreamSpec(labels={"spans": np.int64}),
    }
    terms: ClassVar[tuple[str, ...]] = ("spans",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {
        "backbone": frozenset({"full"}),
        "decoder": frozenset({"causal"}),
    }
    continues_text: ClassVar[bool] = False
    requires_blank: ClassVar[bool] = True
    hf_head: ClassVar[Head | None] = SEQ2SEQ_LM_OF_SENTINELS

    @property
    def num_sentinels(self) -> int:
        return self.sentinels

    def example(self, sample: Sample) -> Example:
        pieces = sample.pieces()
        room = sum(map(len, pieces))
        texts = [without_ends(piece, sample.vocabulary)[: room - 1] for piece in pieces]
        made = [self.corrupted(ids, room, sample.rng, sample.vocabulary) for ids in texts if len(ids)]
        return {"source": [source for source, _ in made], "target": [target for _, target in made]}

    def amounts(self, length: int, room: int, rng: np.random.Generator) -> tuple[int, int]:
        """(hidden tokens, spans) of a text so long, so that the target is no longer than `room`."""
        hidden = min(max(rounded(self.rate * length, rng), 1), length)
        most = min(self.sentinels - 1, length - hidden + 1, max(1, (room - 2) // 2))
        spans = min(max(round(hidden / self.mean_span), 1), hidden, most)
        return min(hidden, max(spans, room - 2 - spans)), spans

    def corrupted(
        self, ids: np.ndarray, room: int, rng: np.random.Generator, vocabulary: Vocabulary
    ) -> tuple[Seq, Seq]:
        """The source and the target of one text [n]."""
        hidden, spans = self.amounts(len(ids), room, rng)
        marks = vocabulary.require_sentinels(self.sentinels)[: spans + 1, None]
        runs = parted(ids, composition(hidden, spans, rng), rng)
        source = joined([*runs[0::2], np.array([vocabulary.eos])], [*marks[:-1], np.zeros(0, np.int64)])
        target = joined([np.zeros(0, np.int64), *runs[1::2], np.array([vocabulary.eos])], list(marks))
        return pair(source, vocabulary.pad, target, "spans")

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.Module()

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"spans": model.token_loss(written_hidden(model, batch), batch["target"].labels["spans"])}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        return token_accuracy(model, batches, "spans")

    def source_ids(self, parts: Sequence[np.ndarray], vocabulary: Vocabulary) -> np.ndarray:
        """The parts of a text with a sentinel for each blank between them, and eos."""
        blanks = len(parts) - 1
        if not blanks:
            raise WrongInput("the text has no blank; write <mask>, [MASK] or ___ where something is to be filled in")
        known = self.known(vocabulary)
        if blanks >= len(known):
            raise WrongInput(f"the text has {blanks} blanks, the model knows {max(len(known) - 1, 0)}; leave fewer")
        return np.concatenate([joined(parts, list(known[:blanks, None])), [vocabulary.eos]]).astype(np.int64)

    def known(self, vocabulary: Vocabulary) -> np.ndarray:
        """The sentinels of a trained model; those of a tokenizer that others made may be fewer than the setting."""
        return np.array(vocabulary.sentinels[: self.sentinels], np.int64)

    def decoder_start(self, vocabulary: Vocabulary) -> np.ndarray:
        return np.array([vocabulary.pad], np.int64)

    def allowed_special_tokens(self, vocabulary: Vocabulary) -> frozenset[int]:
        return frozenset(self.known(vocabulary).tolist())

    def merge(self, parts: Sequence[np.ndarray], generated: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
        """The text with what stands behind each sentinel in its blank; nothing where the sentinel was not written."""
        at = np.flatnonzero(np.isin(generated, vocabulary.sentinels))
        runs = np.split(generated, at)[1:]
        behind = {int(run[0]): run[1:] for run in reversed(runs)}  # the first time counts
        nothing = np.zeros(0, np.int64)
        marks = self.known(vocabulary)[: len(parts) - 1]
        return joined(parts, [behind.get(int(mark), nothing) for mark in marks])
