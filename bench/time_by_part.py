"""Measure the time of each part of a training step, forward and backward, and its share of the peak throughput."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench.speed import BATCH_TOKENS, SIZES, our_model, texts
from danlu.architectures.transformer.layout import layout_of
from danlu.architectures.transformer.positions import angles_by_window
from danlu.training.optimizers import AdamW, Muon
from danlu.training.precision import Machine, resolve_machine
from danlu.training.samples import WindowSamples
from danlu.training.step import accumulate, micro_batches


def lower_quartile(function: Callable[[], object], times: int = 12) -> float:
    """Return the lower quartile of the seconds that some calls take."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[times // 4]


def peak(dtype: torch.dtype) -> float:
    """Return the operations per second of a product of two matrices of 2,048 by 2,048."""
    a = torch.randn(2048, 2048, dtype=dtype)
    return 2 * 2048**3 / lower_quartile(lambda: a @ a)


def forward_backward(machine: Machine, function: Callable[..., Any], *inputs: Tensor) -> float:
    """Return the seconds of a forward and backward pass of a function."""
    leaves = [x.detach().requires_grad_(x.is_floating_point()) for x in inputs]

    def step() -> None:
        with machine.autocast():
            outputs = function(*leaves)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])

    return lower_quartile(step)


def project(attention: Any, x: Tensor, angles: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return the queries, keys and values of hidden states [T, width]."""
    return attention.queries(x, angles), *attention.keys_values(x, angles)


def measure(objective: str, size: str) -> dict[str, Any]:
    """Return the seconds, the operations and the share of the peak of each part of a step, and of the whole step."""
    _, model = our_model(objective, size)
    machine = resolve_machine()
    machine.apply()
    model.train()
    samples = WindowSamples(texts().data.store("train"), model.context, texts().data.tokenizer.vocabulary, 0)
    units = max(1, round(BATCH_TOKENS / samples.tokens_per_unit))
    stream = micro_batches(model.objective, samples, 0, units, units, 0.0)[0]["text"]
    layers, width, tokens = SIZES[size]["layers"], SIZES[size]["width"], len(stream.key)
    block, layout = model.backbone.blocks[-1], layout_of(stream)
    angles = next(iter(angles_by_window(model.backbone.settings, stream, model.backbone.windows).values()))
    x = torch.randn(tokens, width)
    with machine.autocast():
        heads = tuple(v.detach() for v in project(block.attention, x, angles))
    rows = getattr(layout, "shape", (len(stream), stream.lengths[0]))
    label = next(iter(stream.labels.values()))
    targets = int((label >= 0).sum())
    term = next(iter(stream.labels))
    head = model.head if objective == "masked" else torch.nn.Identity()
    at = label >= 0

    def token_loss(x: Tensor) -> Tensor:
        return model.token_loss(head(x[at]), label[at], model.objective.logits_from)

    weights = {name: sum(p.numel() for p in m.parameters()) for name, m in block.named_children()}
    per_weight = 6 * tokens  # forward pass, and gradients of inputs and of weights
    found = {
        "embedding": (lower_quartile(lambda: model.embed(stream).sum().backward()), 0.0),
        "attention's projections": (
            layers * (forward_backward(machine, lambda x: project(block.attention, x, angles), x)
                      + forward_backward(machine, block.attention.out, x)),
            layers * per_weight * weights["attention"],
        ),
        "attention itself": (
            layers * forward_backward(machine, lambda q, k, v: layout.attend(q, k, v), *heads),
            layers * 12.0 * rows[0] * rows[1] ** 2 * width,
        ),
        "feed-forward": (
            layers * forward_backward(machine, block.feed_forward, x), layers * per_weight * weights["feed_forward"],
        ),
        "norms": ((2 * layers + 1) * forward_backward(machine, block.feed_forward_norm, x), 0.0),
        "head and loss": (
            forward_backward(machine, token_loss, x),
            6.0 * targets * width * model.vocabulary_size,
        ),
    }  # fmt: skip
    batches = micro_batches(model.objective, samples, 0, units, units, 0.0)
    whole = lower_quartile(lambda: accumulate(model, model.objective, batches, machine, 0))
    for optimizer in (AdamW(), Muon()):
        found[f"optimiser ({optimizer.name})"] = (  # after the step above, because it needs gradients
            sum(lower_quartile(built.step) for built in optimizer.build(model, machine)),
            0.0,
        )
    found["data"] = (
        lower_quartile(lambda: micro_batches(model.objective, samples, units, units, units, 0.0)),
        0.0,
    )
    best = peak(getattr(torch, machine.dtype))
    operations = sum(o for _, o in found.values())
    return {
        "objective": objective,
        "term": term,
        "size": size,
        "dtype": machine.dtype,
        "peak": best,
        "parts": {k: {"seconds": t, "operations": o, "share_of_peak": o / t / best} for k, (t, o) in found.items()},
        "forward_and_backward": {"seconds": whole, "share_of_peak": operations / whole / best},
    }


def print_parts(found: dict[str, Any]) -> None:
    print(
        f"\ntime of a step of {BATCH_TOKENS:,} tokens ({found['objective']}, {found['size']}, {found['dtype']}; "
        f"peak matmul throughput {found['peak'] / 1e9:,.0f} GFLOP/s)"
    )
    for name, part in found["parts"].items():
        share = f"{part['share_of_peak']:5.0%} of peak" if part["operations"] else ""
        print(f"  {name:26s} {1000 * part['seconds']:7.1f} ms  {share}")
    whole = found["forward_and_backward"]
    share = f"{whole['share_of_peak']:5.0%} of peak"
    print(f"  {'forward and backward':26s} {1000 * whole['seconds']:7.1f} ms  {share}")
