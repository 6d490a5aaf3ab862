"""Where a step's time goes: each part alone, forward and backward, and its share of the product peak."""

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


def lower_quartile(work: Callable[[], object], times: int = 12) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return sorted(taken)[times // 4]


def peak(dtype: torch.dtype) -> float:
    """Operations a second of a product of two matrices of 2,048 by 2,048."""
    a = torch.randn(2048, 2048, dtype=dtype)
    return 2 * 2048**3 / lower_quartile(lambda: a @ a)


def both_ways(machine: Machine, work: Callable[..., Any], *given: Tensor) -> float:
    leaves = [x.detach().requires_grad_(x.is_floating_point()) for x in given]

    def step() -> None:
        with machine.autocast():
            made = work(*leaves)
        made = made if isinstance(made, tuple) else (made,)
        torch.autograd.backward(made, [torch.ones_like(m) for m in made])

    return lower_quartile(step)


def projected(attention: Any, x: Tensor, angles: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of [T, width]."""
    return attention.queries(x, angles), *attention.keys_values(x, angles)


def measure(objective: str, size: str) -> dict[str, Any]:
    """{part: seconds, operations a step, share of the peak}; the whole step beside their sum."""
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
        heads = tuple(v.detach() for v in projected(block.attention, x, angles))
    rows = getattr(layout, "shape", (len(stream), stream.lengths[0]))
    label = next(iter(stream.labels.values()))
    targets = int((label >= 0).sum())
    term = next(iter(stream.labels))
    head = model.head if objective == "masked" else torch.nn.Identity()
    at = label >= 0
    weights = {name: sum(p.numel() for p in m.parameters()) for name, m in block.named_children()}
    per_weight = 6 * tokens  # forward, and backward by inputs and by weights
    found = {
        "embedding": (lower_quartile(lambda: model.embed(stream).sum().backward()), 0.0),
        "attention's projections": (
            layers * (both_ways(machine, lambda x: projected(block.attention, x, angles), x)
                      + both_ways(machine, block.attention.out, x)),
            layers * per_weight * weights["attention"],
        ),
        "attention itself": (
            layers * both_ways(machine, lambda q, k, v: layout.attend(q, k, v), *heads),
            layers * 12.0 * rows[0] * rows[1] ** 2 * width,
        ),
        "feed-forward": (
            layers * both_ways(machine, block.feed_forward, x), layers * per_weight * weights["feed_forward"],
        ),
        "norms": ((2 * layers + 1) * both_ways(machine, block.feed_forward_norm, x), 0.0),
        "head and loss": (
            both_ways(machine, lambda x: model.token_loss(head(x[at]), label[at], model.objective.logits_from), x),
            6.0 * targets * width * model.vocabulary_size,
        ),
    }  # fmt: skip
    batches = micro_batches(model.objective, samples, 0, units, units, 0.0)
    whole = lower_quartile(lambda: accumulate(model, model.objective, batches, machine, 0))
    for chosen in (AdamW(), Muon()):
        found[f"optimiser ({chosen.name})"] = (  # now that every parameter has a gradient
            sum(lower_quartile(built.step) for built in chosen.build(model, machine)),
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
        f"\nwhere a step of {BATCH_TOKENS:,} tokens goes ({found['objective']}, {found['size']}, {found['dtype']}; "
        f"peak of products {found['peak'] / 1e9:,.0f} G operations a second)"
    )
    for name, part in found["parts"].items():
        share = f"{part['share_of_peak']:5.0%} of the peak" if part["operations"] else ""
        print(f"  {name:26s} {1000 * part['seconds']:7.1f} ms  {share}")
    whole = found["forward_and_backward"]
    share = f"{whole['share_of_peak']:5.0%} of the peak"
    print(f"  {'forward and backward':26s} {1000 * whole['seconds']:7.1f} ms  {share}")
