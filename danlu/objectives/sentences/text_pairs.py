"""Pairs of texts: whether the second belongs to the first, framed together or each on its own, and their classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from danlu.batch import Batch, Seq, Stream, StreamSpec, full_order
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Sample
from danlu.objectives.masked import Masked, MaskedHead
from danlu.objectives.sentences.pooling import segment_pool
from danlu.objectives.sentences.sentence_spans import Text, texts_of, unit_size
from danlu.tokens.bounds import FLAGS
from danlu.tokens.vocabulary import Vocabulary

Cut = Callable[[Text, np.random.Generator], "tuple[Text, Text] | None"]

PAIR_FRAME = 3
"""Tokens around a pair in one sequence: [bos] A [eos] B [eos]."""

SINGLE_FRAME = 2
"""Tokens around a text on its own: [bos] A [eos]."""

SINGLE_TOKEN_FLAGS = sum(FLAGS.values())
"""The flags of a token that is a word and a sentence of its own."""


def parse_masked(value: Any) -> Any:
    """false or 0: nothing is masked (None); true: masked as by default; a number: its rate."""
    if value is False or (isinstance(value, int | float) and value == 0):
        return None
    if value is True:
        return {}
    return {"rate": value} if isinstance(value, int | float) else value


def pair_streams(term: str, masked: Masked | None, segments: bool) -> dict[str, StreamSpec]:
    """One stream of texts, with segments where there are two in a sequence, the pair's label as a mark and what is
    masked as labels."""
    labels = {} if masked is None else masked.streams["text"].labels
    inputs = {"token": np.int64, **({"segment": np.int64} if segments else {})}
    return {"text": StreamSpec(inputs, labels, {term: np.int64})}


@dataclass(frozen=True)
class Pair:
    """label: the class of the pair, -1 where there is none to be told (then `second` may be missing)."""

    first: Text
    second: Text | None = None
    label: int = -1


class Recut(Sample):
    """A draw whose unit is other pieces than the window: what another objective then sees of it."""

    def __init__(self, sample: Sample, found: Sequence[np.ndarray], flags: Sequence[np.ndarray]):
        self.rng, self.progress, self.vocabulary = sample.rng, sample.progress, sample.vocabulary
        self.original, self.found, self.flags = sample, found, flags

    def pieces(self, overlap: int = 0) -> list[np.ndarray]:
        return list(self.found)

    def boundaries(self, overlap: int = 0) -> list[np.ndarray]:
        return list(self.flags)

    def another(self) -> Sample:
        return self.original.another()

    def row(self) -> Any:
        return self.original.row()


def fitted(first: Text, second: Text, room: int) -> tuple[Text, Text]:
    """The two with at most `room` tokens together, shortened where they do not meet, the longer one first."""
    half = room // 2
    a = min(len(first), max(half, room - len(second)))
    b = min(len(second), room - a)
    return first.cut(len(first) - a, len(first)), second.cut(0, b)


def draw_pairs(sample: Sample, cut: Cut, around: int, bounds: bool) -> list[Pair]:
    """Each text of the unit cut in two; its second part (label 1) or, as likely, one of another document (label 0).

    The stranger is the second part of a text of a further unit, cut by the same rule, and both are shortened to the
    shorter of the two before either is chosen: neither length nor kind of ending says which one it is. A text that
    cannot be cut stands alone. WrongInput when there is no second document.
    """
    other = texts_of(sample.another(), bounds)
    room = unit_size(sample) - around
    pairs = []
    for text in texts_of(sample, bounds):
        own, strange = cut(text, sample.rng), second_part(other, cut, sample.rng)
        if own is None or strange is None or room < 2:
            pairs.append(Pair(text.cut(0, unit_size(sample) - SINGLE_FRAME)))
            continue
        first, second = own
        length, true = min(len(second), len(strange)), bool(sample.rng.random() < 0.5)
        shown = (second if true else strange).cut(0, length)
        pairs.append(Pair(*fitted(first, shown, room), int(true)))
    return [pair for pair in pairs if len(pair.first)]


def second_part(found: Sequence[Text], cut: Cut, rng: np.random.Generator) -> Text | None:
    """The second part of one of the texts that can be cut, each as likely."""
    halves = [pair for pair in (cut(text, rng) for text in found) if pair is not None]
    return halves[int(rng.integers(len(halves)))][1] if halves else None


def framed(texts: Iterable[Text], vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[bos] A [eos] or [bos] A [eos] B [eos] as ids, flags and segments, each [L]; a segment ends with its [eos]."""
    ids, flags, segments = [np.array([vocabulary.bos])], [np.array([SINGLE_TOKEN_FLAGS], np.uint8)], [np.array([0])]
    for number, text in enumerate(texts):
        ids += [text.ids, np.array([vocabulary.eos])]
        flags += [text.flags, np.array([SINGLE_TOKEN_FLAGS], np.uint8)]
        segments.append(np.full(len(text) + 1, number))
    return np.concatenate(ids), np.concatenate(flags), np.concatenate(segments)


