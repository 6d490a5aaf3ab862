"""Measure tokens per second (without padding) of pre-training, alternating between danlu and the Trainer."""

from __future__ import annotations

import functools
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.ours import Ours
from bench.peer import Collator, Peer, group_texts, peer_model, rows_by_document, supports_bfloat16
from bench.texts import Texts, docstring_texts
from bench.workers import Worker
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
"""The Trainer sorts rows by length within fifty batches, so fewer steps would train on the longest rows only."""

PEERS = {
    "masked": {"by length": (True, False), "by length, sparse head": (True, True), "group_texts": (False, False)},
    "causal": {"by length": (True, False), "group_texts": (False, False)},
}
"""Batching of the Trainer: {name: (rows grouped by length rather than packed, ModernBERT's sparse head)}."""


def objective_and_architecture(objective: str, size: str) -> tuple[Settings, Settings]:
    if objective == "masked":
        return Masked(), ModernBert(**SIZES[size])
    return Causal(), Llama(**SIZES[size])


@functools.cache
def temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="bench-"))


@functools.cache
def texts() -> Texts:
    return docstring_texts(temporary_folder())


@functools.cache
def our_model(objective: str, size: str) -> tuple[Ours, Any]:
    machine = resolve_machine()
    machine.apply()
    ours = Ours(texts(), *objective_and_architecture(objective, size), machine, temporary_folder() / "ours")
    return ours, ours.network()


def our_round(objective: str, size: str, optimizer: str) -> float:
    ours, model = our_model(objective, size)
    return ours.round(model, OUR_STEPS, BATCH_TOKENS, optimizer).rate


@functools.cache
def their_model(name: str, size: str, batching: str) -> Peer:
    by_length, sparse = PEERS[name][batching]
    objective, architecture = objective_and_architecture(name, size)
    vocabulary, folder = texts().data.tokenizer.vocabulary, temporary_folder()
    documents = texts().documents
    rows = rows_by_document(documents, vocabulary, CONTEXT) if by_length else group_texts(documents, CONTEXT)
    mean = sum(len(row["input_ids"]) for row in rows) / len(rows)
    collator = Collator(vocabulary, name == "masked")
    model = peer_model(architecture, objective, vocabulary, sparse)
    bfloat16 = resolve_machine().dtype == "bfloat16" and supports_bfloat16(model, rows, collator, folder / "trial")
    return Peer(model, rows, collator, max(1, round(BATCH_TOKENS / mean)), by_length, bfloat16, folder / "peer")


def their_round(objective: str, size: str, batching: str) -> float:
    return their_model(objective, size, batching).round(PEER_STEPS).rate


def measure(ours: Worker, theirs: Worker, rounds: int) -> list[dict[str, Any]]:
    """Return one entry per objective and size, with medians of the rates and of the ratios over the rounds."""
    found = []
    for objective in PEERS:
        for size in SIZES:
            rates: dict[str, list[float]] = {}
            for _ in range(rounds):
                for batching in PEERS[objective]:
                    rate = theirs.call(their_round, objective, size, batching)
                    rates.setdefault(f"Trainer, {batching}", []).append(rate)
                for optimizer in ("adamw", "muon"):
                    rate = ours.call(our_round, objective, size, optimizer)
                    rates.setdefault(f"danlu, {optimizer}", []).append(rate)
            adamw = rates["danlu, adamw"]
            entry = {
                "objective": objective,
                "size": size,
                "tokens_per_second": {k: statistics.median(v) for k, v in rates.items()},
                "danlu_adamw_over": {
                    k: statistics.median(a / b for a, b in zip(adamw, v, strict=True)) for k, v in rates.items()
                },
            }
            print_rates(entry)
            found.append(entry)
    return found


def print_rates(entry: dict[str, Any]) -> None:
    print(f"\n{entry['objective']}, {entry['size']} parameters: tokens per second, ratio of danlu with AdamW to each")
    for name, rate in entry["tokens_per_second"].items():
        print(f"  {name:32s} {rate:9,.0f}  {entry['danlu_adamw_over'][name]:5.2f}", flush=True)
