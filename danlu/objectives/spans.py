"""Span corruption (T5, Raffel et al. 2020): sentinels replace spans, and the decoder generates the spans.

Shapes: n tokens of a text.
"""

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
    decoder_states,
    inner_tokens,
    interleave,
    random_composition,
    round_randomly,
    sequence_pair,
    split_at_spans,
    token_accuracy,
)
from danlu.registry import objectives
from danlu.tokens.vocabulary import Vocabulary


@objectives.register
class Spans(Objective, TextRewriter):
    """Replace random spans of each piece with sentinels and generate the spans; at least one token is hidden.

    The encoder reads the text with sentinel 0 in place of the first span, sentinel 1 in place of the second and so on,
    followed by eos. The decoder starts from the padding token, as in T5, and generates sentinel 0, the first span,
    sentinel 1, ..., a last sentinel and eos. No sequence is longer than the unit: a full window is shortened by one
    token for eos.
    """

    name: Literal["spans"] = "spans"
    rate: float = Field(default=0.15, gt=0, lt=1, description="Share of the tokens that are hidden.")
    mean_span: float = Field(default=3.0, ge=1, description="Mean length of a span, in tokens.")
    sentinels: int = Field(
        default=100, ge=2, description="Number of sentinels in the vocabulary; a piece has fewer spans than sentinels."
    )

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
        texts = [inner_tokens(piece, sample.vocabulary)[: room - 1] for piece in pieces]
        pairs = [self.corrupt(ids, room, sample.rng, sample.vocabulary) for ids in texts if len(ids)]
        return {"source": [source for source, _ in pairs], "target": [target for _, target in pairs]}

    def choose_sizes(self, length: int, room: int, rng: np.random.Generator) -> tuple[int, int]:
        """Return the numbers of hidden tokens and spans for a text of `length` tokens.

        They are such that the target has at most `room` tokens.
        """
        hidden = min(max(round_randomly(self.rate * length, rng), 1), length)
        max_spans = min(self.sentinels - 1, length - hidden + 1, max(1, (room - 2) // 2))
        spans = min(max(round(hidden / self.mean_span), 1), hidden, max_spans)
        return min(hidden, max(spans, room - 2 - spans)), spans

    def corrupt(self, ids: np.ndarray, room: int, rng: np.random.Generator, vocabulary: Vocabulary) -> tuple[Seq, Seq]:
        """Return the source and the target sequence of a text [n]."""
        hidden, spans = self.choose_sizes(len(ids), room, rng)
        sentinels = vocabulary.require_sentinels(self.sentinels)[: spans + 1, None]
        runs = split_at_spans(ids, random_composition(hidden, spans, rng), rng)
        source = interleave([*runs[0::2], np.array([vocabulary.eos])], [*sentinels[:-1], np.zeros(0, np.int64)])
        target = interleave([np.zeros(0, np.int64), *runs[1::2], np.array([vocabulary.eos])], list(sentinels))
        return sequence_pair(source, vocabulary.pad, target, "spans")

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.Module()

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"spans": model.token_loss(decoder_states(model, batch), batch["target"].labels["spans"])}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        return token_accuracy(model, batches, "spans")

    def source_ids(self, parts: Sequence[np.ndarray], vocabulary: Vocabulary) -> np.ndarray:
        """Return the parts of a text with a sentinel for each blank between them, and eos."""
        blanks = len(parts) - 1
        if not blanks:
            raise WrongInput("the text has no blank; mark each blank with <mask>, [MASK] or ___")
        known = self.known_sentinels(vocabulary)
        if blanks >= len(known):
            raise WrongInput(f"the text has {blanks} blanks; the model supports at most {max(len(known) - 1, 0)}")
        return np.concatenate([interleave(parts, list(known[:blanks, None])), [vocabulary.eos]]).astype(np.int64)

    def known_sentinels(self, vocabulary: Vocabulary) -> np.ndarray:
        """Return the sentinels of a trained model; an imported tokenizer may have fewer than `sentinels`."""
        return np.array(vocabulary.sentinels[: self.sentinels], np.int64)

    def decoder_start(self, vocabulary: Vocabulary) -> np.ndarray:
        return np.array([vocabulary.pad], np.int64)

    def allowed_special_tokens(self, vocabulary: Vocabulary) -> frozenset[int]:
        return frozenset(self.known_sentinels(vocabulary).tolist())

    def merge(self, parts: Sequence[np.ndarray], generated: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
        """Fill each blank with the tokens after its sentinel, or with nothing if the sentinel was not generated."""
        at = np.flatnonzero(np.isin(generated, vocabulary.sentinels))
        runs = np.split(generated, at)[1:]
        fillings = {int(run[0]): run[1:] for run in reversed(runs)}  # reversed: the first of repeated sentinels counts
        empty = np.zeros(0, np.int64)
        sentinels = self.known_sentinels(vocabulary)[: len(parts) - 1]
        return interleave(parts, [fillings.get(int(sentinel), empty) for sentinel in sentinels])
