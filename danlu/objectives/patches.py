"""Masked autoencoding of images and sounds: predict hidden patches or frames from the visible ones.

After He et al. (2022), without their asymmetric encoder, and Baevski et al. (2022), without their teacher.

Shapes: T positions of a stream, k hidden patches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec, full_order, has_target
from danlu.errors import WrongInput
from danlu.objective import ModelAPI, ModelShape, Objective, Sample, Units, UnitSource
from danlu.objectives.vision.patch_baselines import PatchBaselines
from danlu.objectives.vision.patch_sources import PatchData, features_of, read_patches
from danlu.registry import objectives

SHOWN_IMAGES = 3
"""Number of held-out images that are shown."""

NUM_COORDINATES = 2
"""Number of coordinates appended to each patch: row and column."""


class PatchHead(nn.Module):
    """A trainable vector that replaces hidden patches, and a linear map from hidden states [T, width] to patches."""

    def __init__(self, width: int, features: int):
        super().__init__()
        self.mask = nn.Parameter(torch.randn(features))  # not zeros, since those are a black patch
        self.output = nn.Linear(width, features)

    def forward(self, hidden: Tensor) -> Tensor:
        predicted = self.output(hidden)
        return predicted.to(torch.promote_types(predicted.dtype, torch.float32))


@objectives.register
class Patches(Objective):
    """Hide patches of each image (frames of each sound) and predict them by squared error.

    Values of patches are in [0, 1]. The row and column, in [-1, 1], are appended to each patch, since a network with
    relative positions only could not distinguish the middle of an image from its edge.
    """

    name: Literal["patches"] = "patches"
    data: str = Field(
        default="builtin:digits",
        description=(
            "`builtin:digits` (images), `builtin:tones` (sounds), or a .npz file with the arrays train, "
            "validation and test, each [n, positions, features]."
        ),
    )
    rate: float = Field(default=0.5, gt=0, lt=1, description="Share of positions that are hidden.")
    span: PositiveInt = Field(
        default=1,
        description=("Number of consecutive positions that are hidden together, for data with similar neighbours."),
    )
    features: int = Field(default=0, ge=0, description="Number of values per patch; 0 to take it from the data.")

    terms: ClassVar[tuple[str, ...]] = ("patch",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False

    @property
    def files(self) -> tuple[Path, ...]:
        return () if self.data.startswith("builtin:") else (Path(self.data),)

    @model_validator(mode="before")
    @classmethod
    def _add_features(cls, data: Any) -> Any:
        """Determine `features` from the data unless it is given, as in the settings of a saved model."""
        source = data.get("data", cls.model_fields["data"].default) if isinstance(data, dict) else None
        if not isinstance(source, str) or data.get("features"):
            return data
        try:
            return data | {"features": features_of(source)}
        except WrongInput as error:
            raise ValueError(str(error)) from None

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        inputs = {"patch": (np.float32, (self.features + NUM_COORDINATES,))}
        return {"image": StreamSpec(inputs=inputs, labels={"patch": (np.float32, (self.features,))})}

    def read(self) -> PatchData:
        """Read the data; WrongInput if the size of its patches is not `features`."""
        data = read_patches(self.data)
        if (size := data.splits["train"].shape[2]) != self.features:
            raise WrongInput(f"{self.data} has patches of {size} values, not {self.features}; leave out features")
        return data

    def units(self, source: UnitSource, split: str) -> Units:
        data = self.read()
        images, places = data.splits[split], scale_places(data.places)
        return Units([np.concatenate([image, places], 1) for image in images], float(images.shape[1]))

    def example(self, sample: Sample) -> Example:
        image, place = np.split(sample.row(), [self.features], axis=1)
        hidden = self.choose_hidden(len(image), sample.rng)[:, None]
        visible = np.concatenate([np.where(hidden, 0, image), place], 1)
        labels = {"patch": np.where(hidden, image, np.nan)}
        return {"image": [Seq({"patch": visible}, full_order(len(image)), labels=labels)]}

    def choose_hidden(self, positions: int, rng: np.random.Generator) -> np.ndarray:
        """Choose hidden positions, booleans [positions]: the share `rate`, at least one hidden and one visible."""
        count = min(max(1, round(self.rate * positions)), positions - 1)
        span = (np.arange(positions) + rng.integers(self.span)) // self.span
        rank = rng.permutation(int(span[-1]) + 1)[span]
        hidden = np.zeros(positions, bool)
        hidden[np.argsort(rank, kind="stable")[:count]] = True
        return hidden

    def build_head(self, shape: ModelShape) -> nn.Module:
        return PatchHead(shape.width, self.features)

    def predict(self, model: ModelAPI, head: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the indices of hidden patches [k] and the predictions [k, features], in float32 or wider."""
        image = batch["image"]
        if max(image.lengths, default=0) > model.context:
            raise WrongInput(
                f"an image of {self.data} has {max(image.lengths)} positions, but the model's context is "
                f"{model.context}; set architecture.context to {max(image.lengths)}"
            )
        hidden = has_target(image.labels["patch"]).any(1)
        values, place = image.inputs["patch"].to(head.mask.dtype).split([self.features, NUM_COORDINATES], 1)
        patch = torch.cat([torch.where(hidden[:, None], head.mask, values), place], 1)
        states = model.hidden(image, patch=patch)
        at = hidden.nonzero().squeeze(1)
        return at, head(states[at])

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        at, predicted = self.predict(model, head, batch)
        return {"patch": (predicted - batch["image"].labels["patch"][at]).square().sum()}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Measure the mean squared error per image, with baselines without a network; show some images."""
        data = self.read()
        baselines = PatchBaselines.fit(data.splits["train"], data.places)
        errors: dict[str, list[float]] = {}
        pictures: list[dict[str, Any]] = []
        for number, (image, hidden, predicted) in enumerate(self.predictions_per_image(model, head, batches)):
            for name, values in ({"model": predicted} | baselines.predictions(image, hidden)).items():
                errors.setdefault(name, []).append(float(np.square(values - image[hidden]).mean()))
            if number < SHOWN_IMAGES:
                pictures += three_pictures(data, number + 1, image, hidden, predicted)
        figures = {f"squared error, {name}": np.array(values) for name, values in errors.items()}
        best = min((name for name in errors if name != "model"), key=lambda name: float(np.mean(errors[name])))
        gained = np.array(errors[best]) - np.array(errors["model"])
        return {"figures": figures | {f"less error than {best}": gained}, "pictures": pictures}

    def predictions_per_image(
        self, model: ModelAPI, head: Any, batches: Iterable[Batch]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield each image [positions, features], booleans of hidden positions, and the predictions [k, features]."""
        for batch in batches:
            stream = batch["image"]
            at, predicted = self.predict(model, head, batch)
            labels = stream.labels["patch"]
            images = torch.where(labels.isnan(), stream.inputs["patch"][:, : self.features], labels).cpu().numpy()
            filled = torch.zeros_like(labels).index_copy(0, at, predicted.to(labels.dtype)).cpu().numpy()
            hidden = has_target(labels).any(1).cpu().numpy()
            start = 0
            for length in stream.lengths:
                here = slice(start, start + length)
                yield images[here], hidden[here], filled[here][hidden[here]]
                start += length


def scale_places(places: np.ndarray) -> np.ndarray:
    """Scale rows and columns [positions, 2] to [-1, 1], float32; a single row or column becomes 0."""
    largest = places.max(0)
    return np.where(largest, 2 * places / np.maximum(largest, 1) - 1, 0).astype(np.float32)


def three_pictures(
    data: PatchData, number: int, image: np.ndarray, hidden: np.ndarray, predicted: np.ndarray
) -> list[dict[str, Any]]:
    """Return pictures of an image, of its visible patches, and of the image with predicted patches."""
    visible, completed = image.copy(), image.copy()
    visible[hidden], completed[hidden] = np.nan, predicted
    titles = {"original": image, "visible patches": visible, "with predicted patches": completed}
    return [
        {"title": f"{number}: {title}", "rows": grey_levels(data.picture(values))} for title, values in titles.items()
    ]


def grey_levels(picture: np.ndarray) -> list[list[float | None]]:
    """Return a picture [rows, columns] as grey levels in [0, 1] with three decimals; None for NaN."""
    return [[None if np.isnan(x) else round(float(np.clip(x, 0, 1)), 3) for x in row] for row in picture]
