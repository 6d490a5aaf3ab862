"""Run the GPU benchmark: `python -m bench.gpu [--rounds 5] [--steps 20] [--batch-tokens 65536] ...`.

Measures tokens per second and the share of the peak matmul throughput at 124M parameters (the size of GPT-2 small) on a
CUDA device: danlu's loop alternates with a plain loop over the transformers model, both compiled and not. Tokens are
random, because speed does not depend on them. danlu also trains on short documents that do not attend to each other;
the plain loop has whole rows only. danlu uses deterministic operations, its default on CUDA; the plain loop uses
torch's fastest.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.ours import WARMUP_STEPS, Throughput
from bench.peer import peer_model
from bench.workers import DANLU_ENVIRONMENT, Worker
from danlu.architectures import build_network
from danlu.architectures.presets.gpt2 import Gpt2
from danlu.objective import Sample
from danlu.objectives.causal import Causal
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.checkpoint import Checkpoints
from danlu.training.journal import Journal, read_journal
from danlu.training.loop import Job, train
from danlu.training.plan import make_plan
from danlu.training.precision import Machine, environment, resolve_machine
from danlu.training.samples import UnitSample
from danlu.training.settings import TrainingSettings
from danlu.training.training_options import apply_training_options

RESULTS = Path(__file__).with_name("results-gpu.json")
VOCABULARY = Vocabulary(size=50_304, bos=0, eos=0, pad=0, mask=None, special=frozenset({0}))
SHAPE = Gpt2(layers=12, width=768, heads=12, context=1024)
DOCUMENT = 400
"""Mean length of a short document, in tokens."""


@dataclass(frozen=True)
class Work:
    """The common workload: architecture, tokens per step and per micro-batch, and machine."""

    shape: Gpt2
    vocabulary: Vocabulary
    batch_tokens: int
    micro_batch_tokens: int
    machine: Machine


@dataclass(frozen=True)
class RandomTokens:
    """Units of one context of uniformly drawn tokens: one document each, or several short ones."""

    work: Work
    document: int | None = None  # mean length of the documents, in tokens; None: one document per unit
    units: int = 1 << 20

    @property
    def vocabulary(self) -> Vocabulary:
        return self.work.vocabulary

    @property
    def tokens_per_unit(self) -> float:
        return float(self.work.shape.context)

    def pieces(self, n: int, overlap: int) -> list[np.ndarray]:
        rng, context = np.random.default_rng((1, n)), self.work.shape.context
        ids = rng.integers(1, self.vocabulary.size, context + 1)
        cuts = [] if self.document is None else np.flatnonzero(rng.random(context) < 1 / self.document)
        bounds = [0, *(int(c) for c in cuts if c > 0), context]
        return [ids[a : b + overlap] for a, b in itertools.pairwise(bounds)]

    def draw(self, n: int, progress: float) -> Sample:
        return UnitSample(0, n, progress, self.vocabulary, lambda overlap: self.pieces(n, overlap))


class Danlu:
    """danlu's loop. It also writes a journal and a final checkpoint, which are not timed."""

    def __init__(self, work: Work, compiled: bool, document: int | None = None):
        work.machine.apply()
        self.work, self.samples = work, RandomTokens(work, document)
        self.settings = {
            "batch_tokens": work.batch_tokens,
            "micro_batch_tokens": work.micro_batch_tokens,
            "optimizer": "adamw",
            "validations": 1,
            "keep": "last",
            "compile": compiled,
        }
        self.model = build_network(Causal(), work.shape, work.vocabulary.size, 0).to(work.machine.device)
        apply_training_options(self.model, TrainingSettings.model_validate(self.settings))

    def round(self, steps: int) -> Throughput:
        settings = TrainingSettings.model_validate({**self.settings, "budget": f"{steps + WARMUP_STEPS} steps"})
        plan = make_plan(settings, self.model, Causal(), self.samples, self.work.machine, None)
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            journal = Journal(Path(name, "metrics.jsonl"))
            job = Job(
                "bench", self.model, Causal(), self.samples, settings, plan, Checkpoints(Path(name, "saved")), journal
            )
            train(job)
            journal.close()
            records = [r for r in read_journal(Path(name, "metrics.jsonl")) if r["kind"] == "train"]
        first, last = records[WARMUP_STEPS - 1], records[-1]
        return Throughput(last["tokens"] - first["tokens"], last["time"] - first["time"])


