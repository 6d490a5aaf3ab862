"""Text pairs: whether the second text belongs to the first; joint or separate encoding, and the pair classifier.

Shapes: T positions and N sequences of a stream, L positions of one sequence, k pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BeforeValidator, Field
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
"""Special tokens of a pair in one sequence: [bos] A [eos] B [eos]."""

SINGLE_FRAME = 2
"""Special tokens of a single text: [bos] A [eos]."""

SINGLE_TOKEN_FLAGS = sum(FLAGS.values())
"""The flags of a token that is a word and a sentence alone."""


def parse_masked(value: Any) -> Any:
    """Parse the setting `masked`: false or 0 is None, true the default settings, a number their rate."""
    if value is False or (isinstance(value, int | float) and value == 0):
        return None
    if value is True:
        return {}
    return {"rate": value} if isinstance(value, int | float) else value


Rate = Annotated[float, Field(ge=0, lt=1)]
"""A share of tokens; 0 for none."""

MaskedOption = Annotated[
    Masked | None,
    BeforeValidator(parse_masked, json_schema_input_type=Masked | Rate | bool | None),  # type: ignore[operator]
    Field(
        description=(
            "Masked language modelling on the same sequences: its settings, or its rate as a number; true for the "
            "defaults, false or 0 for none."
        )
    ),
]
"""The type of the setting `masked`."""


def pair_streams(term: str, masked: Masked | None, segments: bool) -> dict[str, StreamSpec]:
    """Return the stream of texts with the pair's sequence label and the labels of masked tokens."""
    labels = {} if masked is None else masked.streams["text"].labels
    inputs = {"token": np.int64, **({"segment": np.int64} if segments else {})}
    return {"text": StreamSpec(inputs, labels, {term: np.int64})}


@dataclass(frozen=True)
class Pair:
    """Two texts of a pair."""

    first: Text
    second: Text | None = None  # missing only without a label
    label: int = -1  # the class of the pair; -1: none


class RecutSample(Sample):
    """A sample whose unit consists of other pieces than the window."""

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


def truncate_pair(first: Text, second: Text, room: int) -> tuple[Text, Text]:
    """Truncate two texts to at most `room` tokens together, at their outer ends and the longer one first."""
    half = room // 2
    a = min(len(first), max(half, room - len(second)))
    b = min(len(second), room - a)
    return first.cut(len(first) - a, len(first)), second.cut(0, b)


def draw_pairs(sample: Sample, cut: Cut, frame: int, bounds: bool) -> list[Pair]:
    """Cut each text of the unit in two; replace the second part by one of another document with probability 1/2.

    The replacement is the second part of a text of a further unit, cut by the same rule. Both candidates are truncated
    to the shorter of the two before one is chosen, so that neither length nor ending reveals which it is. A text that
    cannot be cut stands alone.

    Args:
        cut: cuts a text in two, or returns None.
        frame: number of special tokens of a pair.
        bounds: whether `cut` needs sentence boundaries.

    Raises:
        WrongInput: if there is no second document.
    """
    other = texts_of(sample.another(), bounds)
    room = unit_size(sample) - frame
    pairs = []
    for text in texts_of(sample, bounds):
        own, negative = cut(text, sample.rng), second_part(other, cut, sample.rng)
        if own is None or negative is None or room < 2:
            pairs.append(Pair(text.cut(0, unit_size(sample) - SINGLE_FRAME)))
            continue
        first, second = own
        length, true = min(len(second), len(negative)), bool(sample.rng.random() < 0.5)
        shown = (second if true else negative).cut(0, length)
        pairs.append(Pair(*truncate_pair(first, shown, room), int(true)))
    return [pair for pair in pairs if len(pair.first)]


def second_part(found: Sequence[Text], cut: Cut, rng: np.random.Generator) -> Text | None:
    """Return the second part of one of the texts that can be cut, drawn uniformly."""
    halves = [pair for pair in (cut(text, rng) for text in found) if pair is not None]
    return halves[int(rng.integers(len(halves)))][1] if halves else None


