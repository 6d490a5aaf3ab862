"""Training options: loss terms, frozen weights, learning rates by layer, recomputed and compiled blocks."""

from __future__ import annotations

import copy
import shutil

import pytest
import torch
from toy_job import MACHINE, OBJECTIVE, job, network, settings
from toy_language import VOCABULARY, ToySamples

from danlu.architectures import build_network
from danlu.architectures.bag import Bag
from danlu.architectures.convolutional import Convolutional
from danlu.architectures.recurrent import Recurrent
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.objective import LogitsFrom
from danlu.objectives.causal import Causal
from danlu.objectives.glove import Glove
from danlu.training.layer_depth import depths
from danlu.training.loop import train
from danlu.training.step import accumulate, micro_batches
from danlu.training.training_options import apply_training_options

BATCHES = micro_batches(OBJECTIVE, ToySamples(), 0, 4, 4, 0.0)
DEEP = Transformer(layers=3, width=8, heads=2, ffn_dim=16, context=16, dropout=0.2)


def deep(seed=0):
    return build_network(OBJECTIVE, DEEP, VOCABULARY.size, seed)


def gradients(model):
    losses = accumulate(model, OBJECTIVE, BATCHES, MACHINE, seed=3)
    return losses.loss, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def reference(model, smoothing, z):
    """Compute the loss from its definition, over all targets of the batch."""
    text = BATCHES[0]["text"]
    at = text.labels["masked"] >= 0
    logits = model.token_logits(model.head(model.hidden(text)[at]), LogitsFrom.OWN_HEAD).double()
    logs = logits.log_softmax(-1)
    picked = -logs.gather(1, text.labels["masked"][at][:, None])[:, 0]
    even = -logs.mean(1)
    denominators = logits.exp().sum(1).log()
    return float(((1 - smoothing) * picked + smoothing * even + z * denominators**2).sum())


@pytest.mark.parametrize(("smoothing", "z"), [(0.1, 0.0), (0.0, 0.01), (0.2, 0.003)])
def test_smoothing_and_z_loss_follow_the_papers_and_are_absent_in_evaluation(smoothing, z):
    model = network()
    apply_training_options(model, settings(label_smoothing=smoothing, z_loss=z))
    with torch.no_grad():
        model.train()
        assert float(model(BATCHES[0])["masked"]) == pytest.approx(reference(model, smoothing, z), rel=1e-5)
        model.eval()
        assert float(model(BATCHES[0])["masked"]) == pytest.approx(reference(model, 0, 0), rel=1e-5)


def test_frozen_weights_are_unchanged_and_the_others_are_trained(tmp_path):
    chosen = settings(freeze=["embeddings", "backbone.blocks.0.attention_norm.*", "*.up.*"])
    model = network()
    apply_training_options(model, chosen)
    before = copy.deepcopy(model.state_dict())
    train(job(tmp_path, 3, chosen, model=model))
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    held = {n for n in before if n.startswith("embeddings.") or "attention_norm" in n or ".up." in n}
    assert len(held) == 3
    assert moved == set(before) - held


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("backbone.block.0", "matches no weight or module of the model; did you mean 'backbone.blocks.0'"),
        ("*", "all weights are frozen"),
    ],
)
def test_freezing_unknown_or_all_weights_is_refused(pattern, message):
    with pytest.raises(WrongInput, match=message):
        apply_training_options(network(), settings(freeze=[pattern]))


@pytest.mark.parametrize(("former", "current"), [("embedders", "embeddings"), ("parts.dense.*", "head.dense.*")])
def test_names_that_weights_had_in_earlier_versions_freeze_the_same_weights(former, current):
    held = []
    for pattern in (former, current):
        model = network()
        apply_training_options(model, settings(freeze=[pattern]))
        held.append({name for name, p in model.named_parameters() if not p.requires_grad})
    assert held[0] == held[1]
    assert all(name.startswith(current.removesuffix("*")) for name in held[0])
    assert held[0]