def sequences(
    frames: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], sample: Sample, masked: Masked | None
) -> list[Seq]:
    """A sequence for each frame, with what `masked` hides of it."""
    if masked is None:
        made = [Seq({"token": ids}, full_order(len(ids))) for ids, _, _ in frames]
    else:
        made = masked.example(Recut(sample, [ids for ids, _, _ in frames], [flags for _, flags, _ in frames]))["text"]
    return made


def together(pairs: Sequence[Pair], sample: Sample, masked: Masked | None, term: str) -> list[Seq]:
    """One sequence a pair, with its label; a text without a partner only where there is something masked to tell."""
    kept = [pair for pair in pairs if pair.label >= 0 or masked is not None]
    frames = [framed([t for t in (pair.first, pair.second) if t is not None], sample.vocabulary) for pair in kept]
    made = sequences(frames, sample, masked)
    for seq, (_, _, segments), pair in zip(made, frames, kept, strict=True):
        seq.inputs["segment"] = segments
        seq.sequence_labels[term] = pair.label
    return made


def apart(pairs: Sequence[Pair], sample: Sample, masked: Masked | None, term: str) -> list[Seq]:
    """Two sequences a pair, one after the other, the label at the first of them."""
    kept = [pair for pair in pairs if pair.label >= 0 or masked is not None]
    listed = [(t, label) for p in kept for t, label in ((p.first, p.label), (p.second, -1)) if t is not None]
    made = sequences([framed([text], sample.vocabulary) for text, _ in listed], sample, masked)
    for seq, (_, label) in zip(made, listed, strict=True):
        seq.sequence_labels[term] = label
    return made


class PairHead(nn.Module):
    """Two vectors u, v to classes: a dense layer over u, v, |u - v| and u v (Conneau et al. 2017), tanh as in BERT, and
    a layer for the classes. [k, width] twice -> [k, 2]."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        self.dense, self.out = nn.Linear(4 * shape.width, shape.width), nn.Linear(shape.width, 2)
        nn.init.normal_(self.dense.weight, std=self.dense.in_features**-0.5)
        nn.init.normal_(self.out.weight, std=0.02)  # begins undecided
        for layer in (self.dense, self.out):
            nn.init.zeros_(layer.bias)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        return self.out(torch.tanh(self.dense(torch.cat([u, v, (u - v).abs(), u * v], 1))))


def joint_vectors(hidden: Tensor, text: Stream, at: Tensor) -> tuple[Tensor, Tensor]:
    """The means of the two segments of the sequences `at` [k]: [T, width] -> [k, width] twice. The positions of each
    have seen the other; their means, and not the first position alone, so that architectures that do not look far may
    compare them too."""
    u, v = segment_pool(hidden, text)[at].unbind(1)
    return u, v


def separate_vectors(hidden: Tensor, text: Stream, at: Tensor) -> tuple[Tensor, Tensor]:
    """The means of the sequences `at` [k] and of the one after each: [T, width] -> [k, width] twice."""
    pooled = text.mean(hidden)
    return pooled[at], pooled[at + 1]


Sides = Callable[[Tensor, Stream, Tensor], tuple[Tensor, Tensor]]


def pair_heads(shape: ModelShape, masked: Masked | None) -> nn.ModuleDict:
    heads: dict[str, nn.Module] = {"pair": PairHead(shape)}
    return nn.ModuleDict(heads if masked is None else {**heads, "masked": MaskedHead(shape)})


def pair_losses(model: ModelAPI, head: Any, text: Stream, term: str, sides: Sides) -> dict[str, Tensor]:
    """The pair's term, and the masked one where there is a head for it: one pass of the backbone for both."""
    hidden, label = model.hidden(text), text.sequence_labels[term]
    at = (label >= 0).nonzero().squeeze(1)
    found = {term: model.class_loss(head["pair"](*sides(hidden, text, at)), label[at])}
    if "masked" in head:
        hides = (text.labels["masked"] >= 0).nonzero().squeeze(1)
        labels = text.labels["masked"][hides]
        found["masked"] = model.token_loss(head["masked"](hidden[hides]), labels, LogitsFrom.OWN_HEAD)
    return found


def pair_figures(
    model: ModelAPI, head: Any, batches: Iterable[Batch], term: str, sides: Sides, names: Sequence[str]
) -> dict[str, Any]:
    """Share of each label, accuracy (one value a pair) and what always answering the more frequent label gives."""
    right, labels = [np.zeros(0)], [np.zeros(0, np.int64)]
    for batch in batches:
        text = batch["text"]
        at = (text.sequence_labels[term] >= 0).nonzero().squeeze(1)
        label = text.sequence_labels[term][at]
        guess = head(*sides(model.hidden(text), text, at)).argmax(1)
        right.append((guess == label).double().cpu().numpy())
        labels.append(label.cpu().numpy())
    known = np.concatenate(labels)
    if not len(known):
        return {"pairs": 0}
    shares = [float((known == k).mean()) for k in range(len(names))]
    return {
        "pairs": len(known),
        **{f"share {name}": share for name, share in zip(names, shares, strict=True)},
        "accuracy": np.concatenate(right),
        "accuracy of the more frequent label": max(shares),
    }
