"""Images and captions: groups, wordings, and figures on held-out data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_language import VOCABULARY, ToySource

from danlu.architectures import build_network
from danlu.errors import WrongInput
from danlu.objectives.image_text import ImageText, group_images
from danlu.objectives.vision.digits import digits, patches_of
from danlu.packing import pack
from danlu.registry import architectures
from danlu.text.digit_captions import CHINESE, ENGLISH, TEMPLATES, DigitCaptions, captions
from danlu.text.split import SPLITS
from danlu.training.samples import RowSamples

SETTINGS = {"templates": ["{english}", "数字{chinese}"], "max_tokens": 16}
SMALL = {"name": "transformer", "layers": 1, "width": 16, "heads": 2, "context": 16, "positions": "learned"}


def draws_of(objective, tmp_path, split="train"):
    made = objective.units(ToySource(tmp_path), split)
    return RowSamples(made.rows, made.tokens_per_unit, VOCABULARY, seed=0, shuffled=split == "train")


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(2, 6))
def test_each_image_is_in_one_group_of_different_digits(labels, size):
    labels = np.array(labels, np.int64)
    groups = group_images(labels, size)
    members = [int(i) for group in groups for i in group]
    assert len(members) == len(set(members))
    assert all(2 <= len(group) <= size and len(set(labels[group])) == len(group) for group in groups)
    left = set(range(len(labels))) - set(members)
    assert len({int(labels[i]) for i in left}) <= 1


def test_captions_name_their_digit_and_wordings_are_in_one_split():
    wordings = [template for split in SPLITS for template in TEMPLATES[split]]
    assert len(wordings) == len(set(wordings))
    for split in SPLITS:
        found = captions(split)
        assert len({text for own in found for text in own}) == 10 * len(TEMPLATES[split])
        for digit, own in enumerate(found):
            names = (ENGLISH[digit], CHINESE[digit], str(digit))
            assert all(sum(name in text for name in names) >= 1 for text in own)
            assert any(CHINESE[digit] in text for text in own)
            assert any(ENGLISH[digit] in text for text in own)
    assert captions("train", ["{a} {english}"])[8] == ["an eight"]
    assert captions("train", ["{a} {english}"])[1] == ["a one"]


def test_the_corpus_holds_every_caption_once():
    texts = [document.text for document in DigitCaptions().documents()]
    assert len(texts) == len(set(texts)) == 10 * sum(map(len, TEMPLATES.values()))


@pytest.mark.parametrize(
    ("template", "message"),
    [("a {word}", "cannot be filled"), ("a {", "cannot be filled"), ("{}", "cannot be filled"), ("a digit", "which")],
)
def test_unusable_templates_are_refused(template, message):
    with pytest.raises(ValueError, match=message):
        ImageText(templates=[template])


def test_captions_match_their_images(tmp_path):
    objective, source = ImageText(**SETTINGS), ToySource(tmp_path)
    found = digits()["train"]
    label_of = {p.tobytes(): int(d) for p, d in zip(patches_of(found.images), found.labels, strict=True)}
    written = [{tuple(ids) for ids in source.encode(own)} for own in captions("train", SETTINGS["templates"])]
    draws = draws_of(objective, tmp_path)
    for n in range(5):
        example = objective.example(draws.draw(n, 0.0))
        shown = [label_of[seq.inputs["patch"].tobytes()] for seq in example["image"]]
        assert len(set(shown)) == len(shown)
        assert [seq.sequence_labels["match"] for seq in example["text"]] == list(range(len(shown)))
        assert [seq.sequence_labels["match"] for seq in example["image"]] == list(range(len(shown)))
        for digit, seq in zip(shown, example["text"], strict=True):
            ids = seq.inputs["token"]
            assert (ids[0], ids[-1]) == (VOCABULARY.bos, VOCABULARY.eos)
            assert tuple(ids[1:-1]) in written[digit]


def test_training_uses_only_the_wordings_of_its_split(tmp_path):
    """Compared as text, since the toy language has too few tokens to distinguish captions."""
    source = ToySource(tmp_path)
    requested: list[str] = []
    source.encode = lambda texts: requested.extend(texts) or [np.array([4, 5])] * len(texts)  # type: ignore[method-assign]
    ImageText().units(source, "train")
    trained = set(requested)
    requested.clear()
    ImageText().units(source, "test")
    assert len(trained) == 10 * len(TEMPLATES["train"])
    assert not trained & set(requested)


def test_a_caption_that_is_too_long_is_refused_in_one_line(tmp_path):
    with pytest.raises(WrongInput, match="max_tokens is 5, but the caption 'zero' of 0 has 6 tokens; raise it"):
        ImageText(templates=["{english}"], max_tokens=5).units(ToySource(tmp_path), "train")


def test_sequences_longer_than_the_context_are_refused_in_one_line(tmp_path):
    objective = ImageText(**SETTINGS)
    model = build_network(objective, architectures.validate(SMALL | {"context": 8}), VOCABULARY.size, seed=0)
    batch = pack([objective.example(draws_of(objective, tmp_path).draw(0, 0.0))], objective.streams)
    with pytest.raises(WrongInput, match=r"16 positions, but the model's context is 8; set architecture.context to 16"):
        model(batch)


def test_retrieval_and_zero_shot_figures(tmp_path):
    objective = ImageText(**SETTINGS)
    model = build_network(objective, architectures.validate(SMALL), VOCABULARY.size, seed=0).eval()
    draws = draws_of(objective, tmp_path, "test")
    batches = [pack([objective.example(draws.draw(n, 1.0))], objective.streams) for n in range(draws.units)]
    with torch.no_grad():
        found = objective.judge(model, model.head, batches, ToySource(tmp_path))
    figures = found["figures"]
    images = sum(len(row.digits) for row in draws.rows)
    assert len(figures["found in group"]) == images
    assert figures["found in group by chance"] == pytest.approx(draws.units / images)  # one in each group
    assert len(figures["zero-shot accuracy"]) == len(digits()["test"].images)
    assert figures["zero-shot accuracy by chance"] == 0.1
    assert all(len(picture["rows"]) == 8 for picture in found["pictures"])


def test_a_perfect_joint_embedding_retrieves_every_caption(tmp_path):
    """A fake model whose hidden states are the digit itself, taken from a table."""
    objective = ImageText(templates=["{english}"], max_tokens=16)
    source = ToySource(tmp_path)
    source.encode = lambda texts: [np.array([ord(c) for c in t]) for t in texts]  # type: ignore[method-assign]
    found = digits()["test"]
    table = {p.tobytes(): int(d) for p, d in zip(patches_of(found.images), found.labels, strict=True)}
    (words,) = zip(*(source.encode(own) for own in captions("test", ["{english}"])), strict=True)
    table |= {np.concatenate([[VOCABULARY.bos], ids, [VOCABULARY.eos]]).tobytes(): d for d, ids in enumerate(words)}

    class PerfectModel:
        context, width, device = 16, 10, torch.device("cpu")

        def hidden(self, stream):
            held = stream.inputs["patch" if "patch" in stream.inputs else "token"]
            parts = held.split(list(stream.lengths))
            digit = torch.tensor([table[part.numpy().tobytes()] for part in parts])
            return torch.eye(10)[digit][stream.sequence]

    made = objective.units(source, "test")
    draws = RowSamples(made.rows, made.tokens_per_unit, VOCABULARY, seed=0)
    batches = [pack([objective.example(draws.draw(n, 1.0))], objective.streams) for n in range(10)]
    figures = objective.judge(PerfectModel(), None, batches, source)["figures"]
    assert figures["found in group"].all()
    assert figures["zero-shot accuracy"].all()