class PlainLoop:
    """A typical hand-written loop: whole rows, autocast, fused AdamW, gradient clipping."""

    def __init__(self, work: Work, compiled: bool):
        self.work = work
        torch.manual_seed(0)
        model = peer_model(work.shape, Causal(), work.vocabulary).to(work.machine.device).train()
        self.parameters = list(model.parameters())
        self.model: Callable[..., Any] = torch.compile(model) if compiled else model

    def round(self, steps: int) -> Throughput:
        work, context = self.work, self.work.shape.context
        rows = max(1, work.micro_batch_tokens // context)
        micro_batches = max(1, work.batch_tokens // (rows * context))
        optimizer = torch.optim.AdamW(self.parameters, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        rng, ends = np.random.default_rng(0), []
        for _ in range(steps + WARMUP_STEPS):
            for _ in range(micro_batches):
                drawn = rng.integers(1, work.vocabulary.size, (rows, context))
                ids = torch.from_numpy(drawn).to(work.machine.device, non_blocking=True)
                with work.machine.autocast():
                    loss = self.model(input_ids=ids, labels=ids).loss / micro_batches
                loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            synchronize(work.machine.device)
            ends.append(time.perf_counter())
        return Throughput(steps * micro_batches * rows * context, ends[-1] - ends[WARMUP_STEPS - 1])


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def peak(machine: Machine, size: int) -> float:
    """Measure the peak matmul throughput in operations per second, the best of 20 products of square matrices."""
    dtype = getattr(torch, machine.dtype)
    a, b = (torch.randn(size, size, device=machine.device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(20):
        synchronize(machine.device)
        start = time.perf_counter()
        a @ b
        synchronize(machine.device)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def operations_per_token(work: Work) -> float:
    """Return the floating-point operations per token (Chowdhery et al. 2022, appendix B).

    They are 6 per matmul weight (including the output layer, but not the position embeddings), and 12 x layers x width
    x context for attention, counting all pairs of positions.
    """
    network = build_network(Causal(), work.shape, work.vocabulary.size, 0)
    weights = sum(p.numel() for n, p in network.named_parameters() if not n.startswith("embeddings.position"))
    return 6.0 * weights + 12.0 * work.shape.layers * work.shape.width * work.shape.context


@functools.cache
def our_loop(work: Work, compiled: bool, document: int | None) -> Danlu:
    return Danlu(work, compiled, document)


@functools.cache
def their_loop(work: Work, compiled: bool) -> PlainLoop:
    return PlainLoop(work, compiled)


def our_round(work: Work, compiled: bool, document: int | None, steps: int) -> float:
    return our_loop(work, compiled, document).round(steps).rate


def their_round(work: Work, compiled: bool, steps: int) -> float:
    return their_loop(work, compiled).round(steps).rate


def measure(
    ours: Worker, theirs: Worker, work: Work, rounds: int, steps: int, compiled: bool = True, product: int = 8192
) -> dict[str, Any]:
    """Measure all loops in turn in every round; return medians of the rates and of the ratios over the rounds."""
    best, operations = theirs.call(peak, work.machine, product), operations_per_token(work)
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for is_compiled, suffix in ((False, ""), (True, ", compiled"))[: 1 + compiled]:
            for name, worker, function, document in (
                (f"plain loop{suffix}", theirs, their_round, ()),
                (f"danlu{suffix}", ours, our_round, (None,)),
                (f"danlu{suffix}, short documents", ours, our_round, (DOCUMENT,)),
            ):
                rates.setdefault(name, []).append(worker.call(function, work, is_compiled, *document, steps))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "operations_per_token": operations,
        "peak": best,
        "tokens_per_second": medians,
        "share_of_peak": {name: rate * operations / best for name, rate in medians.items()},
        "danlu_over_plain_loop": {
            suffix.removeprefix(", ") or "eager": statistics.median(
                a / b for a, b in zip(rates[f"danlu{suffix}"], rates[f"plain loop{suffix}"], strict=True)
            )
            for suffix in ("", ", compiled")[: 1 + compiled]
        },
        "rounds": rates,
    }


def print_rates(found: dict[str, Any]) -> None:
    print(f"peak matmul throughput {found['peak'] / 1e12:,.1f} TFLOP/s")
    for name, rate in found["tokens_per_second"].items():
        print(f"  {name:34s} {rate:12,.0f} tokens/s  {found['share_of_peak'][name]:6.1%} of peak")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.gpu", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="steps per loop and round")
    parser.add_argument("--batch-tokens", type=int, default=65_536)
    parser.add_argument("--micro-batch-tokens", type=int, default=16_384)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("bench.gpu: torch finds no CUDA device; run danlu doctor for details", file=sys.stderr)
        sys.exit(2)
    machine = resolve_machine(device="cuda")
    ours, theirs = Worker(DANLU_ENVIRONMENT), Worker({})
    work = Work(SHAPE, VOCABULARY, arguments.batch_tokens, arguments.micro_batch_tokens, machine)
    found = {"environment": environment(machine)} | measure(ours, theirs, work, arguments.rounds, arguments.steps)
    ours.close()
    theirs.close()
    print_rates(found)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(f"written to {RESULTS.name}")


if __name__ == "__main__":
    main()
