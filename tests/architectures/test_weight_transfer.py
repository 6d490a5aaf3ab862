"""Transfer of weights by name between networks: every role, the head as a whole, tables by rows."""

import numpy as np
import pytest
import torch

from danlu.architectures import build_network
from danlu.architectures.weight_transfer import ResizedTable, WeightTransfer, transfer_weights
from danlu.batch import StreamSpec
from danlu.errors import WrongInput
from danlu.objectives.causal import Causal
from danlu.objectives.masked import Masked
from danlu.objectives.next_sentence import NextSentence
from danlu.objectives.spans import Spans
from danlu.registry import architectures
from danlu.tasks.text_classifier import Classification

SHAPE = {"layers": 1, "width": 16, "heads": 2, "context": 16}
SIZE = 40


def network(objective, architecture, seed, **settings):
    chosen = architectures.validate({"name": architecture, **SHAPE, **settings})
    return build_network(objective, chosen, SIZE, seed)


def changed(target, transfer):
    """Return the report of a transfer and the names of the weights that it left unchanged."""
    fresh = {name: value.clone() for name, value in target.state_dict().items()}
    report = transfer()
    return report, {name for name, value in target.state_dict().items() if torch.equal(value, fresh[name])}


class Rewrite(Spans):
    """A task that trains all of a T5: an encoder, a decoder and the output layer."""


class Pairs(Classification):
    """A task that declares segments."""

    @property
    def streams(self):
        return {
            "text": StreamSpec(inputs={"token": np.int64, "segment": np.int64}, sequence_labels={"label": np.int64})
        }


@pytest.mark.parametrize("settings", [{}, {"tied": True, "scaled_head": True}, {"shared_embeddings": False}])
def test_every_role_of_an_encoder_decoder_is_copied(settings):
    source = network(Spans(sentinels=9), "t5", 1, **settings)
    target = network(Rewrite(sentinels=9), "t5", 2, **settings)
    report = transfer_weights(target, source.state_dict())
    assert report == WeightTransfer()
    before = source.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())
    assert {"decoder", "embeddings"} <= {name.split(".")[0] for name in before}
    assert ("unembedding.weight" in before) == (not settings.get("tied"))


def test_a_classifier_takes_the_encoder_and_reports_the_rest():
    source, target = network(Spans(sentinels=9), "t5", 1), network(Classification(classes=2, order="full"), "t5", 2)
    report = transfer_weights(target, source.state_dict())
    assert report.new == ("head.1.bias", "head.1.weight")
    assert {name.split(".")[0] for name in report.unused} == {"decoder", "unembedding"}
    before = source.state_dict()
    assert all(torch.equal(v, before[n]) for n, v in target.state_dict().items() if not n.startswith("head."))


def test_a_segment_table_added_by_a_task_is_reported_as_new():
    source = network(Causal(), "llama", 1)
    target = network(Pairs(classes=2, order="causal"), "llama", 2)
    report = transfer_weights(target, source.state_dict())
    assert report.new == ("embeddings.segment.weight", "head.1.bias", "head.1.weight")
    assert report.resized == ()


def test_rows_common_to_both_tables_are_copied():
    source, target = network(Masked(), "roberta", 1), network(NextSentence(), "roberta", 2)
    fresh = target.state_dict()["embeddings.segment.weight"].clone()
    report = transfer_weights(target, source.state_dict())
    assert report.resized == (ResizedTable("embeddings.segment.weight", 1, 2),)
    rows = target.state_dict()["embeddings.segment.weight"]
    assert torch.equal(rows[:1], source.state_dict()["embeddings.segment.weight"])
    assert torch.equal(rows[1:], fresh[1:])


def test_the_head_is_copied_as_a_whole_or_not_at_all():
    source = network(Masked(), "bert", 1)
    partly = {name: value for name, value in source.state_dict().items() if name != "head.norm.bias"}
    target = network(Masked(), "bert", 2)
    report, unchanged = changed(target, lambda: transfer_weights(target, partly))
    heads = {name for name in target.state_dict() if name.startswith("head.")}
    assert set(report.new) == heads
    assert set(report.unused) == heads - {"head.norm.bias"}
    assert heads <= unchanged
    target = network(Masked(), "bert", 2)
    assert set(transfer_weights(target, source.state_dict(), with_head=False).unused) == heads
    assert transfer_weights(target, source.state_dict()) == WeightTransfer()


def test_a_shape_mismatch_is_refused_in_one_line():
    source, target = network(Causal(), "llama", 1), network(Causal(), "llama", 2, width=32)
    with pytest.raises(WrongInput, match=r"^m: weight backbone\..* is .*16.*, not .*32.*; the architectures differ$"):
        transfer_weights(target, {n: v for n, v in source.state_dict().items() if "backbone" in n}, "m")


def test_the_source_is_not_modified():
    """One source serves all seeds of a fine-tuning."""
    source, target = network(Causal(), "llama", 1), network(Causal(), "llama", 2)
    before = {name: value.clone() for name, value in source.state_dict().items()}
    transfer_weights(target, source.state_dict())
    with torch.no_grad():
        for p in target.parameters():
            p.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in source.state_dict().items())
