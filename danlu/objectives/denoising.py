"""Denoising (BART, Lewis et al. 2020): the encoder reads a text that was spoilt, the decoder writes it as it was."""

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
from danlu.tokens.bounds import segment_numbers
from danlu.tokens.vocabulary import Vocabulary


@objectives.register
class Denoising(Objective, TextRewriter):
    """Each piece of a document is spoilt in three ways, one after another, and written back whole.

    permute: its sentences change places; delete: the share of tokens that vanish without a trace; rate: the share of
    what is left that is infilled, in spans whose lengths have a Poisson distribution of mean `mean_span`. A span, also
    an empty one, becomes one mask token. Between two spans stands a token at least: where a high rate leaves too few,
    spans are put together into longer ones. The encoder reads bos, the spoilt text, eos; the decoder begins with eos,
    as BART does, and writes bos, the text, eos. No sequence is longer than the unit, so that windows that reach the
    model's context are cut by the two tokens that bos and eos take.
    """

    name: Literal["denoising"] = "denoising"
    rate: float = Field(default=0.3, ge=0, lt=1)
    mean_span: float = Field(default=3.0, ge=1)
    permute: bool = True
    delete: float = Field(default=0.0, ge=0, lt=1)

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
        made = []
        for piece, found in zip(pieces, flags, strict=True):
            inside = without_ends(piece, sample.vocabulary)[: max(0, room - 2)]
            start = int(piece[0] == sample.vocabulary.bos)
            if len(inside):
                spoilt = self.spoilt(inside, found[start : start + len(inside)], sample.rng, sample.vocabulary)
                made.append(self.framed(spoilt, inside, sample.vocabulary))
        return {"source": [source for source, _ in made], "target": [target for _, target in made]}

    def framed(self, spoilt: np.ndarray, ids: np.ndarray, vocabulary: Vocabulary) -> tuple[Seq, Seq]:
        before, after = [vocabulary.bos], [vocabulary.eos]
        source, target = (np.concatenate([before, text, after]).astype(np.int64) for text in (spoilt, ids))
        return pair(source, vocabulary.eos, target, "denoised")

    def spoilt(
        self, ids: np.ndarray, flags: np.ndarray, rng: np.random.Generator, vocabulary: Vocabulary
    ) -> np.ndarray:
        """No longer than the text [n]; `flags` [n] say where sentences begin."""
        shown = permuted(ids, segment_numbers(flags, "sentence"), rng) if self.permute else ids
        if self.delete:
            shown = shown[rng.random(len(shown)) >= self.delete]
        return infilled(shown, self.rate, self.mean_span, len(ids), vocabulary.require_mask(), rng)

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.Module()

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"denoised": model.token_loss(written_hidden(model, batch), batch["target"].labels["denoised"])}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        return token_accuracy(model, batches, "denoised")

    def source_ids(self, parts: Sequence[np.ndarray], vocabulary: Vocabulary) -> np.ndarray:
        """The text between bos and eos, with the mask token for each blank."""
        masks = [np.array([vocabulary.require_mask()])] * (len(parts) - 1)
        return np.concatenate([[vocabulary.bos], joined(parts, masks), [vocabulary.eos]]).astype(np.int64)

    def decoder_start(self, vocabulary: Vocabulary) -> np.ndarray:
        return np.array([vocabulary.eos, vocabulary.bos], np.int64)

    def allowed_special_tokens(self, vocabulary: Vocabulary) -> frozenset[int]:
        return frozenset()

    def merge(self, parts: Sequence[np.ndarray], generated: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
        return generated


def permuted(ids: np.ndarray, sentence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[n]: the sentences (numbered from 0, [n]) in a random order, each as it is."""
    place = rng.permutation(int(sentence.max(initial=-1)) + 1)
    return ids[np.argsort(place[sentence], kind="stable")]


def infilled(
    ids: np.ndarray, rate: float, mean: float, longest: int, mask: int, rng: np.random.Generator
) -> np.ndarray:
    """`ids` [n] with spans of about `rate` of them, each replaced by one mask; at most `longest` (n or more) long."""
    wanted = rounded(rate * len(ids), rng)
    stays = len(ids) - wanted
    lengths = at_most(span_lengths(wanted, mean, rng), min(longest - stays, stays + 1), rng)
    if not len(lengths):
        return ids
    runs = parted(ids, lengths, rng)
    return joined(runs[0::2], [np.array([mask])] * len(lengths))


def span_lengths(total: int, mean: float, rng: np.random.Generator) -> np.ndarray:
    """[k] lengths by a Poisson distribution, the last one cut so that all add up to `total`."""
    lengths: list[int] = []
    left = total
    while left > 0:
        lengths.append(min(int(rng.poisson(mean)), left))
        left -= lengths[-1]
    return np.array(lengths, np.int64)


def at_most(lengths: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """`lengths` as `most` spans or fewer with the same sum: empty ones are left out, then neighbours put together."""
    empty = np.flatnonzero(lengths == 0)
    lengths = np.delete(lengths, empty[: max(0, len(lengths) - most)])
    if len(lengths) <= most:
        return lengths
    sizes = composition(len(lengths), most, rng)
    return np.add.reduceat(lengths, np.cumsum(sizes) - sizes)
