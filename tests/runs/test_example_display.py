"""How examples are displayed."""

from __future__ import annotations

import numpy as np
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.batch import Seq, full_order
from danlu.objectives.mixture import Mixture
from danlu.objectives.replaced import Replaced
from danlu.runs.example_display import decode_sequence
from danlu.tokens.kinds.byte_bpe import ByteBPE
from danlu.training.samples import UnitSample

TOKENIZER = ByteBPE(size=300).train(["iron melts, tin melts sooner"])


def test_targets_are_tokens_or_class_numbers_and_sequence_labels_are_shown():
    ids = TOKENIZER.encode("tin")
    n = len(ids)
    labels = {"score": np.full((n, 2), 0.5), "hidden": np.array([ids[0], *[-1] * (n - 1)])}
    seq = Seq({"token": ids}, full_order(n), labels=labels, sequence_labels={"follows": 1, "noise": np.zeros(3)})
    shown = decode_sequence(seq, frozenset(), TOKENIZER)
    assert shown["targets"] == [TOKENIZER.token(int(ids[0])), *[None] * (n - 1)]
    assert shown["sequence_labels"] == {"follows": "1"}
    assert decode_sequence(seq, frozenset({"hidden"}), TOKENIZER)["targets"][0] == str(int(ids[0]))


def test_binary_labels_are_shown_as_numbers():
    objective = Replaced(generator=None)
    (seq,) = objective.example(UnitSample(0, 0, 0.0, TOKENIZER.vocabulary, lambda overlap: [np.arange(6, 30)]))["text"]
    shown = decode_sequence(seq, objective.class_labels, TOKENIZER)["targets"]
    assert set(shown) == {"0", "1"}


def test_binary_labels_in_a_mixture_are_shown_as_numbers(tmp_path):
    mixture = "models.small.objective={name: mixture, of: {found: {name: replaced, generator: null}}}"
    shown = danlu.show(write_tiny_recipe(tmp_path), [mixture])["models"]["small"]["examples"]
    targets = {target for stream in shown for target in stream["targets"]}
    assert targets <= {"0", "1", None}
    assert "0" in targets


def test_class_labels_of_a_mixture_come_from_its_objectives():
    whole = Mixture.model_validate({"of": {"found": "replaced", "left": "causal"}})
    assert whole.class_labels == {"found.replaced"}
    assert whole.class_labels_of("found.text") == {"replaced"}
    assert whole.class_labels_of("left.text") == frozenset()
    nested = Mixture.model_validate({"of": {"inner": {"name": "mixture", "of": {"found": "replaced"}}}})
    assert nested.class_labels_of("inner.found.text") == {"replaced"}
