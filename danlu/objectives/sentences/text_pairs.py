"""Text pairs with true or random second texts, their joint or separate encoding, and pair classifiers.

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
"""Number of special tokens of a pair in one sequence: [bos] A [eos] B [eos]."""

SINGLE_FRAME = 2
"""Number of special tokens of a single text: [bos] A [eos]."""

SINGLE_TOKEN_FLAGS = sum(FLAGS.values())
"""The flags of a token that is a word and a sentence by itself."""


def parse_masked(value: Any) -> Any:
    """Parse the setting `masked`: false or 0 means None, true the default settings, a number the rate."""
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
"""The type of the setting `masked` of objectives over text pairs."""


def pair_streams(term: str, masked: Masked | None, segments: bool) -> dict[str, StreamSpec]:
    """Return the stream of texts with the sequence label `term` and, if tokens are masked, their labels."""
    labels = {} if masked is None else masked.streams["text"].labels
    inputs = {"token": np.int64, **({"segment": np.int64} if segments else {})}
    return {"text": StreamSpec(inputs, labels, {term: np.int64})}


@dataclass(frozen=True)
class Pair:
    """A pair of texts, or a single text without a label."""

    first: Text
    second: Text | None = None  # None for a single text
    label: int = -1  # class of the pair; -1: none


class CustomPiecesSample(Sample):
    """A sample with given pieces instead of those of its window."""

    def __init__(self, sample: Sample, custom_pieces: Sequence[np.ndarray], flags: Sequence[np.ndarray]):
        self.rng, self.progress, self.vocabulary = sample.rng, sample.progress, sample.vocabulary
        self.original, self.custom_pieces, self.flags = sample, custom_pieces, flags

    def pieces(self, overlap: int = 0) -> list[np.ndarray]:
        return list(self.custom_pieces)

    def boundaries(self, overlap: int = 0) -> list[np.ndarray]:
        return list(self.flags)

    def another(self) -> Sample:
        return self.original.another()

    def row(self) -> Any:
        return self.original.row()


def truncate_pair(first: Text, second: Text, room: int) -> tuple[Text, Text]:
    """Truncate two texts at their outer ends to at most `room` tokens together, the longer one first."""
    half = room // 2
    a = min(len(first), max(half, room - len(second)))
    b = min(len(second), room - a)
    return first.cut(len(first) - a, len(first)), second.cut(0, b)


def draw_pairs(sample: Sample, cut: Cut, frame: int, bounds: bool) -> list[Pair]:
    """Cut each text of the unit in two, and replace the second part with another document's with probability 1/2.

    The replacement is the second part of a text of another unit, cut by the same rule. Both candidates are truncated to
    the length of the shorter one before one is chosen, so that neither length nor ending reveals the label. A text that
    cannot be cut becomes a single text.

    Args:
        sample: the unit.
        cut: cuts a text in two, or returns None.
        frame: number of special tokens of a pair.
        bounds: whether `cut` requires sentence boundaries.

    Raises:
        WrongInput: if there is no second document.
    """
    other = texts_of(sample.another(), bounds)
    room = unit_size(sample) - frame
    pairs = []
    for text in texts_of(sample, bounds):
        parts, negative = cut(text, sample.rng), second_part(other, cut, sample.rng)
        if parts is None or negative is None or room < 2:
            pairs.append(Pair(text.cut(0, unit_size(sample) - SINGLE_FRAME)))
            continue
        first, positive = parts
        length, label = min(len(positive), len(negative)), bool(sample.rng.random() < 0.5)
        second = (positive if label else negative).cut(0, length)
        pairs.append(Pair(*truncate_pair(first, second, room), int(label)))
    return [pair for pair in pairs if len(pair.first)]


def second_part(texts: Sequence[Text], cut: Cut, rng: np.random.Generator) -> Text | None:
    """Return the second part of a random one of the texts that can be cut; None if none can."""
    parts = [pair for pair in (cut(text, rng) for text in texts) if pair is not None]
    return parts[int(rng.integers(len(parts)))][1] if parts else None


def frame_texts(texts: Iterable[Text], vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids, flags and segments, [L] each, of [bos] A [eos] or [bos] A [eos] B [eos].

    A segment includes its [eos]; the first one also includes [bos].
    """
    ids, flags, segments = [np.array([vocabulary.bos])], [np.array([SINGLE_TOKEN_FLAGS], np.uint8)], [np.array([0])]
    for number, text in enumerate(texts):
        ids += [text.ids, np.array([vocabulary.eos])]
        flags += [text.flags, np.array([SINGLE_TOKEN_FLAGS], np.uint8)]
        segments.append(np.full(len(text) + 1, number))
    return np.concatenate(ids), np.concatenate(flags), np.concatenate(segments)


def sequences(
    frames: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], sample: Sample, masked: Masked | None
) -> list[Seq]:
    """Return one sequence for each (ids, flags, segments) of `frame_texts`, in which `masked` hides tokens."""
    if masked is None:
        return [Seq({"token": ids}, full_order(len(ids))) for ids, _, _ in frames]
    framed_sample = CustomPiecesSample(sample, [ids for ids, _, _ in frames], [flags for _, flags, _ in frames])
    return masked.example(framed_sample)["text"]


