"""Training is the same on every device: CUDA (tests marked gpu) equals a CPU up to rounding and resumes bit for bit."""

from __future__ import annotations

import os

import pytest
import torch
from toy_job import job, settings
from toy_language import VOCABULARY, ToySamples

from danlu.architectures import build_network
from danlu.architectures.recurrent import Recurrent
from danlu.architectures.transformer import Transformer
from danlu.errors import Stopped, WrongInput
from danlu.objectives.causal import Causal
from danlu.objectives.masked import Masked
from danlu.objectives.mixture import Mixture
from danlu.objectives.permutation import Permutation
from danlu.objectives.prefix import Prefix
from danlu.training.loop import train
from danlu.training.plan import Plan
from danlu.training.precision import Machine, recorded_machine, use_deterministic_algorithms
from danlu.training.step import accumulate, measure, micro_batches
from danlu.training.training_options import apply_training_options

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        pytest.mark.filterwarnings("ignore"),  # warnings of the compiler
    ],
)
OBJECTIVES = {
    "causal": Causal(),
    "masked": Masked(rate=0.4),
    "prefix": Prefix(),
    "permutation": Permutation(share=0.5),
    "mixture": Mixture(of={"a": Causal(), "b": Masked(rate=0.4)}),
}
SHAPE = Transformer(layers=2, width=64, heads=4, kv_heads=2, ffn_dim=64, context=32)


@pytest.fixture(autouse=True)
def global_switches():
    before, environment = torch.are_deterministic_algorithms_enabled(), dict(os.environ)
    filled = torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.use_deterministic_algorithms(before)
    torch.utils.deterministic.fill_uninitialized_memory = filled
    os.environ.clear()
    os.environ.update(environment)


def network(objective, device, shape=SHAPE):
    return build_network(objective, shape, VOCABULARY.size, 0).to(device)


def job_on(folder, machine, objective, steps=6, shape=SHAPE, chosen=None, **more):
    machine.apply()
    model = network(objective, machine.device, shape)
    apply_training_options(model, chosen or settings())
    plan = Plan(steps, 8, 4, 2, 2, machine, capacity=more.pop("capacity", None))
    return job(folder, steps, chosen, model=model, objective=objective, plan=plan, **more)


def weights(model):
    return {name: value.cpu() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_training_in_float32_equals_that_on_a_cpu(tmp_path, device, objective):
    on_cpu = job_on(tmp_path / "on_cpu", Machine("cpu", "float32", 1), objective)
    on_device = job_on(tmp_path / "on_device", Machine(device, "float32", 1), objective)
    train(on_cpu)
    train(on_device)
    fresh, expected, found = (weights(m) for m in (network(objective, "cpu"), on_cpu.model, on_device.model))
    for name, value in expected.items():
        moved = (value - fresh[name]).norm()
        assert moved > 0 or not name.endswith("weight"), name
        assert (found[name] - value).norm() <= 0.02 * moved + 1e-6, name


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_recurrent_training_equals_that_on_a_cpu(tmp_path, device):
    shape = Recurrent(layers=1, width=16, context=16)
    jobs = [
        job_on(tmp_path / d, Machine(d, "float32", 1), Causal(), shape=shape) for d in dict.fromkeys(("cpu", device))
    ]
    for each in jobs:
        train(each)
    for name, value in weights(jobs[0].model).items():
        torch.testing.assert_close(weights(jobs[-1].model)[name], value, rtol=1e-2, atol=1e-3, msg=name)


WAYS = [("float32", "adamw", "causal"), ("bfloat16", "adamw", "permutation"), ("bfloat16", "muon", "mixture")]


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(("dtype", "optimizer", "objective"), WAYS)
def test_stopped_training_resumes_bit_for_bit(tmp_path, device, dtype, optimizer, objective):
    machine, chosen = Machine(device, dtype, 1), settings(optimizer=optimizer, ema=0.9)
    given = {"objective": OBJECTIVES[objective], "chosen": chosen, "steps": 5, "shape": with_dropout()}
    straight = job_on(tmp_path / "straight", machine, **given)
    train(straight)
    seen = []
    work = job_on(
        tmp_path / "stopped", machine, watch=lambda r, plan: seen.append(r["step"]), stop=lambda: seen[-1] == 3, **given
    )
    with pytest.raises(Stopped):
        train(work)
    work.journal.close()
    again = job_on(tmp_path / "stopped", machine, **given)
    train(again)
    for name, value in weights(straight.model).items():
        assert torch.equal(weights(again.model)[name], value), name


def with_dropout():
    return SHAPE.model_copy(update={"dropout": 0.1})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # warnings of the compiler
@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("objective", ["mixture", "permutation"])
def test_a_compiled_and_padded_step_equals_the_plain_step(device, objective):
    machine, chosen = Machine(device, "float32", 1), settings(compile=True)
    machine.apply()
    chosen_objective = OBJECTIVES[objective]
    plain, fast = network(chosen_objective, device), network(chosen_objective, device)
    apply_training_options(fast, chosen)
    for first in (0, 8, 16):
        sides = []
        for model, capacity in ((plain, None), (fast, 128)):
            model.zero_grad()
            batches = micro_batches(chosen_objective, ToySamples(), first, 8, 4, 0.0, capacity)
            sides.append(accumulate(model, chosen_objective, batches, machine, 0).loss)
        assert sides[1] == pytest.approx(sides[0], rel=1e-4)
        for (name, a), (_, b) in zip(plain.named_parameters(), fast.named_parameters(), strict=True):
            assert torch.allclose(a.grad, b.grad, rtol=1e-2, atol=1e-4), name


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_measured_losses_are_equal_on_devices(device):
    batches = micro_batches(OBJECTIVES["mixture"], ToySamples(), 0, 12, 3, 1.0)
    found = [
        measure(network(OBJECTIVES["mixture"], d), OBJECTIVES["mixture"], batches, Machine(d, "float32", 1))
        for d in ("cpu", device)
    ]
    assert found[1].counts == found[0].counts
    assert found[1].sums == pytest.approx(found[0].sums, rel=1e-4)


def test_cuda_uses_deterministic_algorithms(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    Machine("cpu", "float32", torch.get_num_threads()).apply()
    assert not torch.are_deterministic_algorithms_enabled()
    Machine("cuda", "bfloat16", torch.get_num_threads()).apply()
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_a_step_has_only_deterministic_operations(objective):
    """As far as a CPU can tell: torch raises an error for an operation without a deterministic form."""
    use_deterministic_algorithms()
    model = network(objective, "cpu")
    accumulate(model, objective, micro_batches(objective, ToySamples(), 0, 8, 4, 0.0), Machine("cpu", "float32", 1), 0)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_resuming_a_gpu_run_without_a_gpu_is_refused():
    facts = Machine("cuda", "bfloat16", 4).facts()
    with pytest.raises(
        WrongInput, match=r"machine.device, which the run was started with: this machine has no cuda"
    ) as refused:
        recorded_machine(facts)
    assert "\n" not in str(refused.value)
    assert recorded_machine(Machine("cpu", "float32", 1).facts()) == Machine("cpu", "float32", 1)
