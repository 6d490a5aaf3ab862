"""Devices without float64 (such as Apple's Metal): float64 sums are computed on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from toy_job import MACHINE, OBJECTIVE, network
from toy_language import VOCABULARY, ToySamples

from danlu.architectures import build_network
from danlu.architectures.transformer import Transformer
from danlu.batch import Seq, full_order
from danlu.evaluation.blank_filling import blank_probabilities
from danlu.evaluation.embedding import embed
from danlu.evaluation.generation import Sampling, generate_many
from danlu.evaluation.likelihood import likelihood
from danlu.objectives.causal import Causal
from danlu.packing import pack
from danlu.tasks.text_classifier import Classification
from danlu.tokens.shards import TokenStore, write_shards
from danlu.training.step import accumulate, measure, micro_batches

TO_FLOAT64 = (torch.Tensor.double, torch.Tensor.to, torch.Tensor.type)


class NoFloat64(TorchFunctionMode):
    """Treats every tensor as on a device without float64 until `.cpu()` has moved it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if func is torch.Tensor.cpu:
            found = found.view_as(found)
            found.brought = True
        wide = isinstance(found, torch.Tensor) and found.dtype == torch.float64
        if func in TO_FLOAT64 and wide and not getattr(args[0], "brought", False):
            raise TypeError("this device has no float64")
        return found


def test_the_simulated_device_detects_float64():
    with NoFloat64():
        assert torch.ones(2).cpu().double().sum() == 2
        for wrong in (lambda: torch.ones(2).double().cpu(), lambda: torch.ones(2).to(torch.float64)):
            with pytest.raises(TypeError, match="no float64"):
                wrong()


def test_training_needs_no_float64():
    model, batches = network(), micro_batches(OBJECTIVE, ToySamples(), 0, 8, 4, 0.5)
    with NoFloat64():
        losses = accumulate(model, OBJECTIVE, batches, MACHINE, 0)
        assert losses.sums["masked"] == pytest.approx(measure(model, OBJECTIVE, batches, MACHINE).sums["masked"])


def test_using_a_model_needs_no_float64():
    ids = [np.array([1, 5, 6, 2]), np.array([1, 7, 2])]
    causal = build_network(Causal(), Transformer(layers=1, width=8, heads=2, context=16), VOCABULARY.size, 0).eval()
    with NoFloat64():
        made = generate_many(causal, ids, VOCABULARY, Sampling(tokens=3, temperature=0.9, top_k=4), 16, MACHINE)
        assert [len(text) <= 3 for text in made] == [True, True]
        assert embed(causal, ids, "causal", "mean", True).shape == (2, 8)
        chances = blank_probabilities(network().eval(), ids[0], np.array([1]), np.ones(VOCABULARY.size, bool))
        assert chances.sum() == pytest.approx(1)
        task = Classification(classes=2, order="causal")
        model = build_network(task, causal.backbone.settings, VOCABULARY.size, 0).eval()
        rows = [{"text": [Seq({"token": row}, full_order(len(row)), sequence_labels={"label": 0})]} for row in ids]
        assert task.scores(model, model.head, pack(rows, task.streams)).shape == (2, 2)


def test_the_likelihood_of_documents_needs_no_float64(tmp_path, monkeypatch):
    from danlu.text.corpus import CorpusSettings, build_corpus
    from danlu.tokens.kinds.byte import Byte

    monkeypatch.setenv("DANLU_CACHE", str(tmp_path / "cache"))
    (tmp_path / "text.txt").write_text("\n".join(f"the furnace {i} burns" for i in range(90)))
    corpus = build_corpus(CorpusSettings(source=str(tmp_path / "text.txt"), documents="line", test=0.2))
    tokenizer = Byte().train([])
    store = TokenStore(write_shards(corpus, tokenizer), "test")
    size = tokenizer.vocabulary.size
    model = build_network(Causal(), Transformer(layers=1, width=8, heads=2, context=16), size, 0).eval()
    with NoFloat64():
        assert likelihood(model, store, 16, 8, MACHINE).loss == pytest.approx(np.log(size), rel=0.2)