def joint_sequences(pairs: Sequence[Pair], sample: Sample, masked: Masked | None, term: str) -> list[Seq]:
    """Return one sequence with a label for each pair. Single texts are included only if tokens are masked."""
    used = [pair for pair in pairs if pair.label >= 0 or masked is not None]
    frames = [frame_texts([t for t in (pair.first, pair.second) if t is not None], sample.vocabulary) for pair in used]
    seqs = sequences(frames, sample, masked)
    for seq, (_, _, segments), pair in zip(seqs, frames, used, strict=True):
        seq.inputs["segment"] = segments
        seq.sequence_labels[term] = pair.label
    return seqs


def separate_sequences(pairs: Sequence[Pair], sample: Sample, masked: Masked | None, term: str) -> list[Seq]:
    """Return two consecutive sequences for each pair, the first of which has the label."""
    used = [pair for pair in pairs if pair.label >= 0 or masked is not None]
    texts = [(t, label) for p in used for t, label in ((p.first, p.label), (p.second, -1)) if t is not None]
    seqs = sequences([frame_texts([text], sample.vocabulary) for text, _ in texts], sample, masked)
    for seq, (_, label) in zip(seqs, texts, strict=True):
        seq.sequence_labels[term] = label
    return seqs


class PairHead(nn.Module):
    """Classify pairs of vectors u and v, [k, width] each -> [k, 2].

    The features are [u, v, |u - v|, u v] (Conneau et al. 2017), followed by a dense layer with tanh, as in BERT's
    pooler, and a linear layer.
    """

    features = 4
    """Number of vectors that the dense layer reads."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        self.dense, self.out = nn.Linear(self.features * shape.width, shape.width), nn.Linear(shape.width, 2)
        nn.init.normal_(self.dense.weight, std=self.dense.in_features**-0.5)
        nn.init.normal_(self.out.weight, std=0.02)  # small, so that both classes are about equally likely at first
        for layer in (self.dense, self.out):
            nn.init.zeros_(layer.bias)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        return self.out(torch.tanh(self.dense(torch.cat([u, v, (u - v).abs(), u * v], 1))))


class FirstTokenHead(PairHead):
    """Classify one vector as in BERT, by a pooler (dense, tanh) and a linear layer: [k, width] -> [k, 2]."""

    features = 1

    def forward(self, first: Tensor) -> Tensor:  # type: ignore[override]
        return self.out(torch.tanh(self.dense(first)))


def joint_vectors(hidden: Tensor, text: Stream, at: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean hidden states of both segments of the sequences `at` [k], [k, width] each.

    Means instead of the hidden state of the first position also suit architectures with a small receptive field.
    """
    u, v = segment_pool(hidden, text)[at].unbind(1)
    return u, v


def separate_vectors(hidden: Tensor, text: Stream, at: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean hidden states of the sequences `at` [k] and of the sequence after each, [k, width] each."""
    pooled = text.mean(hidden)
    return pooled[at], pooled[at + 1]


def first_vectors(hidden: Tensor, text: Stream, at: Tensor) -> tuple[Tensor]:
    """Return the hidden states of the first positions of the sequences `at` [k], [k, width]."""
    return (hidden[text.offsets[at]],)


Sides = Callable[[Tensor, Stream, Tensor], tuple[Tensor, ...]]
"""(hidden states [T, width], stream, indices of sequences [k]) -> inputs of a classifier, [k, width] each."""


def pair_heads(shape: ModelShape, masked: Masked | None, classifier: type[PairHead] = PairHead) -> nn.ModuleDict:
    """Create the pair classifier and, if tokens are masked, the masked language modelling head."""
    heads: dict[str, nn.Module] = {"pair": classifier(shape)}
    return nn.ModuleDict(heads if masked is None else {**heads, "masked": MaskedHead(shape)})


def pair_losses(model: ModelAPI, head: Any, text: Stream, term: str, sides: Sides) -> dict[str, Tensor]:
    """Return the summed losses of the pair classifier and, if tokens are masked, of masked language modelling."""
    hidden, label = model.hidden(text), text.sequence_labels[term]
    at = (label >= 0).nonzero().squeeze(1)
    losses = {term: model.class_loss(head["pair"](*sides(hidden, text, at)), label[at])}
    if "masked" in head:
        masked = (text.labels["masked"] >= 0).nonzero().squeeze(1)
        labels = text.labels["masked"][masked]
        losses["masked"] = model.token_loss(head["masked"](hidden[masked]), labels, LogitsFrom.OWN_HEAD)
    return losses


def pair_figures(
    model: ModelAPI, head: Any, batches: Iterable[Batch], term: str, sides: Sides, names: Sequence[str]
) -> dict[str, Any]:
    """Return the number of pairs, the share of each label, the accuracy (one value per pair) and its baseline.

    The baseline predicts the more frequent label. `names` are the names of the labels 0 and 1.
    """
    correct, labels = [np.zeros(0)], [np.zeros(0, np.int64)]
    for batch in batches:
        text = batch["text"]
        at = (text.sequence_labels[term] >= 0).nonzero().squeeze(1)
        label = text.sequence_labels[term][at]
        predicted = head(*sides(model.hidden(text), text, at)).argmax(1)
        correct.append((predicted == label).double().cpu().numpy())
        labels.append(label.cpu().numpy())
    all_labels = np.concatenate(labels)
    if not len(all_labels):
        return {"pairs": 0}
    shares = [float((all_labels == k).mean()) for k in range(len(names))]
    return {
        "pairs": len(all_labels),
        **{f"share {name}": share for name, share in zip(names, shares, strict=True)},
        "accuracy": np.concatenate(correct),
        "accuracy of the more frequent label": max(shares),
    }
