"""Masked patches: what is hidden, where images and sounds come from, and predictions of model and baselines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_language import VOCABULARY, ToySource

from danlu.architectures import build_network
from danlu.errors import WrongInput
from danlu.objectives.patches import Patches
from danlu.objectives.vision import digits, tones
from danlu.objectives.vision.patch_baselines import PatchBaselines
from danlu.objectives.vision.patch_sources import read_patches, row_places
from danlu.packing import pack
from danlu.registry import architectures, objectives
from danlu.text.split import SPLITS
from danlu.training.samples import RowSamples

SMALL = {"name": "transformer", "layers": 1, "width": 16, "heads": 2, "context": 16, "positions": "learned"}


def arrays(n=6, positions=5, features=3):
    rng = np.random.default_rng(n)
    return {split: rng.normal(size=(n, positions, features)) for split in SPLITS}


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays())
    return str(path)


def draws_of(objective, tmp_path, split="train"):
    made = objective.units(ToySource(tmp_path), split)
    return RowSamples(made.rows, made.tokens_per_unit, VOCABULARY, seed=0)


def batch_of(objective, draws, count):
    return pack([objective.example(draws.draw(n, 0.0)) for n in range(count)], objective.streams)


@given(st.integers(2, 40), st.floats(0.01, 0.99), st.integers(1, 9), st.integers(0, 99))
def test_the_configured_share_is_hidden_and_one_position_shown(positions, rate, span, seed):
    hidden = Patches(rate=rate, span=span).choose_hidden(positions, np.random.default_rng(seed))
    assert hidden.sum() == min(max(1, round(rate * positions)), positions - 1)
    if span > 1 and hidden.sum() > 1:  # whole spans except the last, so few boundaries
        num_spans = hidden[0] + np.count_nonzero(np.diff(hidden.astype(int)) == 1)
        assert num_spans <= hidden.sum() // span + 3


def test_hidden_patches_are_targets_and_not_inputs(tmp_path):
    objective = Patches(rate=0.25)
    draws = draws_of(objective, tmp_path)
    (seq,) = objective.example(draws.draw(3, 0.0))["image"]
    hidden = ~np.isnan(seq.labels["patch"]).any(1)
    assert hidden.sum() == 4
    shown, place = seq.inputs["patch"][:, :4], seq.inputs["patch"][:, 4:]
    assert not shown[hidden].any()
    assert place[[0, 3, 15]].tolist() == [[-1, -1], [-1, 1], [1, 1]]
    assert np.isnan(seq.labels["patch"][~hidden]).all()
    whole = np.where(hidden[:, None], seq.labels["patch"], shown)
    assert any(np.array_equal(whole, row[:, :4]) for row in draws.rows)


def test_the_loss_is_the_squared_error_of_hidden_values(tmp_path):
    objective = Patches()
    batch = batch_of(objective, draws_of(objective, tmp_path), 5)
    model = build_network(objective, architectures.validate(SMALL), VOCABULARY.size, seed=0)
    with torch.no_grad():
        model.head.output.weight.zero_()
        model.head.output.bias.fill_(0.25)
        labels = batch["image"].labels["patch"]
        expected = (labels[~labels.isnan()] - 0.25).square().sum()
        assert float(model(batch)["patch"]) == pytest.approx(float(expected), rel=1e-6)


def test_hidden_patches_are_replaced_by_a_learned_vector(tmp_path):
    """A black patch and a hidden one are both zeros in the data; the model must distinguish them."""
    objective = Patches()
    batch = batch_of(objective, draws_of(objective, tmp_path), 2)
    model = build_network(objective, architectures.validate(SMALL), VOCABULARY.size, seed=0)
    with torch.no_grad():
        before = objective.predict(model, model.head, batch)[1]
        model.head.mask.fill_(1.0)
        assert not torch.equal(objective.predict(model, model.head, batch)[1], before)


def test_digits_are_split_without_duplicates_and_cut_into_squares():
    found = digits.digits()
    assert sum(len(split.images) for split in found.values()) == 1797
    seen = [{image.tobytes() for image in found[split].images} for split in SPLITS]
    assert not any(seen[a] & seen[b] for a, b in ((0, 1), (0, 2), (1, 2)))
    assert all(set(split.labels) == set(range(10)) for split in found.values())
    images = np.arange(128.0).reshape(2, 8, 8)
    cut = digits.patches_of(images)
    assert cut[0, 0].tolist() == [0, 1, 8, 9]
    assert cut[0, 5].tolist() == [18, 19, 26, 27]
    assert np.array_equal(digits.image_of(cut[1]), images[1])


def test_sounds_are_reproducible_and_tones_have_their_frequency():
    assert np.array_equal(tones.sound("test", 7), tones.sound("test", 7))
    assert not np.array_equal(tones.sound("test", 7), tones.sound("train", 7))
    for number in range(6):
        drawn = tones.spectrogram(tones.sound("validation", number))
        assert drawn.shape == (32, 32)
        assert drawn.min() >= 0
        assert 0.1 < drawn.max() <= 1
    frequency = tones.RATE / tones.WINDOW * 10
    tone = np.sin(2 * np.pi * frequency * np.arange(tones.SAMPLES) / tones.RATE)
    assert set(tones.spectrogram(tone).argmax(1)) == {9}  # the constant component is left out


def test_pictures_are_the_right_way_up():
    image = digits.digits()["test"].images[0]
    data = read_patches("builtin:digits")
    assert np.array_equal(data.picture(data.splits["test"][0]), image)
    frames = np.arange(6).reshape(3, 2)  # three moments of a low and a high frequency
    assert read_patches("builtin:tones").picture(frames).tolist() == [[1, 3, 5], [0, 2, 4]]


def test_arrays_from_a_file_are_scaled_to_the_range_of_train(own):
    data = read_patches(own)
    given = arrays()["train"]
    assert data.splits["train"].min() == 0
    assert data.splits["train"].max() == 1
    back = data.splits["train"] * (given.max() - given.min()) + given.min()
    assert np.allclose(back, given, atol=1e-6)
    assert Patches(data=own).features == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("test"), "has no array 'test'; it has train, validation, needed: train, validation, test"),
        (lambda a: a.update(train=a["train"][0]), "train is 5 x 3, not [n, positions (2 or more), features]"),
        (lambda a: a.update(train=a["train"][:, :1]), "train is 6 x 1 x 3, not [n, positions (2 or more), features]"),
        (lambda a: a.update(test=a["test"][:, :4]), "test is 6 x 4 x 3, but each example of train is 5 x 3"),
        (
            lambda a: a["validation"].__setitem__((0, 0, 0), np.inf),
            "validation has values that are not finite numbers",
        ),
        (lambda a: a.update(train=np.full((6, 5, 3), "x")), "train has values that are not finite numbers"),
        (lambda a: a["train"].fill(2.0), "all values of train are 2.0; use data that vary"),
        (
            lambda a: a.update(train=np.full((6, 5, 3), None)),
            "is not a .npz file of plain arrays; write it with numpy.savez",
        ),
    ],
)
def test_wrong_arrays_are_refused_in_one_line(tmp_path, change, message):
    changed = arrays()
    change(changed)
    np.savez(tmp_path / "mine.npz", **changed)
    with pytest.raises(ValueError, match=r"mine\.npz") as refused:
        Patches(data=str(tmp_path / "mine.npz"))
    assert message in str(refused.value)


def test_a_file_without_arrays_is_refused_in_one_line(tmp_path, own):
    (tmp_path / "text.npz").write_text("no arrays")
    (tmp_path / "one.npz").write_bytes(b"")
    np.save(tmp_path / "single.npy", np.zeros(3))
    for name in ("text.npz", "one.npz", "single.npy"):
        with pytest.raises(WrongInput, match=f"{name} is not a .npz file of plain arrays"):
            read_patches(str(tmp_path / name))
    with pytest.raises(WrongInput, match=r"no file .*mine.npy; did you mean .*mine.npz"):
        read_patches(own.replace(".npz", ".npy"))
    with pytest.raises(WrongInput, match="unknown patches 'builtin:digit'; did you mean 'builtin:digits'"):
        read_patches("builtin:digit")


def test_a_saved_objective_does_not_need_its_data(own, tmp_path):
    saved = Patches(data=own).model_dump()
    (tmp_path / "mine.npz").unlink()
    assert objectives.validate(saved).streams["image"].labels["patch"] == (np.float32, (3,))
    np.savez(tmp_path / "mine.npz", **arrays(features=4))
    with pytest.raises(WrongInput, match="patches of 4 values, not 3; leave out features"):
        objectives.validate(saved).read()


def test_images_larger_than_the_context_are_refused_in_one_line(tmp_path):
    objective = Patches()
    model = build_network(objective, architectures.validate(SMALL | {"context": 8}), VOCABULARY.size, seed=0)
    with pytest.raises(WrongInput, match=r"16 positions, but the model's context is 8; set architecture.context to 16"):
        model(batch_of(objective, draws_of(objective, tmp_path), 2))


def test_nearest_patch_and_mean_patch_baselines():
    train = np.stack([np.zeros((4, 1)), np.full((4, 1), 2.0)])
    controls = PatchBaselines.fit(train, row_places(4))
    made = controls.predictions(np.array([[1.0], [0], [0], [7]]), np.array([False, True, True, False]))
    assert made["mean patch"].tolist() == [[1], [1]]
    assert made["nearest patch"].tolist() == [[1], [7]]
    between = controls.predictions(np.array([[1.0], [0], [7], [5]]), np.array([False, True, False, False]))
    assert between["nearest patch"].tolist() == [[4]]


def test_the_linear_baseline_equals_least_squares():
    """Compared with numpy's least squares on the same images."""
    rng = np.random.default_rng(0)
    train = (rng.normal(size=(500, 3)) @ rng.normal(size=(3, 6))).reshape(500, 3, 2) + rng.normal(size=(500, 3, 2))
    hidden = np.array([False, True, False])
    controls = PatchBaselines.fit(train, row_places(3))
    shown, hidden_values = (train - train.mean(0))[:, ~hidden].reshape(500, 4), (train - train.mean(0))[:, 1]
    fitted = np.linalg.lstsq(shown, hidden_values, rcond=None)[0]
    expected = train[:, 1].mean(0) + shown[7] @ fitted
    assert controls.predictions(train[7], hidden)["linear"][0] == pytest.approx(expected, abs=0.02)


def test_figures_compare_the_model_with_the_baselines(tmp_path):
    objective = Patches()
    model = build_network(objective, architectures.validate(SMALL), VOCABULARY.size, seed=0).eval()
    batches = [batch_of(objective, draws_of(objective, tmp_path, "test"), 6)]
    with torch.no_grad():
        found = objective.judge(model, model.head, batches, ToySource(tmp_path))
        loss = float(model(batches[0])["patch"])
    figures = found["figures"]
    assert [len(values) for values in figures.values()] == [6] * 5
    assert figures["squared error, model"].mean() == pytest.approx(loss / (6 * 8 * 4), rel=1e-5)
    assert figures["squared error, linear"].mean() < figures["squared error, mean patch"].mean()
    gained = figures["squared error, linear"] - figures["squared error, model"]
    assert np.array_equal(figures["less error than linear"], gained)
    for original, shown, made in zip(*[iter(found["pictures"])] * 3, strict=True):
        levels = [[x for row in picture["rows"] for x in row] for picture in (original, shown, made)]
        assert all(b is None or a == b == c for a, b, c in zip(*levels, strict=True))
        assert levels[1].count(None) == 32
