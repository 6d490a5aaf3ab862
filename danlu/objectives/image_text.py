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
from danlu.objectives.patches import grey_levels
from danlu.objectives.sentences.group_similarity import (
    Temperature,
    check_temperature,
    group_figures,
    group_loss,
    normalise,
)
from danlu.objectives.vision.digits import FEATURES, POSITIONS, digits, patches_of
from danlu.packing import pack
from danlu.registry import objectives
from danlu.text.digit_captions import captions

FRAME = 2
"""Number of special tokens of a caption: bos and eos."""

SHOWN_IMAGES = 12
"""Number of held-out images that are shown with their predicted captions."""


@dataclass(frozen=True)
class ImageGroup:
    """A group of images of different digits, and the captions of all digits."""

    patches: np.ndarray  # [k, positions, features]
    digits: np.ndarray  # [k]
    captions: Sequence[Sequence[np.ndarray]]  # token ids of the captions of each of the ten digits


def group_images(labels: np.ndarray, size: int) -> list[np.ndarray]:
    """Partition images into groups of at most `size` with different labels; return the indices of each group.

    Each group takes images of the labels with the most remaining images, so that groups are as large as possible.
    Remaining images that all have the same label are in no group.
    """
    remaining = [list(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    groups = []
    while sum(map(bool, remaining)) > 1:
        largest = sorted((indices for indices in remaining if indices), key=len, reverse=True)[:size]
        groups.append(np.array([indices.pop(0) for indices in largest]))
    return groups


@objectives.register
class ImageText(Objective):
    """Match each image of a group with its caption, and each caption with its image.

    The same backbone encodes images and captions; the embedding of either is the mean of its hidden states.
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
                filled = captions("train", [template])
            except (KeyError, IndexError, ValueError):
                known = "{english}, {a}, {chinese} and {figure}"
                raise ValueError(f"{template!r} cannot be filled in; the known placeholders are {known}") from None
            if len({text for (text,) in filled}) < len(filled):
                raise ValueError(f"{template!r} does not say which digit it is; put {{english}} or {{figure}} into it")
        return templates

    def units(self, source: UnitSource, split: str) -> Units:
        data, texts = digits()[split], captions(split, self.templates)
        encoded = [source.encode(digit_texts) for digit_texts in texts]
        for digit, (digit_texts, digit_ids) in enumerate(zip(texts, encoded, strict=True)):
            for text, ids in zip(digit_texts, digit_ids, strict=True):
                if len(ids) + FRAME > self.max_tokens:
                    raise WrongInput(
                        f"image_text.max_tokens is {self.max_tokens}, but the caption {text!r} of {digit} has "
                        f"{len(ids) + FRAME} tokens; raise it, or train a tokenizer with longer tokens"
                    )
        rows = [
            ImageGroup(patches_of(data.images[members]), data.labels[members], encoded)
            for members in group_images(data.labels, self.group)
        ]
        caption_tokens = np.mean([len(ids) + FRAME for digit_ids in encoded for ids in digit_ids])
        images = np.mean([len(row.digits) for row in rows])
        return Units(rows, float(images * (POSITIONS + caption_tokens)))

    def example(self, sample: Sample) -> Example:
        row: ImageGroup = sample.row()
        image, text = [], []
        for number, k in enumerate(sample.rng.permutation(len(row.digits))):
            digit_captions = row.captions[int(row.digits[k])]
            caption = digit_captions[int(sample.rng.integers(len(digit_captions)))]
            ids = frame_caption(caption, sample.vocabulary)
            order = full_order(len(row.patches[k]))
            image.append(Seq({"patch": row.patches[k]}, order, sequence_labels={"match": number}))
            text.append(Seq({"token": ids}, full_order(len(ids)), sequence_labels={"match": number}))
        return {"image": image, "text": text}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.ModuleDict({"temperature": Temperature(self.temperature, self.learned)})

    def sides(self, model: ModelAPI, batch: Batch) -> tuple[tuple[Stream, Tensor], tuple[Stream, Tensor]]:
        """Return images and captions, each as a stream and its normalised embeddings [N, width]."""
        for stream in batch.streams.values():
            if max(stream.lengths, default=0) > model.context:
                raise WrongInput(
                    f"image_text has sequences of {max(stream.lengths)} positions, but the model's context is "
                    f"{model.context}; set architecture.context to {max(stream.lengths)}"
                )
        image, text = ((s, vectors(model, s)) for s in (batch["image"], batch["text"]))
        return image, text

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        image, text = self.sides(model, batch)
        scale = head["temperature"]()
        forward = group_loss(model, image, text, "match", scale)
        return {"match": forward + group_loss(model, text, image, "match", scale)}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Evaluate the model on held-out images and captions.

        "found in group" is the share of images whose own caption has the highest cosine in the group. Zero-shot
        accuracy is the share of images whose digit, among ten, has the nearest mean caption embedding; no classifier
        is trained.
        """
        classes = self.class_vectors(model, source)
        in_groups = group_figures((self.sides(model, batch) for batch in batches), "match")
        held_out = digits()["test"]
        predicted = nearest_class(model, held_out.images, classes)
        shown = zip(held_out.images[:SHOWN_IMAGES], predicted[:SHOWN_IMAGES], strict=True)
        names = [digit_captions[0] for digit_captions in captions("test", self.templates)]
        return {
            "figures": {
                **in_groups,
                "zero-shot accuracy": (predicted == held_out.labels).astype(np.float64),
                "zero-shot accuracy by chance": 1 / len(classes),
            },
            "pictures": [{"title": names[digit], "rows": grey_levels(image)} for image, digit in shown],
        }

    def class_vectors(self, model: ModelAPI, source: UnitSource) -> Tensor:
        """Return the normalised mean embedding of the held-out captions of each digit, [10, width]."""
        means = []
        for digit_captions in captions("test", self.templates):
            seqs = []
            for ids in source.encode(digit_captions):
                framed = frame_caption(ids, source.vocabulary)
                seqs.append(Seq({"token": framed}, full_order(len(framed))))
            means.append(vectors(model, build_stream("text", seqs, model)).mean(0))
        return normalise(torch.stack(means))


def frame_caption(ids: np.ndarray, vocabulary: Any) -> np.ndarray:
    """Return the token ids of a caption between bos and eos."""
    return np.concatenate([[vocabulary.bos], ids, [vocabulary.eos]])


def vectors(model: ModelAPI, stream: Stream) -> Tensor:
    """Return the normalised embeddings [N, width] of the sequences of a stream."""
    return normalise(stream.mean(model.hidden(stream)))


def build_stream(name: str, seqs: list[Seq], model: Any) -> Stream:
    """Return a stream of the given sequences on the model's device."""
    return pack([{name: seqs}], {name: ImageText.streams[name]})[name].to(model.device)


def nearest_class(model: ModelAPI, images: np.ndarray, classes: Tensor) -> np.ndarray:
    """Return the class [n] whose vector has the highest cosine with each image.

    Args:
        model: the model.
        images: [n, 8, 8].
        classes: normalised vectors [classes, width].
    """
    predicted = []
    for start in range(0, len(images), 64):
        seqs = [Seq({"patch": p}, full_order(len(p))) for p in patches_of(images[start : start + 64])]
        predicted.append((vectors(model, build_stream("image", seqs, model)) @ classes.T).argmax(1).cpu().numpy())
    return np.concatenate(predicted)
