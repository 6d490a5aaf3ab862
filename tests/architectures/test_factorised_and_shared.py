"""Factorised embeddings and layers that share a block (ALBERT): counted once, saved once, trained as one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_language import VOCABULARY, ToySamples, sentence

from danlu.architectures import build_network
from danlu.architectures.scaling import scale_architecture
from danlu.architectures.transformer import Transformer
from danlu.evaluation.generation import pack_continuation
from danlu.objectives.causal import Causal
from danlu.objectives.masked import Masked
from danlu.objectives.mixture import Mixture
from danlu.objectives.prefix import Prefix
from danlu.registry import architectures, optimizers
from danlu.training.checkpoint import Checkpoints, TrainingState
from danlu.training.forecast import forward_operations, parameter_table
from danlu.training.layer_depth import depths
from danlu.training.precision import Machine
from danlu.training.step import accumulate, micro_batches
from danlu.training.training_options import checkpoint_activations

SMALL = {"layers": 4, "width": 16, "heads": 2, "ffn_dim": 24, "context": 12}
MACHINE = Machine("cpu", "float32", 1)
BOTH = Mixture.model_validate({"of": {"left": "causal", "both": "masked"}})


def network(objective=None, **settings):
    model = build_network(objective or Causal(), Transformer(**{**SMALL, **settings}), VOCABULARY.size, seed=0).double()
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
    return model.eval()


def size(model):
    return sum(p.numel() for p in model.parameters())


@given(st.integers(1, 24), st.integers(1, 24))
def test_layer_groups_equal_those_of_albert(layers, groups):
    groups = min(groups, layers)
    found = Transformer(layers=layers, shared_layers=groups).block_indices
    assert found == tuple(int(i / (layers / groups)) for i in range(layers))
    assert set(found) == set(range(groups))


def test_a_shared_block_is_counted_and_saved_once(tmp_path):
    one, own = network(shared_layers=1), network(layers=1)
    assert size(one) == size(own)
    assert one.state_dict().keys() == own.state_dict().keys()
    assert {r["part"]: r["parameters"] for r in parameter_table(one)} == {
        r["part"]: r["parameters"] for r in parameter_table(own)
    }
    saved = Checkpoints(tmp_path)
    saved.save(TrainingState(step=1), one, [])
    other = network(shared_layers=1)
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    saved.load_weights(1, other)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@torch.no_grad()
def test_a_shared_block_equals_repeated_blocks():
    shared, own = network(shared_layers=2), network()
    state = shared.state_dict()
    for i, number in enumerate(shared.backbone.order):
        block = {
            name.replace(f"blocks.{number}.", f"blocks.{i}."): value
            for name, value in shared.state_dict().items()
            if f"blocks.{number}." in name
        }
        state |= block
    own.load_state_dict(state)
    stream = pack_continuation(0, sentence(0, 9), "cpu")
    assert torch.equal(own.hidden(stream), shared.hidden(stream))


def test_sharing_keeps_the_operation_count_and_depths_follow_the_blocks():
    (batch,) = micro_batches(Causal(), ToySamples(), 0, 4, 4, 0.0)
    shared, own = network(shared_layers=2), network()
    assert forward_operations(shared.float(), batch) == forward_operations(own.float(), batch)
    found = depths(shared)
    assert {found[n] for n in found if n.startswith("backbone.blocks.")} == {1, 2}
    assert found["backbone.final_norm.weight"] == 3
    narrow = depths(network(embedding_width=6))
    assert narrow["backbone.embedding_map.weight"] == 0
    assert narrow["output_map.weight"] == 5


@pytest.mark.parametrize("name", list(optimizers))
def test_an_optimizer_updates_each_shared_weight_once(name):
    """The gradients of the layers that share it are summed."""
    batches = micro_batches(Causal(), ToySamples(), 0, 6, 3, 0.0)
    model = network(shared_layers=1, embedding_width=6).float()
    built = optimizers.validate(name).build(model, MACHINE)
    held = [p for o in built for g in o.param_groups for p in g["params"]]
    assert len(held) == len(set(held)) == len(list(model.parameters()))
    before = [p.detach().clone() for p in model.parameters()]
    accumulate(model, Causal(), batches, MACHINE, 0)
    for optimizer in built:
        optimizer.step()
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_activation_checkpointing_of_shared_blocks_preserves_gradients():
    batches = micro_batches(Causal(), ToySamples(), 0, 6, 3, 0.0)
    found = []
    for recomputed in (False, True):
        model = network(shared_layers=1)
        if recomputed:
            checkpoint_activations(model)
        accumulate(model, Causal(), batches, MACHINE, 0)
        found.append([p.grad for p in model.parameters()])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_factorised_embeddings_have_the_parameters_of_two_factors():
    wide, narrow = network(Masked(), embedding_width=None), network(Masked(), embedding_width=6)
    tables, head = VOCABULARY.size * (16 - 6), (16 * 16 + 16) - (16 * 6 + 6)
    assert size(wide) - size(narrow) == tables + head - 6 * 16
    assert narrow.embeddings["token"].weight.shape == (VOCABULARY.size, 6)


@pytest.mark.parametrize("settings", [{}, {"tied": False}], ids=["tied", "untied"])
@pytest.mark.parametrize("objective", [Causal(), Prefix(), Masked(), BOTH], ids=lambda o: o.name)
def test_the_output_layers_of_an_objective_are_created_and_trained(objective, settings):
    model = network(objective, embedding_width=6, **settings)
    assert (model.output_map is None) == (objective.name == "masked")
    accumulate(model, objective, micro_batches(objective, ToySamples(), 0, 12, 12, 0.0), MACHINE, 0)
    assert all(p.grad is not None and p.grad.any() for n, p in model.named_parameters() if "key" not in n)


@torch.no_grad()
def test_factorised_logits_equal_those_of_the_product():
    model = network(embedding_width=6)
    hidden = torch.randn(5, 16, dtype=torch.float64)
    table = model.embeddings["token"].weight @ model.output_map.weight
    torch.testing.assert_close(model.token_logits(hidden), hidden @ table.T)


@pytest.mark.parametrize("name", ["transformer", "llama", "bert", "recurrent", "convolutional"])
def test_a_scaled_model_reads_the_same_embeddings(name):
    whole = architectures.validate(name)
    small = scale_architecture(whole, 0.25, 0.5)
    assert small.width == whole.width // 4
    assert small.layers == whole.layers // 2
    assert small.embedding_width == whole.width
    made = small.build().eval()
    stream = pack_continuation(0, sentence(0, 6), "cpu")
    assert made(torch.randn(6, whole.width), stream).shape == (6, whole.width // 4)


def test_a_scaled_model_as_wide_as_its_embeddings_has_no_map():
    small = scale_architecture(Transformer(width=64, heads=8, kv_heads=4, ffn_dim=100, embedding_width=24), 3 / 8, 1)
    assert (small.width, small.heads, small.kv_heads, small.ffn_dim, small.embedding_width) == (24, 3, 1, 38, None)


@pytest.mark.parametrize(("heads", "width"), [(1, 256), (2, 256), (6, 384), (4, 256), (5, 320)])
def test_scaled_width_does_not_depend_on_the_number_of_heads(heads, width):
    """Regression: a quarter of one head is one head, so the generator of `replaced` was as wide as the model."""
    small = scale_architecture(Transformer(width=width, heads=heads), 0.25, 1)
    assert small.width == width // 4
    assert small.build()(torch.randn(6, width), pack_continuation(0, sentence(0, 6), "cpu")).shape == (6, width // 4)


@pytest.mark.parametrize("name", ["transformer", "hybrid", "convolutional", "recurrent"])
def test_residual_stream_stays_float32_behind_factorised_embeddings(name):
    """Regression: the embedding map returned bfloat16 under autocast, and so did every sum after it."""
    cell = {"cell": "gru"} if name in ("hybrid", "recurrent") else {}
    backbone = architectures.validate({"name": name, "width": 16, "embedding_width": 8, "layers": 1} | cell).build()
    seen = []
    backbone.embedding_map.register_forward_hook(lambda module, given, made: seen.append(made.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        backbone(torch.randn(6, 8), pack_continuation(0, sentence(0, 6), "cpu"))
    assert seen == [torch.float32]


def test_block_indices_are_rounded_as_in_transformers():
    """9 / (18 / 14) is just below 7 in floating point; an exported ALBERT used another block."""
    assert Transformer(layers=18, shared_layers=14).block_indices[9] == 6