def framed(texts: Iterable[Text], vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids, flags and segments [L] of [bos] A [eos] or [bos] A [eos] B [eos]; a segment includes its [eos]."""
    ids, flags, segments = [np.array([vocabulary.bos])], [np.array([SINGLE_TOKEN_FLAGS], np.uint8)], [np.array([0])]
    for number, text in enumerate(texts):
        ids += [text.ids, np.array([vocabulary.eos])]
        flags += [text.flags, np.array([SINGLE_TOKEN_FLAGS], np.uint8)]
        segments.append(np.full(len(text) + 1, number))
    return np.concatenate(ids), np.concatenate(flags), np.concatenate(segments)


def sequences(
    frames: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], sample: Sample, masked: Masked | None
) -> list[Seq]:
    """Return a sequence for each frame; `masked` hides tokens of it."""
    if masked is None:
        return [Seq({"token": ids}, full_order(len(ids))) for ids, _, _ in frames]
    framed_sample = RecutSample(sample, [ids for ids, _, _ in frames], [flags for _, flags, _ in frames])
    return masked.example(framed_sample)["text"]


def joint_sequences(pairs: Sequence[Pair], sample: Sample, masked: Masked | None, term: str) -> list[Seq]:
    """Return one sequence per pair, with its label. Single texts are included only if tokens are masked."""
    labelled = [pair for pair in pairs if pair.label >= 0 or masked is not None]
    frames = [framed([t for t in (pair.first, pair.second) if t is not None], sample.vocabulary) for pair in labelled]
    made = sequences(frames, sample, masked)
    for seq, (_, _, segments), pair in zip(made, frames, labelled, strict=True):
        seq.inputs["segment"] = segments
        seq.sequence_labels[term] = pair.label
    return made


def separate_sequences(pairs: Sequence[Pair], sample: Sample, masked: Masked | None, term: str) -> list[Seq]:
    """Return two consecutive sequences per pair, the first of which has the label."""
    labelled = [pair for pair in pairs if pair.label >= 0 or masked is not None]
    listed = [(t, label) for p in labelled for t, label in ((p.first, p.label), (p.second, -1)) if t is not None]
    made = sequences([framed([text], sample.vocabulary) for text, _ in listed], sample, masked)
    for seq, (_, label) in zip(made, listed, strict=True):
        seq.sequence_labels[term] = label
    return made


class PairHead(nn.Module):
    """Classify two vectors u, v by [u, v, |u - v|, u v] (Conneau et al. 2017), a dense layer with tanh as in BERT, and
    a linear layer: [k, width] twice -> [k, 2]."""

    features = 4
    """How many vectors the dense layer reads."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        self.dense, self.out = nn.Linear(self.features * shape.width, shape.width), nn.Linear(shape.width, 2)
        nn.init.normal_(self.dense.weight, std=self.dense.in_features**-0.5)
        nn.init.normal_(self.out.weight, std=0.02)  # small, so that both classes start equally likely
        for layer in (self.dense, self.out):
            nn.init.zeros_(layer.bias)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        return self.out(torch.tanh(self.dense(torch.cat([u, v, (u - v).abs(), u * v], 1))))


class FirstTokenHead(PairHead):
    """Classify one vector as BERT does, by a dense layer with tanh (its pooler) and a linear layer: [k, width] ->
    [k, 2]."""

    features = 1

    def forward(self, first: Tensor) -> Tensor:  # type: ignore[override]
        return self.out(torch.tanh(self.dense(first)))


def joint_vectors(hidden: Tensor, text: Stream, at: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean hidden states of the two segments of the sequences `at` [k]: [k, width] twice.

    Positions of each segment attend to the other. Means, instead of the first position alone, also suit architectures
    with a short reach.
    """
    u, v = segment_pool(hidden, text)[at].unbind(1)
    return u, v


def separate_vectors(hidden: Tensor, text: Stream, at: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean hidden states of the sequences `at` [k] and of the one after each: [k, width] twice."""
    pooled = text.mean(hidden)
    return pooled[at], pooled[at + 1]


def first_vectors(hidden: Tensor, text: Stream, at: Tensor) -> tuple[Tensor]:
    """Return the hidden states of the first position of the sequences `at` [k]: [k, width]."""
    return (hidden[text.offsets[at]],)


Sides = Callable[[Tensor, Stream, Tensor], tuple[Tensor, ...]]


def pair_heads(shape: ModelShape, masked: Masked | None, classifier: type[PairHead] = PairHead) -> nn.ModuleDict:
    """Create the pair classifier and, if tokens are masked, the masked language modelling head."""
    heads: dict[str, nn.Module] = {"pair": classifier(shape)}
    return nn.ModuleDict(heads if masked is None else {**heads, "masked": MaskedHead(shape)})


def pair_losses(model: ModelAPI, head: Any, text: Stream, term: str, sides: Sides) -> dict[str, Tensor]:
    """Return the pair's term and the masked term, from one pass of the backbone."""
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
    """Return the share of each label, the accuracy (one value per pair) and that of the most frequent label."""
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
