"""Denoising (BART, Lewis et al. 2020): the encoder reads a corrupted text, the decoder writes the original.

Shapes: n tokens of a text, k spans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec
from danlu.hf_heads import SEQ2SEQ_LM_OF_MASKS, Head
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
from danlu.tokens.bounds import segment_numbers
from danlu.tokens.vocabulary import Vocabulary


@objectives.register
class Denoising(Objective, TextRewriter):
    """Corrupt each piece in three steps (permute sentences, delete tokens, infill spans) and generate the original.

    One mask token replaces each span. There is at least one token between two spans; at a high rate, spans are merged.
    The encoder reads bos, the corrupted text, eos. The decoder starts from eos, as in BART, and generates bos, the
    text, eos. No sequence is longer than the unit: a full window is shortened by the two tokens for bos and eos.
    """

    name: Literal["denoising"] = "denoising"
    rate: float = Field(default=0.3, ge=0, lt=1, description="Share of the remaining tokens that is infilled.")
    mean_span: float = Field(
        default=3.0, ge=1, description="Mean of the Poisson distribution of span lengths; a span can be empty."
    )
    permute: bool = Field(default=True, description="Whether sentences are shuffled.")
    delete: float = Field(default=0.0, ge=0, lt=1, description="Share of tokens that are deleted.")

    streams: ClassVar[Mapping[str, StreamSpec]] = {
        "source": StreamSpec(),
        "target": StreamSpec(labels={"denoised": np.int64}),
    }
    terms: ClassVar[tuple[str, ...]] = ("denoised",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {
        "backbone": frozenset({"full"}),
        "decoder": frozenset({"causal"}),
    }
    continues_text: ClassVar[bool] = False
    hf_head: ClassVar[Head | None] = SEQ2SEQ_LM_OF_MASKS

    @property
    def boundaries(self) -> frozenset[str]:
        return frozenset({"sentence"} if self.permute else ())

    def example(self, sample: Sample) -> Example:
        pieces = sample.pieces()
        room = sum(map(len, pieces))
        flags = sample.boundaries() if self.permute else [np.ones(len(piece), np.uint8) for piece in pieces]
        pairs = []
        for piece, piece_flags in zip(pieces, flags, strict=True):
            text = inner_tokens(piece, sample.vocabulary)[: max(0, room - 2)]
            start = int(piece[0] == sample.vocabulary.bos)
            if len(text):
                corrupted = self.corrupt(text, piece_flags[start : start + len(text)], sample.rng, sample.vocabulary)
                pairs.append(self.build_pair(corrupted, text, sample.vocabulary))
        return {"source": [source for source, _ in pairs], "target": [target for _, target in pairs]}

    def build_pair(self, corrupted: np.ndarray, ids: np.ndarray, vocabulary: Vocabulary) -> tuple[Seq, Seq]:
        """Return the sequences of the encoder and the decoder, with bos and eos."""
        before, after = [vocabulary.bos], [vocabulary.eos]
        source, target = (np.concatenate([before, text, after]).astype(np.int64) for text in (corrupted, ids))
        return sequence_pair(source, vocabulary.eos, target, "denoised")

    def corrupt(
        self, ids: np.ndarray, flags: np.ndarray, rng: np.random.Generator, vocabulary: Vocabulary
    ) -> np.ndarray:
        """Corrupt a text [n] whose `flags` [n] mark the starts of sentences; return at most n ids."""
        kept = permute_sentences(ids, segment_numbers(flags, "sentence"), rng) if self.permute else ids
        if self.delete:
            kept = kept[rng.random(len(kept)) >= self.delete]
        return infill_spans(kept, self.rate, self.mean_span, len(ids), vocabulary.require_mask(), rng)

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.Module()

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"denoised": model.token_loss(decoder_states(model, batch), batch["target"].labels["denoised"])}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        return token_accuracy(model, batches, "denoised")

    def source_ids(self, parts: Sequence[np.ndarray], vocabulary: Vocabulary) -> np.ndarray:
        """Return bos, the text with one mask token for each blank, and eos."""
        masks = [np.array([vocabulary.require_mask()])] * (len(parts) - 1)
        return np.concatenate([[vocabulary.bos], interleave(parts, masks), [vocabulary.eos]]).astype(np.int64)

    def decoder_start(self, vocabulary: Vocabulary) -> np.ndarray:
        return np.array([vocabulary.eos, vocabulary.bos], np.int64)

    def allowed_special_tokens(self, vocabulary: Vocabulary) -> frozenset[int]:
        return frozenset()

    def merge(self, parts: Sequence[np.ndarray], generated: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
        return generated


def permute_sentences(ids: np.ndarray, sentence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shuffle the sentences of a text [n]; `sentence` [n] is the number of each token's sentence, from 0."""
    rank = rng.permutation(int(sentence.max(initial=-1)) + 1)
    return ids[np.argsort(rank[sentence], kind="stable")]


def infill_spans(
    ids: np.ndarray, rate: float, mean: float, longest: int, mask: int, rng: np.random.Generator
) -> np.ndarray:
    """Replace random spans of a text with one mask token each.

    Args:
        ids: the text [n].
        rate: share of the tokens in spans.
        mean: mean length of spans.
        longest: maximum length of the result, at least n.
        mask: id of the mask token.
        rng: the random generator.
    """
    num_hidden = round_randomly(rate * len(ids), rng)
    num_kept = len(ids) - num_hidden
    lengths = limit_spans(span_lengths(num_hidden, mean, rng), min(longest - num_kept, num_kept + 1), rng)
    if not len(lengths):
        return ids
    runs = split_at_spans(ids, lengths, rng)
    return interleave(runs[0::2], [np.array([mask])] * len(lengths))


def span_lengths(total: int, mean: float, rng: np.random.Generator) -> np.ndarray:
    """Draw span lengths [k] from a Poisson distribution; the last one is reduced so that they sum to `total`."""
    lengths: list[int] = []
    left = total
    while left > 0:
        lengths.append(min(int(rng.poisson(mean)), left))
        left -= lengths[-1]
    return np.array(lengths, np.int64)


def limit_spans(lengths: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    """Reduce span lengths to at most `limit` spans with the same sum: drop empty ones, then merge neighbours."""
    empty = np.flatnonzero(lengths == 0)
    lengths = np.delete(lengths, empty[: max(0, len(lengths) - limit)])
    if len(lengths) <= limit:
        return lengths
    sizes = random_composition(len(lengths), limit, rng)
    return np.add.reduceat(lengths, np.cumsum(sizes) - sizes)
