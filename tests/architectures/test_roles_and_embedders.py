"""The roles of a model and the embedders of its inputs."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from danlu.architectures import build_network
from danlu.batch import Seq, StreamSpec, full_order
from danlu.errors import WrongInput
from danlu.objective import Objective
from danlu.packing import pack
from danlu.registry import architectures

FIELDS = {
    "image": StreamSpec({"patch": (np.float64, (3,))}, {"shade": (np.float64, (3,))}),
    "text": StreamSpec({"token": np.int64, "segment": np.int64, "ignored": np.float64}),
}


class Images(Objective):
    """A minimal objective over patches and tokens."""

    name: str = "images"
    terms: ClassVar = ("shade",)
    streams: ClassVar = FIELDS
    continues_text: ClassVar = False
    needs: ClassVar = {"backbone": frozenset({"full"})}

    def example(self, sample):
        return {}

    def losses(self, model, head, batch):
        return {}

    def build_head(self, shape):
        return nn.Linear(shape.width, 3)


class Rewriting(Images):
    name: str = "rewriting"
    needs: ClassVar = {"backbone": frozenset({"full"}), "decoder": frozenset({"causal"})}


def small(name="transformer", **settings):
    shape = {"layers": 1, "width": 16, "context": 8} | ({"heads": 2} if name == "transformer" else {})
    return architectures.validate({"name": name, **shape, **settings})


def test_a_stream_is_embedded_as_the_sum_of_its_inputs():
    model = build_network(Images(), small(), 10, seed=0)
    assert set(model.embeddings) == {"patch", "token", "segment"}
    patches = np.arange(6.0).reshape(2, 3)
    example = {
        "image": [Seq({"patch": patches}, full_order(2))],
        "text": [Seq({"token": [4, 5], "segment": [0, 1], "ignored": [0.5, 0.5]}, full_order(2))],
    }
    batch = pack([example], FIELDS)
    tables = model.embeddings
    seen = tables["patch"](torch.from_numpy(patches)) + tables["segment"](torch.tensor([0, 0]))
    torch.testing.assert_close(model.embed(batch["image"]), seen)
    read = tables["token"](torch.tensor([4, 5])) + tables["segment"](torch.tensor([0, 1]))
    torch.testing.assert_close(model.embed(batch["text"]), read)


def test_different_patches_have_different_initial_vectors():
    """Regression: torch's default bias dominated the patches; all images looked alike, and contrastive training
    stalled."""

    class Squares(Images):
        streams: ClassVar = {"image": StreamSpec({"patch": (np.float32, (4,))})}

    objective = Squares()
    model = build_network(objective, small(), 10, seed=0)
    patches = torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    seen = model.embeddings["patch"](patches)
    assert seen.std(0).norm() > 0.3 * seen.norm(dim=1).mean()


def test_an_additional_backbone_has_the_same_settings():
    shape = build_network(Images(), small(), 10, seed=0).shape(small(heads=4, norm="layer"))
    other = shape.backbone(layers=3)
    assert len(other.blocks) == 3
    assert other.settings.norm == "layer"


def test_an_architecture_without_the_needed_decoder_is_refused():
    with pytest.raises(WrongInput, match="rewriting needs a decoder with causal attention; convolutional has none"):
        build_network(Rewriting(), small("convolutional", reach="centred", kernel=3), 10, seed=0)


@pytest.mark.parametrize("segments", [0, 1, 2, 3])
def test_the_segment_table_covers_the_segments_of_the_objective(segments):
    """RoBERTa's table has one row; the second segment of a pair must not be out of range."""
    model = build_network(Images(), small(segments=segments), 10, seed=0)
    assert len(model.embeddings["segment"].weight) == max(2, segments)
