"""Masked autoencoding of what is no text: hidden patches of an image or frames of a sound, from those that are shown
(He et al. 2022; Baevski et al. 2022, here without their smaller encoder or teacher)."""

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
from danlu.objectives.vision.patch_baselines import PatchControls
from danlu.objectives.vision.patch_sources import PatchData, features_of, read_patches
from danlu.registry import objectives

SHOWN = 3
"""Held-out images that are drawn."""

PLACE = 2
"""Numbers beside those of a patch that say where it stands: row and column."""


class PatchHead(nn.Module):
    """What stands where a patch is hidden, learnt, and a linear map from hidden states [T, width] to patches."""

    def __init__(self, width: int, features: int):
        super().__init__()
        self.mask = nn.Parameter(torch.randn(features))  # not zeros, which are what a black patch looks like
        self.output = nn.Linear(width, features)

    def forward(self, hidden: Tensor) -> Tensor:
        made = self.output(hidden)
        return made.to(torch.promote_types(made.dtype, torch.float32))


@objectives.register
class Patches(Objective):
    """Hide a share of the patches of each image (of the frames of each sound) and make them again; the loss is the
    squared error of each hidden number, which lie in 0..1.

    data: `builtin:digits` (images), `builtin:tones` (sounds), or a .npz of your own with the arrays train, validation
    and test of [n, positions, features]. rate: share of the positions that is hidden. span: so many neighbours are
    hidden together, for data in which neighbours are nearly the same. features: numbers in a patch; read from the data.

    With its numbers each patch has its row and its column, from -1 to 1: a network that only knows how far apart
    positions are could not tell the middle of an image from its edge.
    """

    name: Literal["patches"] = "patches"
    data: str = "builtin:digits"
    rate: float = Field(default=0.5, gt=0, lt=1)
    span: PositiveInt = 1
    features: int = Field(default=0, ge=0)

    terms: ClassVar[tuple[str, ...]] = ("patch",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False

    @property
    def files(self) -> tuple[Path, ...]:
        return () if self.data.startswith("builtin:") else (Path(self.data),)

    @model_validator(mode="before")
    @classmethod
    def _sized(cls, data: Any) -> Any:
        """A saved model says its features itself, so that it can be used where the data is not."""
        source = data.get("data", cls.model_fields["data"].default) if isinstance(data, dict) else None
        if not isinstance(source, str) or data.get("features"):
            return data
        try:
            return data | {"features": features_of(source)}
        except WrongInput as error:
            raise ValueError(str(error)) from None

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        inputs = {"patch": (np.float32, (self.features + PLACE,))}
        return {"image": StreamSpec(inputs=inputs, labels={"patch": (np.float32, (self.features,))})}

    def read(self) -> PatchData:
        found = read_patches(self.data)
        if (held := found.splits["train"].shape[2]) != self.features:
            raise WrongInput(f"{self.data} has patches of {held} numbers, not {self.features}; leave out features")
        return found

    def units(self, source: UnitSource, split: str) -> Units:
        data = self.read()
        images, places = data.splits[split], spread(data.places)
        return Units([np.concatenate([image, places], 1) for image in images], float(images.shape[1]))

    def example(self, sample: Sample) -> Example:
        image, place = np.split(sample.row(), [self.features], axis=1)
        hidden = self.hidden(len(image), sample.rng)[:, None]
        shown = np.concatenate([np.where(hidden, 0, image), place], 1)
        labels = {"patch": np.where(hidden, image, np.nan)}
        return {"image": [Seq({"patch": shown}, full_order(len(image)), labels=labels)]}

    def hidden(self, positions: int, rng: np.random.Generator) -> np.ndarray:
        """[positions] booleans, the share `rate` of them, but at least one hidden and one shown."""
        wanted = min(max(1, round(self.rate * positions)), positions - 1)
        span = (np.arange(positions) + rng.integers(self.span)) // self.span
        turn = rng.permutation(int(span[-1]) + 1)[span]
        found = np.zeros(positions, bool)
        found[np.argsort(turn, kind="stable")[:wanted]] = True
        return found

    def build_head(self, shape: ModelShape) -> nn.Module:
        return PatchHead(shape.width, self.features)

    def made(self, model: ModelAPI, head: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Positions with a hidden patch [k] and what the model makes of them [k, features], in float32 or wider."""
        image = batch["image"]
        if max(image.lengths, default=0) > model.context:
            raise WrongInput(
                f"an image of {self.data} has {max(image.lengths)} positions and the model {model.context}; "
                f"set architecture.context to {max(image.lengths)}"
            )
        hidden = has_target(image.labels["patch"]).any(1)
        shown, place = image.inputs["patch"].to(head.mask.dtype).split([self.features, PLACE], 1)
        patch = torch.cat([torch.where(hidden[:, None], head.mask, shown), place], 1)
        states = model.hidden(image, patch=patch)
        at = hidden.nonzero().squeeze(1)
        return at, head(states[at])

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        at, made = self.made(model, head, batch)
        return {"patch": (made - batch["image"].labels["patch"][at]).square().sum()}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """The squared error of a hidden number, the mean of each image, beside predictions without a network; and
        some images: as they are, as they were shown, as they were made."""
        data = self.read()
        controls = PatchControls.fit(data.splits["train"], data.places)
        errors: dict[str, list[float]] = {}
        pictures: list[dict[str, Any]] = []
        for number, (image, hidden, made) in enumerate(self.whole(model, head, batches)):
            for name, guess in ({"model": made} | controls.predictions(image, hidden)).items():
                errors.setdefault(name, []).append(float(np.square(guess - image[hidden]).mean()))
            if number < SHOWN:
                pictures += three_pictures(data, number + 1, image, hidden, made)
        figures = {f"squared error, {name}": np.array(found) for name, found in errors.items()}
        best = min((name for name in errors if name != "model"), key=lambda name: float(np.mean(errors[name])))
        gained = np.array(errors[best]) - np.array(errors["model"])
        return {"figures": figures | {f"less error than {best}": gained}, "pictures": pictures}

    def whole(
        self, model: ModelAPI, head: Any, batches: Iterable[Batch]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Each image [positions, features], where it was hidden [positions], what was made there [k, features]."""
        for batch in batches:
            stream = batch["image"]
            at, made = self.made(model, head, batch)
            labels = stream.labels["patch"]
            images = torch.where(labels.isnan(), stream.inputs["patch"][:, : self.features], labels).cpu().numpy()
            filled = torch.zeros_like(labels).index_copy(0, at, made.to(labels.dtype)).cpu().numpy()
            hidden = has_target(labels).any(1).cpu().numpy()
            start = 0
            for length in stream.lengths:
                here = slice(start, start + length)
                yield images[here], hidden[here], filled[here][hidden[here]]
                start += length


def spread(places: np.ndarray) -> np.ndarray:
    """[positions, PLACE] float32: rows and columns brought to -1..1; 0 where there is only one."""
    most = places.max(0)
    return np.where(most, 2 * places / np.maximum(most, 1) - 1, 0).astype(np.float32)


def three_pictures(
    data: PatchData, number: int, image: np.ndarray, hidden: np.ndarray, made: np.ndarray
) -> list[dict[str, Any]]:
    """An image, what was shown of it (None where it was hidden), and with what was made."""
    shown, whole = image.copy(), image.copy()
    shown[hidden], whole[hidden] = np.nan, made
    titles = {"as it is": image, "as shown": shown, "as made": whole}
    return [{"title": f"{number}: {title}", "rows": grey(data.picture(values))} for title, values in titles.items()]


def grey(picture: np.ndarray) -> list[list[float | None]]:
    """Levels in 0..1 of three digits; None for what is no number."""
    return [[None if np.isnan(x) else round(float(np.clip(x, 0, 1)), 3) for x in row] for row in picture]
