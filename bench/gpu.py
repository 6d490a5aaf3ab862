"""`python -m bench.gpu [--rounds 5] [--steps 20] [--batch-tokens 65536] [--micro-batch-tokens 16384]`

Tokens a second and the share of the product peak at 124M parameters (the shape of GPT-2 small) on a CUDA device:
danlu's loop beside a plain loop over the transformers model, compiled and not, in turns. Tokens are drawn evenly: speed
does not depend on them. danlu also reads short documents, which do not see each other; the plain loop has whole rows
only. danlu runs as it always does on CUDA, by operations that repeat exactly; the plain loop by torch's fastest.
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

from bench.ours import WARM, Pace
from bench.peer import model_of
from bench.sides import OURS, Side
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
"""Mean tokens of a short document."""


@dataclass(frozen=True)
class Work:
    """What every contestant does: an architecture, tokens a step and at once, and where."""

    shape: Gpt2
    vocabulary: Vocabulary
    batch_tokens: int
    micro_batch_tokens: int
    machine: Machine


@dataclass(frozen=True)
class EvenDraws:
    """Units of one context of evenly drawn tokens: a document each, or cut into documents of `document` tokens in the
    mean."""

    work: Work
    document: int | None = None
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
    """danlu's loop, journal and checkpoint at the end included, though not in the time."""

    def __init__(self, work: Work, compiled: bool, document: int | None = None):
        work.machine.apply()
        self.work, self.samples = work, EvenDraws(work, document)
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

    def round(self, steps: int) -> Pace:
        settings = TrainingSettings.model_validate({**self.settings, "budget": f"{steps + WARM} steps"})
        plan = make_plan(settings, self.model, Causal(), self.samples, self.work.machine, None)
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            journal = Journal(Path(name, "metrics.jsonl"))
            job = Job(
                "bench", self.model, Causal(), self.samples, settings, plan, Checkpoints(Path(name, "saved")), journal
            )
            train(job)
            journal.close()
            records = [r for r in read_journal(Path(name, "metrics.jsonl")) if r["kind"] == "train"]
        first, last = records[WARM - 1], records[-1]
        return Pace(last["tokens"] - first["tokens"], last["time"] - first["time"])


class PlainLoop:
    """The loop that one writes oneself: whole rows, autocast, fused AdamW, clipped gradients."""

    def __init__(self, work: Work, compiled: bool):
        self.work = work
        torch.manual_seed(0)
        model = model_of(work.shape, Causal(), work.vocabulary).to(work.machine.device).train()
        self.parameters = list(model.parameters())
        self.model: Callable[..., Any] = torch.compile(model) if compiled else model

    def round(self, steps: int) -> Pace:
        work, context = self.work, self.work.shape.context
        rows = max(1, work.micro_batch_tokens // context)
        parts = max(1, work.batch_tokens // (rows * context))
        optimizer = torch.optim.AdamW(self.parameters, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        rng, ends = np.random.default_rng(0), []
        for _ in range(steps + WARM):
            for _ in range(parts):
                drawn = rng.integers(1, work.vocabulary.size, (rows, context))
                ids = torch.from_numpy(drawn).to(work.machine.device, non_blocking=True)
                with work.machine.autocast():
                    loss = self.model(input_ids=ids, labels=ids).loss / parts
                loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            wait(work.machine.device)
            ends.append(time.perf_counter())
        return Pace(steps * parts * rows * context, ends[-1] - ends[WARM - 1])


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def peak(machine: Machine, size: int) -> float:
    """Operations a second of products of two square matrices, the best of some."""
    dtype = getattr(torch, machine.dtype)
    a, b = (torch.randn(size, size, device=machine.device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(20):
        wait(machine.device)
        start = time.perf_counter()
        a @ b
        wait(machine.device)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def operations_per_token(work: Work) -> float:
    """6 for each weight that is multiplied (the output table is, the position table is not), and 12 x layers x width x
    context for attention, all pairs counted (Chowdhery et al. 2022, appendix B)."""
    network = build_network(Causal(), work.shape, work.vocabulary.size, 0)
    weights = sum(p.numel() for n, p in network.named_parameters() if not n.startswith("embeddings.position"))
    return 6.0 * weights + 12.0 * work.shape.layers * work.shape.width * work.shape.context


@functools.cache
def our_side(work: Work, compiled: bool, document: int | None) -> Danlu:
    return Danlu(work, compiled, document)


@functools.cache
def their_side(work: Work, compiled: bool) -> PlainLoop:
    return PlainLoop(work, compiled)


def our_round(work: Work, compiled: bool, document: int | None, steps: int) -> float:
    return our_side(work, compiled, document).round(steps).rate


def their_round(work: Work, compiled: bool, steps: int) -> float:
    return their_side(work, compiled).round(steps).rate


def measure(
    ours: Side, theirs: Side, work: Work, rounds: int, steps: int, compiled: bool = True, product: int = 8192
) -> dict[str, Any]:
    """Rates are medians over rounds in which all have their turn; ratios, medians of the rounds' own."""
    best, each = theirs.ask(peak, work.machine, product), operations_per_token(work)
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for how, word in ((False, ""), (True, ", compiled"))[: 1 + compiled]:
            for name, side, function, given in (
                (f"plain loop{word}", theirs, their_round, ()),
                (f"danlu{word}", ours, our_round, (None,)),
                (f"danlu{word}, short documents", ours, our_round, (DOCUMENT,)),
            ):
                rates.setdefault(name, []).append(side.ask(function, work, how, *given, steps))
    middle = {name: statistics.median(of) for name, of in rates.items()}
    return {
        "operations_per_token": each,
        "peak": best,
        "tokens_per_second": middle,
        "share_of_peak": {name: rate * each / best for name, rate in middle.items()},
        "danlu_over_plain_loop": {
            word.removeprefix(", ") or "eager": statistics.median(
                a / b for a, b in zip(rates[f"danlu{word}"], rates[f"plain loop{word}"], strict=True)
            )
            for word in ("", ", compiled")[: 1 + compiled]
        },
        "rounds": rates,
    }


def print_rates(found: dict[str, Any]) -> None:
    print(f"peak of products {found['peak'] / 1e12:,.1f} T operations a second")
    for name, rate in found["tokens_per_second"].items():
        print(f"  {name:34s} {rate:12,.0f} tokens/s  {found['share_of_peak'][name]:6.1%} of the peak")


def main() -> None:
    words = argparse.ArgumentParser(prog="bench.gpu", description=__doc__)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--steps", type=int, default=20, help="steps of each in each round")
    words.add_argument("--batch-tokens", type=int, default=65_536)
    words.add_argument("--micro-batch-tokens", type=int, default=16_384)
    given = words.parse_args()
    if not torch.cuda.is_available():
        print(
            "bench.gpu: this machine has no CUDA device that torch can reach; danlu doctor says more", file=sys.stderr
        )
        sys.exit(2)
    machine = resolve_machine(device="cuda")
    ours, theirs = Side(OURS), Side({})
    work = Work(SHAPE, VOCABULARY, given.batch_tokens, given.micro_batch_tokens, machine)
    found = {"environment": environment(machine)} | measure(ours, theirs, work, given.rounds, given.steps)
    ours.close()
    theirs.close()
    print_rates(found)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(f"written to {RESULTS.name}")


if __name__ == "__main__":
    main()
