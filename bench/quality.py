"""Measure how soon danlu reaches the bits per byte of the Trainer.

The Trainer trains for three minutes, with the best of three learning rates and the better of two batch sizes.
"""

from __future__ import annotations

import functools
import time
from typing import Any

from bench.ours import Ours
from bench.peer import Collator, Peer, group_texts, load_peer_weights, peer_model
from bench.speed import BATCH_TOKENS, CONTEXT, objective_and_architecture, supports_bfloat16, temporary_folder
from bench.texts import Texts, page_texts
from bench.workers import Worker
from danlu.evaluation.likelihood import likelihood
from danlu.training.budget import Budget
from danlu.training.loop import train
from danlu.training.precision import Machine, resolve_machine

RATES = (5e-4, 1e-3, 3e-3)
SMALL_BATCH_TOKENS = BATCH_TOKENS // 2
"""Tokens per step of danlu: in so short a time, more steps help more than larger batches. The Trainer tries it too."""

BUDGETS = (10, 15, 20, 30, 45, 60, 75, 90, 120)
"""Training times of danlu in seconds, in ascending order until it reaches the quality of the Trainer."""


@functools.cache
def texts() -> Texts:
    return page_texts()


def bits(model: Any) -> float:
    """Return the validation bits per byte in float32, with an overlap of half a context."""
    machine = Machine("cpu", "float32", resolve_machine().threads)
    return likelihood(model, texts().data.store("validation"), CONTEXT, CONTEXT // 2, machine).bits_per_byte


def train_peer(seconds: float, rate: float, batch_tokens: int) -> dict[str, float]:
    """Train with the Trainer and return its bits per byte; a trial estimates the number of steps for the time."""
    objective, architecture = objective_and_architecture("causal", "7M")
    vocabulary, folder = texts().data.tokenizer.vocabulary, temporary_folder()
    rows, collator = group_texts(texts().documents, CONTEXT), Collator(vocabulary, False)
    bfloat16 = resolve_machine().dtype == "bfloat16" and supports_bfloat16(
        peer_model(architecture, objective, vocabulary), rows, collator, folder / "t"
    )

    def peer() -> Peer:
        model = peer_model(architecture, objective, vocabulary)
        return Peer(model, rows, collator, batch_tokens // CONTEXT, False, bfloat16, folder / "peer")

    throughput = peer().round(20)
    steps = max(20, round(seconds * throughput.rate / batch_tokens))
    trained = peer()
    start = time.perf_counter()
    trained.trainer(steps, rate).train()
    spent = time.perf_counter() - start
    ours = Ours(texts(), objective, architecture, Machine("cpu", "float32", 1), folder / "judge")
    found = bits(load_peer_weights(trained.model.float(), ours.network(), architecture, objective))
    return {"bits_per_byte": found, "seconds": spent, "tokens": steps * batch_tokens}


def train_danlu(seconds: float, optimizer: str, rate: float) -> dict[str, float]:
    """Train with danlu and return its bits per byte."""
    machine = resolve_machine()
    machine.apply()
    objective, architecture = objective_and_architecture("causal", "7M")
    ours = Ours(texts(), objective, architecture, machine, temporary_folder() / "ours")
    model = ours.network()
    settings = {"name": optimizer, "learning_rate": rate}
    job = ours.job(model, Budget(seconds, "seconds"), batch_tokens=SMALL_BATCH_TOKENS, optimizer=settings)
    start = time.perf_counter()
    state = train(job)
    spent = time.perf_counter() - start
    return {"bits_per_byte": bits(model.eval()), "seconds": spent, "tokens": state.tokens}


def measure(ours: Worker, theirs: Worker, seconds: float) -> dict[str, Any]:
    """Train with the Trainer, then with danlu for increasing times until it is as good, and once for the same time."""
    peer: dict[tuple[float, int], dict[str, float]] = {}

    def best() -> tuple[float, int]:
        return min(peer, key=lambda settings: peer[settings]["bits_per_byte"])

    def run_peer(rate: float, batch_tokens: int) -> None:
        found = peer[rate, batch_tokens] = theirs.call(train_peer, seconds, rate, batch_tokens)
        print(f"  Trainer, {rate:g}, {batch_tokens} tokens per step: {format_result(found)}", flush=True)

    for rate in RATES:
        run_peer(rate, BATCH_TOKENS)
    run_peer(best()[0], SMALL_BATCH_TOKENS)
    goal = peer[best()]["bits_per_byte"]
    tried = {}
    for budget in BUDGETS:
        tried[budget] = ours.call(train_danlu, budget, "muon", 4e-3)
        print(f"  danlu, Muon 0.004: {format_result(tried[budget])}", flush=True)
        if tried[budget]["bits_per_byte"] <= goal:
            break
    full = ours.call(train_danlu, seconds, "muon", 4e-3)
    print(f"  danlu, Muon 0.004: {format_result(full)}", flush=True)
    reached = [found["seconds"] for found in tried.values() if found["bits_per_byte"] <= goal]
    return {
        "trainer": {f"{rate:g}, {tokens}": found for (rate, tokens), found in peer.items()},
        "trainer_best": f"{best()[0]:g}, {best()[1]}",
        "danlu": {str(budget): found for budget, found in tried.items()} | {"full": full},
        "seconds_to_the_trainers_best": min(reached) if reached else None,
    }


def format_result(found: dict[str, float]) -> str:
    return f"{found['bits_per_byte']:.3f} bits per byte after {found['seconds']:.0f} s, {found['tokens']:,} tokens"