def test_depth_increases_from_embeddings_to_heads():
    found = depths(deep())
    assert {n: d for n, d in found.items() if n.startswith("embeddings.")} == {"embeddings.token.weight": 0}
    assert found["backbone.blocks.0.attention.query.weight"] == 1
    assert found["backbone.blocks.2.feed_forward.down.weight"] == 3
    assert found["backbone.final_norm.weight"] == found["head.dense.weight"] == 4


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_lower_layers_have_lower_learning_rates(name):
    model = deep()
    built = settings(optimizer={"name": name, "learning_rate": 0.01, "layer_decay": 0.5}).optimizer.build(
        model, MACHINE
    )
    rates = {id(p): g["lr"] for o in built for g in o.param_groups for p in g["params"]}
    for parameter, depth in depths(model).items():
        assert rates[id(dict(model.named_parameters())[parameter])] == pytest.approx(0.01 * 0.5 ** (4 - depth))


def test_embeddings_can_be_excluded_from_weight_decay():
    model = deep()
    for decay, expected in ((True, 0.1), (False, 0.0)):
        (optimizer,) = settings(optimizer={"name": "adamw", "decay_embeddings": decay}).optimizer.build(model, MACHINE)
        decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
        assert decays[id(model.embeddings["token"].weight)] == expected
        assert decays[id(model.head.dense.weight)] == 0.1
        assert decays[id(model.backbone.final_norm.weight)] == 0.0


def test_bias_tables_have_no_weight_decay_and_tables_count_as_embeddings():
    model = build_network(Glove(), Bag(width=8), VOCABULARY.size, 0)
    for decay, expected in ((True, 0.1), (False, 0.0)):
        (optimizer,) = settings(optimizer={"name": "adamw", "decay_embeddings": decay}).optimizer.build(model, MACHINE)
        decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
        assert decays[id(model.head.context.weight)] == expected
        assert decays[id(model.head.bias.weight)] == decays[id(model.head.context_bias.weight)] == 0.0


def test_activation_checkpointing_preserves_gradients_bit_for_bit_with_dropout():
    plain, lean = deep(), deep()
    apply_training_options(lean, settings(activation_checkpointing=True))
    copied = copy.deepcopy(lean)  # the plan measures a copy, whose blocks must be separate
    loss, expected = gradients(plain)
    for model in (lean, copied):
        found = gradients(model)
        assert found[0] == loss
        assert found[1].keys() == expected.keys()
        assert all(torch.equal(found[1][n], g) for n, g in expected.items())


def test_activation_checkpointing_saves_memory():
    kept = []
    for lean in (False, True):
        model = deep()
        apply_training_options(model, settings(activation_checkpointing=lean))
        seen = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=seen: s.append(t.numel()) or t, lambda t: t):
            model(BATCHES[0])
        kept.append(sum(seen))
    assert kept[1] < 0.6 * kept[0]


@pytest.mark.parametrize("setting", ["activation_checkpointing", "compile"])
def test_architectures_without_blocks_are_refused_in_one_line(setting):
    recurrent = build_network(Causal(), Recurrent(width=8, layers=2), VOCABULARY.size, 0)
    with pytest.raises(WrongInput, match=f"training.{setting}: this architecture has no blocks"):
        apply_training_options(recurrent, settings(**{setting: True}))


def test_layer_decay_needs_an_architecture_with_blocks():
    recurrent = build_network(Causal(), Recurrent(width=8, layers=2), VOCABULARY.size, 0)
    with pytest.raises(WrongInput, match=r"training.optimizer.layer_decay: this architecture has no blocks"):
        apply_training_options(recurrent, settings(optimizer={"name": "adamw", "layer_decay": 0.5}))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # warnings of the compiler
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile needs a compiler")
@pytest.mark.parametrize("architecture", [DEEP.model_copy(update={"dropout": 0.0}), Convolutional(width=8, layers=2)])
def test_compiled_blocks_compute_the_same(architecture):
    objective = OBJECTIVE if isinstance(architecture, Transformer) else Causal()
    plain, fast = (build_network(objective, architecture, VOCABULARY.size, 0) for _ in range(2))
    apply_training_options(fast, settings(compile=True))
    for first in (0, 4, 9):  # different lengths each time
        batches = micro_batches(objective, ToySamples(), first, 3, 3, 0.0)
        for model in (plain, fast):
            model.zero_grad()
        losses = [accumulate(model, objective, batches, MACHINE, 0).loss for model in (plain, fast)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        for (name, a), (_, b) in zip(plain.named_parameters(), fast.named_parameters(), strict=True):
            assert torch.allclose(a.grad, b.grad, rtol=1e-3, atol=1e-4), name
