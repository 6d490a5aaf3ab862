"""The forecast: counts equal formulas worked out by hand, and the model is not changed."""

from __future__ import annotations

import json

import pytest
import torch
from toy_job import MACHINE, OBJECTIVE, network, settings
from toy_language import VOCABULARY, ToySamples

from danlu.architectures import build_network
from danlu.architectures.length_groups import CellRunner
from danlu.architectures.recurrent import Recurrent
from danlu.architectures.transformer import Transformer
from danlu.objectives.causal import Causal
from danlu.objectives.masked import Masked
from danlu.registry import optimizers
from danlu.training.forecast import forecast, parameter_table
from danlu.training.operations import forward_operations
from danlu.training.step import accumulate, micro_batches, positions


def facts(**given):
    return forecast(network(), OBJECTIVE, ToySamples(), settings(**given), MACHINE)


def test_parameters_add_up_and_tied_weights_count_once():
    model = build_network(Causal(), Transformer(layers=3, width=8, heads=2, ffn_dim=16), VOCABULARY.size, 0)
    table = {row["part"]: row["parameters"] for row in parameter_table(model)}
    assert table["embeddings.token"] == VOCABULARY.size * 8
    assert table["backbone.blocks.*.attention"] == 3 * 4 * 8 * 8
    assert table["backbone.blocks.*.feed_forward"] == 3 * 3 * 8 * 16
    assert sum(table.values()) == sum(p.numel() for p in model.parameters())


def test_frozen_parameters_are_reported():
    model = network()
    model.embeddings.requires_grad_(False)
    (row,) = [row for row in parameter_table(model) if row["part"] == "embeddings.token"]
    assert (row["trained"], row["parameters"]) == (0, VOCABULARY.size * 8)


def test_operations_of_a_transformer_equal_the_formula():
    model = build_network(Causal(), Transformer(layers=2, width=8, heads=2, ffn_dim=16), VOCABULARY.size, 0)
    (batch,) = micro_batches(Causal(), ToySamples(), 0, 4, 4, 0.0)
    (stream,) = batch.streams.values()
    tokens = positions([batch])
    labelled = int((next(iter(stream.labels.values())) >= 0).sum())
    products = 2 * tokens * 2 * (4 * 8 * 8 + 3 * 8 * 16) + 2 * labelled * VOCABULARY.size * 8
    row = sum(stream.lengths)  # all fit into one row of attention
    assert forward_operations(model, batch) == products + 2 * 2 * row * row * (8 + 8)


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
@pytest.mark.parametrize("directions", ["forward", "both"])
def test_operations_of_recurrent_cells_are_counted(cell, gates, directions):
    """Regression: on a CPU an LSTM is one operation that torch's counter does not know, so only the rest was
    counted."""
    objective = Causal() if directions == "forward" else Masked()
    (batch,) = micro_batches(objective, ToySamples(), 0, 4, 4, 0.0)
    one, two = (
        build_network(objective, Recurrent(cell=cell, layers=n, width=8, directions=directions), VOCABULARY.size, 0)
        for n in (1, 2)
    )
    (stream,) = batch.streams.values()
    steps = sum(int(group.real.numel()) for group in CellRunner(stream).groups)  # padding goes through the cells too
    ways, inside = (1, 8) if directions == "forward" else (2, 4)
    layer = 2 * steps * ways * gates * inside * (8 + inside)  # weights for the layer below and the previous state
    assert forward_operations(two, batch) - forward_operations(one, batch) == layer
    assert forward_operations(one, batch) > layer


@pytest.mark.parametrize("name", list(optimizers))
def test_optimizer_bytes_equal_those_of_a_real_step(name):
    model, chosen = network(), settings(optimizer=name)
    built = chosen.optimizer.build(model, MACHINE)
    accumulate(model, OBJECTIVE, micro_batches(OBJECTIVE, ToySamples(), 0, 4, 4, 0.0), MACHINE, 0)
    for optimizer in built:
        optimizer.step()
    real = sum(v.numel() * v.element_size() for o in built for entries in o.state.values() for v in entries.values())
    assert facts(optimizer=name)["memory"]["optimizer"] == real


def test_activations_grow_with_the_micro_batch_and_weights_do_not():
    small, large = (facts(batch_tokens=160, micro_batch_tokens=n)["memory"] for n in (20, 160))
    assert large["activations"] > 3 * small["activations"]
    assert large["weights"] == small["weights"] == 4 * sum(p.numel() for p in network().parameters())


def test_the_forecast_changes_nothing_and_is_json():
    model = network()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    torch.manual_seed(3)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    forecast(model, OBJECTIVE, ToySamples(), settings(), MACHINE)
    assert torch.equal(torch.rand(1), drawn)
    found = forecast(model, OBJECTIVE, ToySamples(), settings(budget="1s"), MACHINE, timed=True)
    assert json.loads(json.dumps(found)) == found
    assert found["time"]["steps"] >= 1
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
