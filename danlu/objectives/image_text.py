"""Contrastive learning of images and captions (CLIP, Radford et al. 2021).

Shapes: N sequences of a stream, k images of a group, n images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt, field_validator, model_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, Stream, StreamSpec, full_order
from danlu.errors import WrongInput
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, Units, UnitSource
from danlu.objectives.patches import grey
from danlu.objectives.sentences.group_similarity import (
    Temperature,
    check_temperature,
    group_figures,
    group_loss,
    normalized,
)
from danlu.objectives.vision.digits import FEATURES, POSITIONS, digits, patches_of
from danlu.packing import pack
from danlu.registry import objectives
from danlu.text.digit_captions import captions

FRAME = 2
"""Special tokens of a caption: beginning and end of a text."""

SHOWN = 12
"""Number of held-out images shown with the caption predicted for each."""


@dataclass(frozen=True)
class ImageGroup:
    """A group of images of different digits, and the captions of all digits."""

    patches: np.ndarray  # [k, positions, features]
    digits: np.ndarray  # [k]
    captions: Sequence[Sequence[np.ndarray]]  # for each of the ten digits, token ids of its captions


def group_images(labels: np.ndarray, size: int) -> list[np.ndarray]:
    """Partition images into groups of at most `size` with different labels; returns the indices of each group.

    Each group takes the labels with most images left, so that groups stay as large as possible. Images left with a
    single label are in no group.
    """
    left = [list(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    groups = []
    while sum(map(bool, left)) > 1:
        fullest = sorted((own for own in left if own), key=len, reverse=True)[:size]
        groups.append(np.array([own.pop(0) for own in fullest]))
    return groups


@objectives.register
class ImageText(Objective):
    """Identify each image of a group by its caption, and each caption by its image.

    Images and captions go through the same backbone. A vector is the mean of the hidden states.
    """

    name: Literal["image_text"] = "image_text"
    group: PositiveInt = Field(default=10, ge=2, le=10, description="Number of images of different digits in a group.")
    templates: list[str] = Field(
        default_factory=list,
        description=(
            'Captions to use instead of the built-in ones, for example "a {english}", "数字{chinese}" or '
            '"{figure}". The built-in ones have separate wordings for validation and test.'
        ),
    )
    max_tokens: PositiveInt = Field(default=64, ge=FRAME + 1, description="Maximum tokens of a caption.")
    temperature: float = Field(
        default=0.07, gt=0, description="Divisor of the cosines; with `learned`, its initial value, at least 0.01."
    )
    learned: bool = Field(default=True, description="Whether the temperature is a trainable parameter.")

    _start = model_validator(mode="after")(check_temperature)

    streams: ClassVar[Mapping[str, StreamSpec]] = {
        "image": StreamSpec(inputs={"patch": (np.float32, (FEATURES,))}, sequence_labels={"match": np.int64}),
        "text": StreamSpec(sequence_labels={"match": np.int64}),
    }
    terms: ClassVar[tuple[str, ...]] = ("match",)
    class_labels: ClassVar[frozenset[str]] = frozenset({"match"})
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING

    @field_validator("templates")
    @classmethod
    def _fillable(cls, templates: list[str]) -> list[str]:
        for template in templates:
            try:
                made = captions("train", [template])
            except (KeyError, IndexError, ValueError):
                known = "{english}, {a}, {chinese} and {figure}"
                raise ValueError(f"{template!r} cannot be filled; what is filled in is {known}") from None
            if len({text for (text,) in made}) < len(made):
                raise ValueError(f"{template!r} does not say which digit it is; put {{english}} or {{figure}} into it")
        return templates

    def units(self, source: UnitSource, split: str) -> Units:
        found, texts = digits()[split], captions(split, self.templates)
        written = [source.encode(of_digit) for of_digit in texts]
        for digit, (own, ids) in enumerate(zip(texts, written, strict=True)):
            for text, tokens in zip(own, ids, strict=True):
                if len(tokens) + FRAME > self.max_tokens:
                    raise WrongInput(
                        f"image_text.max_tokens is {self.max_tokens}, and the caption {text!r} of {digit} has "
                        f"{len(tokens) + FRAME} tokens; set it higher, or learn a tokenizer with longer tokens"
                    )
        rows = [
            ImageGroup(patches_of(found.images[members]), found.labels[members], written)
            for members in group_images(found.labels, self.group)
        ]
        words = np.mean([len(ids) + FRAME for of_digit in written for ids in of_digit])
        images = np.mean([len(row.digits) for row in rows])
        return Units(rows, float(images * (POSITIONS + words)))

    def example(self, sample: Sample) -> Example:
        row: ImageGroup = sample.row()
        image, text = [], []
        turn = sample.rng.permutation(len(row.digits))
        for number, k in enumerate(turn):
            own = row.captions[int(row.digits[k])]
            ids = framed(own[int(sample.rng.integers(len(own)))], sample.vocabulary)
            order = full_order(len(row.patches[k]))
            image.append(Seq({"patch": row.patches[k]}, order, sequence_labels={"match": number}))
            text.append(Seq({"token": ids}, full_order(len(ids)), sequence_labels={"match": number}))
        return {"image": image, "text": text}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.ModuleDict({"temperature": Temperature(self.temperature, self.learned)})

    def sides(self, model: ModelAPI, batch: Batch) -> tuple[tuple[Stream, Tensor], tuple[Stream, Tensor]]:
        """Return images and captions, each a stream and its unit vectors [N, width]."""
        for stream in batch.streams.values():
            if max(stream.lengths, default=0) > model.context:
                raise WrongInput(
                    f"image_text makes sequences of {max(stream.lengths)} positions and the model has {model.context}; "
                    f"set architecture.context to {max(stream.lengths)}"
                )
        image, text = ((s, vectors(model, s)) for s in (batch["image"], batch["text"]))
        return image, text

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        image, text = self.sides(model, batch)
        scale = head["temperature"]()
        forward = group_loss(model, image, text, "match", scale)
        return {"match": forward + group_loss(model, text, image, "match", scale)}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Judge the model on held-out images and wordings.

        Found in group is the share of images whose own caption has the highest cosine of the group. Zero-shot accuracy
        is the share of images whose digit, among ten, has the nearest mean caption vector; no classifier is trained.
        """
        classes = self.class_vectors(model, source)
        in_groups = group_figures((self.sides(model, batch) for batch in batches), "match")
        held_out = digits()["test"]
        named = nearest_class(model, held_out.images, classes)
        drawn = zip(held_out.images[:SHOWN], named[:SHOWN], strict=True)
        return {
            "figures": {
                **in_groups,
                "zero-shot accuracy": (named == held_out.labels).astype(np.float64),
                "zero-shot accuracy by chance": 1 / len(classes),
            },
            "pictures": [
                {"title": captions("test", self.templates)[digit][0], "rows": grey(image)} for image, digit in drawn
            ],
        }

    def class_vectors(self, model: ModelAPI, source: UnitSource) -> Tensor:
        """Return the normalised mean vector of the held-out captions of each digit, [10, width]."""
        found = []
        for own in captions("test", self.templates):
            seqs = []
            for ids in source.encode(own):
                whole = framed(ids, source.vocabulary)
                seqs.append(Seq({"token": whole}, full_order(len(whole))))
            found.append(vectors(model, stream_of("text", seqs, model)).mean(0))
        return normalized(torch.stack(found))


def framed(ids: np.ndarray, vocabulary: Any) -> np.ndarray:
    """Return a caption between the beginning and end tokens of a text."""
    return np.concatenate([[vocabulary.bos], ids, [vocabulary.eos]])


def vectors(model: ModelAPI, stream: Stream) -> Tensor:
    """Return unit vectors [N, width] of a stream."""
    return normalized(stream.mean(model.hidden(stream)))


def stream_of(name: str, seqs: list[Seq], model: Any) -> Stream:
    """Return sequences as a stream on the model's device."""
    return pack([{name: seqs}], {name: ImageText.streams[name]})[name].to(model.device)


def nearest_class(model: ModelAPI, images: np.ndarray, classes: Tensor) -> np.ndarray:
    """Return the class indices [n] of images [n, 8, 8]."""
    found = []
    for start in range(0, len(images), 64):
        seqs = [Seq({"patch": p}, full_order(len(p))) for p in patches_of(images[start : start + 64])]
        found.append((vectors(model, stream_of("image", seqs, model)) @ classes.T).argmax(1).cpu().numpy())
    return np.concatenate(found)
