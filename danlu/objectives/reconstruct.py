"""Sentence autoencoder: encode a sentence as one vector and decode it (Li et al. 2015).

With dropped tokens it is TSDAE (Wang et al. 2021).

Shapes: N sequences of a stream, `code` entries of a code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.batch import Batch, Example, Memory, Seq, Stream, StreamSpec, causal_order, full_order
from danlu.metrics.chrf import chrf
from danlu.objective import ModelAPI, ModelShape, Objective, Sample, UnitSource
from danlu.objectives.seq2seq.greedy_decoding import decode_greedily
from danlu.packing import pack
from danlu.registry import objectives
from danlu.tokens.bounds import segment_numbers

JUDGED_SENTENCES = 128
"""Number of sentences that `judge` decodes."""

NUM_SAMPLES = 5


class Codes(nn.Module):
    """Linear maps between hidden states and codes.

    Codes are normalised to mean 0 and variance 1 over their entries. With fewer than three entries, a normalised code
    carries almost no information.
    """

    def __init__(self, width: int, size: int):
        super().__init__()
        self.narrow = nn.Linear(width, size)
        self.norm = nn.LayerNorm(size, elementwise_affine=False)
        self.widen = nn.Linear(size, width)


@objectives.register
class Reconstruct(Objective):
    """Encode each sentence as one vector, its code, and decode it from the code alone.

    The code is the mean hidden state, mapped to `code` entries and normalised.
    """

    name: Literal["reconstruct"] = "reconstruct"
    longest: PositiveInt = Field(default=32, description="Maximum tokens of a sentence; longer ones are split.")
    drop: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the tokens that are hidden from the encoder (TSDAE: 0.6)."
    )
    code: int | None = Field(
        default=None, ge=3, description="Size of the code; null for the width of the architecture."
    )

    streams: ClassVar[Mapping[str, StreamSpec]] = {
        "source": StreamSpec(),
        "target": StreamSpec(labels={"rebuilt": np.int64}),
    }
    terms: ClassVar[tuple[str, ...]] = ("rebuilt",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {
        "backbone": frozenset({"full"}),
        "decoder": frozenset({"causal"}),
    }
    continues_text: ClassVar[bool] = False
    boundaries: ClassVar[frozenset[str]] = frozenset({"sentence"})

    def example(self, sample: Sample) -> Example:
        bos, eos = sample.vocabulary.bos, sample.vocabulary.eos
        sources, targets = [], []
        for ids in self.sentences(sample):
            shown = drop_tokens(ids, self.drop, sample.rng)
            sources.append(Seq({"token": shown}, full_order(len(shown))))
            shifted, labels = np.concatenate([[bos], ids]), np.concatenate([ids, [eos]])
            targets.append(Seq({"token": shifted}, causal_order(len(shifted)), labels={"rebuilt": labels}))
        return {"source": sources, "target": targets}

    def sentences(self, sample: Sample) -> list[np.ndarray]:
        """Return the sentences of a unit without special tokens.

        Each has 1 to `longest` tokens, and together with its end token at most as many as the unit.
        """
        sentences, pieces = [], sample.pieces()
        longest = min(self.longest, max(1, sum(map(len, pieces)) - 1))
        for piece, flags in zip(pieces, sample.boundaries(), strict=True):
            number, ordinary = segment_numbers(flags, "sentence"), sample.vocabulary.ordinary(piece)
            for k in range(int(number[-1]) + 1 if len(number) else 0):
                ids = piece[(number == k) & ordinary]
                sentences += [ids[start : start + longest] for start in range(0, len(ids), longest)]
        return sentences

    def build_head(self, shape: ModelShape) -> nn.Module:
        return Codes(shape.width, self.code or shape.width)

    def codes(self, model: ModelAPI, head: Any, source: Stream) -> Tensor:
        """Return one code per sequence, [N, code]."""
        return head.norm(head.narrow(source.mean(model.hidden(source))))

    def memory(self, head: Any, codes: Tensor) -> Memory:
        """Return the memory of the decoder: one position per sentence, with the code mapped to the hidden size."""
        return Memory(head.widen(codes), single_position_stream(len(codes), codes.device))

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        source, target = batch["source"], batch["target"]
        states = model.decode(target, self.memory(head, self.codes(model, head, source)))
        return {"rebuilt": model.token_loss(states, target.labels["rebuilt"])}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Decode held-out sentences greedily and compare them with the originals.

        Figures are the share of exact matches, chrF and the cosine of the codes. As baselines, chrF and the cosine are
        also computed with the next sentence instead of the original.
        """
        originals, device = target_sentences(batches, JUDGED_SENTENCES)
        if len(originals) < 2:
            return {}
        codes = self.codes(model, head, build_stream(originals, device))
        decoded = decode_greedily(model, self.memory(head, codes), source.vocabulary, min(self.longest, model.context))
        nonempty = [ids if len(ids) else np.array([source.vocabulary.eos]) for ids in decoded]
        decoded_codes = self.codes(model, head, build_stream(nonempty, device))
        texts = [source.decode(ids.tolist()) for ids in originals]
        copies = [source.decode(ids.tolist()) for ids in decoded]
        shown = zip(texts[:NUM_SAMPLES], copies[:NUM_SAMPLES], strict=True)
        return {
            "figures": {
                "exact_match": sum(map(np.array_equal, originals, decoded)) / len(originals),
                "chrf": chrf(copies, texts),
                "chrf_of_the_next_sentence": chrf(copies, texts[1:] + texts[:1]),
                "code_cosine": cosine(codes, decoded_codes),
                "code_cosine_of_the_next_sentence": cosine(codes, decoded_codes.roll(1, 0)),
            },
            "samples": [{"given": text, "made": copy} for text, copy in shown],
        }


def drop_tokens(ids: np.ndarray, drop: float, rng: np.random.Generator) -> np.ndarray:
    """Drop each token with probability `drop`; at least one is kept."""
    kept = rng.random(len(ids)) >= drop
    kept[rng.integers(len(ids))] |= not kept.any()
    return ids[kept]


def single_position_stream(count: int, device: torch.device) -> Stream:
    """Return a stream of `count` sequences with one position each."""
    zeros = torch.zeros(count, dtype=torch.int64, device=device)
    numbers = torch.arange(count + 1, device=device)
    return Stream({"position": zeros}, {}, {}, zeros, zeros, numbers, numbers[:-1], (1,) * count)


def build_stream(sentences: Sequence[np.ndarray], device: torch.device) -> Stream:
    """Return a stream of sentences with full attention."""
    seqs = [Seq({"token": ids}, full_order(len(ids))) for ids in sentences]
    return pack([{"text": seqs}], {"text": StreamSpec()})["text"].to(device)


def target_sentences(batches: Iterable[Batch], limit: int) -> tuple[list[np.ndarray], torch.device]:
    """Return the ids of the first `limit` target sentences, without end tokens, and the device of the batches."""
    sentences: list[np.ndarray] = []
    device = torch.device("cpu")
    for batch in batches:
        labels, device = batch["target"].labels["rebuilt"], batch["target"].key.device
        sentences += [ids[:-1].cpu().numpy() for ids in labels.split(batch["target"].lengths)]
        if len(sentences) >= limit:
            break
    return sentences[:limit], device


def cosine(a: Tensor, b: Tensor) -> float:
    """Return the mean cosine of corresponding rows of a [N, n] and b [N, n]."""
    return float(F.cosine_similarity(a, b, dim=1).mean())
