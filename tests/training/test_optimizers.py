"""Optimizers: assignment of parameters, and states that round-trip by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from toy_job import MACHINE, OBJECTIVE, network
from toy_language import ToySamples

from danlu.registry import optimizers
from danlu.training.muon import orthogonalise
from danlu.training.optimizers import load_state_tensors, state_tensors
from danlu.training.precision import Machine
from danlu.training.step import accumulate, micro_batches


def trained(name, steps=3, seed=0):
    model = network(seed)
    built = optimizers.validate(name).build(model, MACHINE)
    advance(model, built, range(steps))
    return model, built


def advance(model, built, steps):
    for step in steps:
        accumulate(model, OBJECTIVE, micro_batches(OBJECTIVE, ToySamples(), step * 4, 4, 4, 0.0), MACHINE, step)
        for optimizer in built:
            optimizer.step()
            optimizer.zero_grad()


@pytest.mark.parametrize("name", list(optimizers))
def test_every_parameter_has_exactly_one_optimizer(name):
    model = network()
    owned = [p for o in optimizers.validate(name).build(model, MACHINE) for g in o.param_groups for p in g["params"]]
    assert len(owned) == len({id(p) for p in owned}) == len(list(model.parameters()))


def test_muon_gets_only_the_matrices_of_the_backbone():
    model = network()
    muon, rest = optimizers.validate("muon").build(model, MACHINE)
    names = {id(p): n for n, p in model.named_parameters()}
    taken = {names[id(p)] for g in muon.param_groups for p in g["params"]}
    assert taken == {n for n, p in model.named_parameters() if n.startswith("backbone.") and p.ndim == 2}
    left = {names[id(p)] for g in rest.param_groups for p in g["params"]}
    assert {"embeddings.token.weight", "head.dense.weight"} <= left


@pytest.mark.parametrize("rows", [6, 20])
def test_muon_in_float32_equals_torch_without_its_bfloat16_cast(rows, monkeypatch):
    def after_steps(dtype):
        torch.manual_seed(0)
        model = nn.ModuleDict({"backbone": nn.Linear(12, rows, bias=False)})
        muon, *_ = optimizers.validate("muon").build(model, Machine("cpu", dtype, 1))
        for _ in range(3):
            model["backbone"].weight.grad = torch.randn(rows, 12)
            muon.step()
        return model["backbone"].weight.detach(), muon.state[model["backbone"].weight]["momentum_buffer"]

    ours, theirs = after_steps("float32"), after_steps("bfloat16")
    assert not torch.equal(ours[0], theirs[0]), "only one of them rounds"
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    for a, b in zip(ours, after_steps("bfloat16"), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_muon_brings_singular_values_near_one():
    torch.manual_seed(0)
    for shape in ((30, 8), (8, 30)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape), (3.4445, -4.7750, 2.0315), 5, 1e-7))
        assert values.min() > 0.6
        assert values.max() < 1.3


@pytest.mark.parametrize("name", list(optimizers))
def test_only_matrices_decay(name):
    for optimizer in optimizers.validate(name).build(network(), MACHINE):
        for group in optimizer.param_groups:
            assert all((p.ndim >= 2) == (group["weight_decay"] > 0) for p in group["params"])


@pytest.mark.parametrize("name", list(optimizers))
def test_state_round_trips_by_name(name):
    model, built = trained(name)
    state = {k: v.clone() for k, v in state_tensors(model, built).items()}
    other = network(seed=1)
    other.load_state_dict(model.state_dict())
    fresh = optimizers.validate(name).build(other, MACHINE)
    load_state_tensors(other, fresh, state)
    again = state_tensors(other, fresh)
    assert state.keys() == again.keys()
    assert {k.rsplit("/", 1)[0] for k in state} == {n for n, _ in model.named_parameters()}
    assert all(torch.equal(state[k], again[k]) for k in state)
    for m, b in ((model, built), (other, fresh)):
        advance(m, b, range(3, 5))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_the_state_of_another_model_is_refused():
    with pytest.raises(KeyError, match=r"backbone\.nowhere"):
        load_state_tensors(network(), [], {"backbone.nowhere/step": torch.zeros(())})
