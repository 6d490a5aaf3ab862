"""Real tokens a second of pre-training, danlu and the Trainer in turns."""

from __future__ import annotations

import functools
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.ours import Ours
from bench.peer import Collator, Peer, bfloat16_runs, framed, grouped, model_of
from bench.sides import Side
from bench.texts import Texts, natural
from danlu.architectures.presets.llama import Llama
from danlu.architectures.presets.modernbert import ModernBert
from danlu.objectives.causal import Causal
from danlu.objectives.masked import Masked
from danlu.settings import Settings
from danlu.training.precision import resolve_machine

CONTEXT, BATCH_TOKENS = 256, 2048
SIZES = {
    "7M": {"layers": 6, "width": 256, "heads": 4, "context": CONTEXT},
    "15M": {"layers": 6, "width": 384, "heads": 6, "context": CONTEXT},
}
PEER_STEPS, OUR_STEPS = 50, 50
"""The Trainer sorts rows by length within fifty batches: fewer steps would see the long ones only."""

PEERS = {
    "masked": {"by length": (True, False), "by length, sparse head": (True, True), "group_texts": (False, False)},
    "causal": {"by length": (True, False), "group_texts": (False, False)},
}
"""How the Trainer is fed: {name: (rows by length rather than packed, ModernBERT's sparse head)}."""


def parts(objective: str, size: str) -> tuple[Settings, Settings]:
    if objective == "masked":
        return Masked(), ModernBert(**SIZES[size])
    return Causal(), Llama(**SIZES[size])


@functools.cache
def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="bench-"))


@functools.cache
def texts() -> Texts:
    return natural(folder())


@functools.cache
def our_model(objective: str, size: str) -> tuple[Ours, Any]:
    machine = resolve_machine()
    machine.apply()
    side = Ours(texts(), *parts(objective, size), machine, folder() / "ours")
    return side, side.network()


def our_round(objective: str, size: str, optimizer: str) -> float:
    side, model = our_model(objective, size)
    return side.round(model, OUR_STEPS, BATCH_TOKENS, optimizer).rate


@functools.cache
def their_model(objective: str, size: str, way: str) -> Peer:
    by_length, sparse = PEERS[objective][way]
    chosen, architecture = parts(objective, size)
    vocabulary = texts().data.tokenizer.vocabulary
    documents = texts().documents
    rows = framed(documents, vocabulary, CONTEXT) if by_length else grouped(documents, CONTEXT)
    mean = sum(len(row["input_ids"]) for row in rows) / len(rows)
    collator = Collator(vocabulary, objective == "masked")
    model = model_of(architecture, chosen, vocabulary, sparse)
    narrow = resolve_machine().dtype == "bfloat16" and bfloat16_runs(model, rows, collator, folder() / "trial")
    return Peer(model, rows, collator, max(1, round(BATCH_TOKENS / mean)), by_length, narrow, folder() / "peer")


def their_round(objective: str, size: str, way: str) -> float:
    return their_model(objective, size, way).round(PEER_STEPS).rate


def measure(ours: Side, theirs: Side, rounds: int) -> list[dict[str, Any]]:
    """One entry for each objective and size; rates are medians over the rounds, ratios medians of the rounds' own."""
    found = []
    for objective in PEERS:
        for size in SIZES:
            rates: dict[str, list[float]] = {}
            for _ in range(rounds):
                for way in PEERS[objective]:
                    rate = theirs.ask(their_round, objective, size, way)
                    rates.setdefault(f"Trainer, {way}", []).append(rate)
                for optimizer in ("adamw", "muon"):
                    rate = ours.ask(our_round, objective, size, optimizer)
                    rates.setdefault(f"danlu, {optimizer}", []).append(rate)
            mine = rates["danlu, adamw"]
            entry = {
                "objective": objective,
                "size": size,
                "tokens_per_second": {k: statistics.median(v) for k, v in rates.items()},
                "danlu_adamw_over": {
                    k: statistics.median(a / b for a, b in zip(mine, v, strict=True)) for k, v in rates.items()
                },
            }
            print_rates(entry)
            found.append(entry)
    return found


def print_rates(entry: dict[str, Any]) -> None:
    print(f"\n{entry['objective']}, {entry['size']} parameters: real tokens a second; danlu's AdamW over each")
    for name, rate in entry["tokens_per_second"].items():
        print(f"  {name:32s} {rate:9,.0f}  {entry['danlu_adamw_over'][name]:5.2f}", flush=True)
