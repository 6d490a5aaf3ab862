"""How soon danlu reaches the bits per byte that the Trainer reaches in three minutes at its best learning rate and the
better of two batch sizes."""

from __future__ import annotations

import functools
import time
from typing import Any

from bench.ours import Ours
from bench.peer import Collator, Peer, grouped, learner_of, model_of
from bench.sides import Side
from bench.speed import BATCH_TOKENS, CONTEXT, bfloat16_runs, folder, parts
from bench.texts import Texts, pages
from danlu.evaluation.likelihood import likelihood
from danlu.training.budget import Budget
from danlu.training.loop import train
from danlu.training.precision import Machine, resolve_machine

RATES = (5e-4, 1e-3, 3e-3)
HALF = BATCH_TOKENS // 2
"""Tokens a step of ours: in so short a time more steps are worth more than larger ones. The Trainer tries it too."""

BUDGETS = (10, 15, 20, 30, 45, 60, 75, 90, 120)
"""Seconds given to danlu, one after another until it is as good."""


@functools.cache
def texts() -> Texts:
    return pages()


def bits(model: Any) -> float:
    """Validation bits per byte, in float32, half a context of overlap."""
    machine = Machine("cpu", "float32", resolve_machine().threads)
    return likelihood(model, texts().data.store("validation"), CONTEXT, CONTEXT // 2, machine).bits_per_byte


def theirs_after(seconds: float, rate: float, batch_tokens: int) -> dict[str, float]:
    """The Trainer's bits per byte; its schedule ends with the time, from the pace of some steps before."""
    objective, architecture = parts("causal", "7M")
    vocabulary = texts().data.tokenizer.vocabulary
    rows, collator = grouped(texts().documents, CONTEXT), Collator(vocabulary, False)
    narrow = resolve_machine().dtype == "bfloat16"
    narrow = narrow and bfloat16_runs(model_of(architecture, objective, vocabulary), rows, collator, folder() / "t")
    batch = batch_tokens // CONTEXT

    def peer() -> Peer:
        model = model_of(architecture, objective, vocabulary)
        return Peer(model, rows, collator, batch, False, narrow, folder() / "peer")

    pace = peer().round(20)
    steps = max(20, round(seconds * pace.rate / batch_tokens))
    fresh = peer()
    start = time.perf_counter()
    fresh.trainer(steps, rate).train()
    spent = time.perf_counter() - start
    side = Ours(texts(), objective, architecture, Machine("cpu", "float32", 1), folder() / "judge")
    judged = bits(learner_of(fresh.model.float(), side.network(), architecture, objective))
    return {"bits_per_byte": judged, "seconds": spent, "tokens": steps * batch_tokens}


def ours_after(seconds: float, optimizer: str, rate: float) -> dict[str, float]:
    machine = resolve_machine()
    machine.apply()
    objective, architecture = parts("causal", "7M")
    side = Ours(texts(), objective, architecture, machine, folder() / "ours")
    model = side.network()
    chosen = {"name": optimizer, "learning_rate": rate}
    job = side.job(model, Budget(seconds, "seconds"), batch_tokens=HALF, optimizer=chosen)
    start = time.perf_counter()
    position = train(job)
    spent = time.perf_counter() - start
    return {"bits_per_byte": bits(model.eval()), "seconds": spent, "tokens": position.tokens}


def measure(ours: Side, theirs: Side, seconds: float) -> dict[str, Any]:
    peer: dict[tuple[float, int], dict[str, float]] = {}

    def best() -> tuple[float, int]:
        return min(peer, key=lambda one: peer[one]["bits_per_byte"])

    def tried_with(rate: float, batch_tokens: int) -> None:
        found = peer[rate, batch_tokens] = theirs.ask(theirs_after, seconds, rate, batch_tokens)
        print(f"  Trainer, {rate:g}, {batch_tokens} tokens a step: {told(found)}", flush=True)

    for rate in RATES:
        tried_with(rate, BATCH_TOKENS)
    tried_with(best()[0], HALF)
    wanted = peer[best()]["bits_per_byte"]
    tried = {}
    for budget in BUDGETS:
        tried[budget] = ours.ask(ours_after, budget, "muon", 4e-3)
        print(f"  danlu, Muon 0.004: {told(tried[budget])}", flush=True)
        if tried[budget]["bits_per_byte"] <= wanted:
            break
    full = ours.ask(ours_after, seconds, "muon", 4e-3)
    print(f"  danlu, Muon 0.004: {told(full)}", flush=True)
    reached = [found["seconds"] for found in tried.values() if found["bits_per_byte"] <= wanted]
    return {
        "trainer": {f"{rate:g}, {tokens}": found for (rate, tokens), found in peer.items()},
        "trainer_best": f"{best()[0]:g}, {best()[1]}",
        "danlu": {str(budget): found for budget, found in tried.items()} | {"full": full},
        "seconds_to_the_trainers_best": min(reached) if reached else None,
    }


def told(found: dict[str, float]) -> str:
    return f"{found['bits_per_byte']:.3f} bits per byte after {found['seconds']:.0f} s, {found['tokens']:,} tokens"
