"""What pre-training came to: bits per byte beside its baselines on the same held-out bytes, and samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from danlu.architectures import Network
from danlu.evaluation.compressors import joined, zstd_bits, zstd_primed_bits
from danlu.metrics.intervals import weighted_interval
from danlu.evaluation.kneser_ney import KneserNey
from danlu.evaluation.likelihood import Likelihood, likelihood
from danlu.evaluation.text_to_text import rewrites
from danlu.evaluation.similarity import similarity_figures
from danlu.evaluation.text_vectors import vector_figures
from danlu.evaluation.unigram import unigram_nats
from danlu.config.schema import EvaluationSettings
from danlu.report.formatting import places
from danlu.runs.example_display import decoded_example
from danlu.runs.prepare_data import HELD_OUT, Data
from danlu.runs.pretrain_model import Pretraining, continued, rewritten
from danlu.training.precision import Machine
from danlu.training.step import measure

pass
from danlu.batch import Batch
from danlu.objective import Objective

TEXT_LOST = "the tokenizer does not give every text back: what it loses costs no bits"


def documents(data: Data, split: str) -> list[np.ndarray]:
    store = data.store(split)
    return [store.document(i) for i in range(store.documents)]


def baselines(data: Data, settings: EvaluationSettings) -> dict[str, Any]:
    """Bits per byte of each held-out split by models that need no network: {split: {name: bits per byte}}, None where
    text is lost in the tokens (`Data.exact`), and the n-gram's bits for each test document.

    The n-gram and the unigram are fitted to the same training tokens and pay for the same targets as a language model,
    the end of each document among them; the compressors see the same bytes with a newline between documents.
    """
    if not data.exact:
        return {**dict.fromkeys(HELD_OUT), "test_document_bits": {}}
    size = data.tokenizer.vocabulary.size
    training = documents(data, "train")
    model = KneserNey.fit(training, size, settings.ngram)
    train_text = joined(data.corpus.texts("train"))
    found = {}
    for split in HELD_OUT:
        held, size_bytes = documents(data, split), data.store(split).bytes
        text = joined(data.corpus.texts(split))
        ngram_bits = model.document_nats(held) / math.log(2)
        bits = {
            "unigram": unigram_nats(training, held, size)[0] / math.log(2),
            f"ngram{settings.ngram}": float(ngram_bits.sum()),
            "zstd": zstd_bits(text),
            "zstd_primed": zstd_primed_bits(text, train_text),
        }
        found[split] = {name: value / size_bytes for name, value in bits.items()}
    return found | {"test_document_bits": {f"ngram{settings.ngram}": ngram_bits.tolist()}}


def evaluate(
    job: Pretraining, trained: dict[str, Any], settings: EvaluationSettings, beside: dict[str, Any]
) -> dict[str, Any]:
    """The facts of one pre-trained model on the test split, for results.json. In float32 whatever trained it."""
    model = job.trained(trained).to(job.machine.device)
    machine = Machine(job.machine.device, "float32", job.machine.threads)
    store = job.data.store("test")
    facts: dict[str, Any] = {
        "test": {"documents": store.documents, "bytes": store.bytes, "tokens": store.tokens},
        "example": decoded_example(job),
        "bits_per_byte": None,
        "text_lost": job.recipe.objective.continues_text and not job.data.exact,
        "baselines": None,
        "samples": [],
    }
    batches = job.test_batches()
    losses = measure(model, job.recipe.objective, batches, machine)
    facts |= {"loss": losses.loss, "terms": {name: {"loss": value} for name, value in losses.terms.items()}}
    facts["judged"] = judged(job, model, batches, machine, settings)
    if job.recipe.objective.continues_text:
        context = job.recipe.architecture.context
        found = likelihood(model, store, context, min(settings.stride, context), machine)
        facts |= {
            "loss": found.loss,
            "perplexity": found.perplexity,
            "samples": [continued(job, model, p, job.recipe.sampling) for p in job.recipe.prompts],
        }
        if not facts["text_lost"]:
            facts |= in_bits(found, beside, settings)
    return facts


def in_bits(found: Likelihood, beside: dict[str, Any], settings: EvaluationSettings) -> dict[str, Any]:
    """Bits per byte of the test split beside the baselines, of tokens in which no text is lost."""
    bits, size = found.nats / math.log(2), found.bytes.astype(float)
    interval = weighted_interval(bits, size)
    facts: dict[str, Any] = {
        "bits_per_byte": found.bits_per_byte,
        "bits_per_byte_interval": None if interval.low is None else [interval.low, interval.high],
        "baselines": beside["test"],
        "differences": {
            name: weighted_interval(bits - np.array(theirs), size).json()
            for name, theirs in beside["test_document_bits"].items()
        },
        "validation_baselines": beside["validation"],
    }
    if settings.documents:
        facts |= {"document_bits": bits.tolist(), "document_bytes": size.tolist()}
    return facts


def judged(
    job: Pretraining, model: Network, batches: Sequence[Batch], machine: Machine, settings: EvaluationSettings
) -> dict[str, Any]:
    """What can be said of the model beside its loss: by the objective itself (`Objective.judge`), the recipe's
    prompts rewritten where the model does that, its vectors of texts where it is to give some (`EmbedsText`), and the
    pairs that the recipe has scores for."""
    objective, device = job.recipe.objective, torch.device(machine.device)
    with torch.no_grad():
        found = objective.judge(model, model.head, (batch.to(device) for batch in batches), job.source)
    if rewrites(objective) and job.recipe.prompts:
        made = [rewritten(job, model, text, job.recipe.sampling) for text in job.recipe.prompts]
        found = {**found, "samples": [*found.get("samples", []), *made]}
    figures = {name: with_interval(value) for name, value in found.get("figures", {}).items()}
    vocabulary = job.data.tokenizer.vocabulary
    models = {"": model, ", random weights": job.fresh().to(device).eval()}
    if objective.embeds_text:
        figures |= vector_figures(models, job.data.store("test"), vocabulary)
    for name, pairs in settings.similarity.items():
        of_pairs = similarity_figures(models, pairs.read(), job.data.tokenizer.encode_batch, vocabulary)
        figures |= {f"{name}: {figure}": value for figure, value in of_pairs.items()}
    return found | ({"figures": figures} if figures else {})


def with_interval(value: Any) -> Any:
    """A figure as it is; of an array of one value for each of n items, the mean with its confidence interval."""
    if not isinstance(value, np.ndarray):
        return value
    found = weighted_interval(value)
    return {"value": found.mean, "low": found.low, "high": found.high}


def figure(found: Any) -> str:
    """A number, with its interval where it has one."""
    if isinstance(found, dict):
        low, high = found["low"], found["high"]
        digits = places(found["value"])
        return figure(found["value"]) + ("" if low is None else f" [{low:.{digits}f}, {high:.{digits}f}]")
    return str(found) if isinstance(found, int) else f"{found:.{places(found)}f}"


def unit(objective: Objective, term: str) -> str:
    """What a term's loss is counted in: cross-entropies are nats, errors of numbers have no unit."""
    return "nats a target" if objective.is_cross_entropy(term) else "a target"


def what_is_read(objective: Objective) -> str:
    return "units" if objective.has_own_units else "documents"


def say_outcome(name: str, objective: Objective, facts: dict[str, Any], say: Callable[[str], None]) -> None:
    """One line a model: its figure, and for bits per byte the baselines beside it."""
    if facts.get("text_lost"):
        nats = f"{facts['loss']:.3f} nats a token on held-out documents, perplexity {facts['perplexity']:.1f}"
        say(f"{name:10s} {nats}; no bits per byte, since {TEXT_LOST}")
        return
    if facts["bits_per_byte"] is None:
        terms = ", ".join(
            f"{term} loss {figure(v['loss'])} {unit(objective, term)}" for term, v in facts["terms"].items()
        )
        say(f"{name:10s} on held-out {what_is_read(objective)}: {terms}")
        figures = facts["judged"].get("figures", {})
        if figures:
            say(f"{name:10s} {', '.join(f'{k} {figure(v)}' for k, v in figures.items())}")
        return
    ends = facts["bits_per_byte_interval"]  # a few documents have none
    bounds = f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else ""
    others = ", ".join(f"{k} {v:.3f}" for k, v in facts["baselines"].items())
    say(f"{name:10s} {facts['bits_per_byte']:.3f}{bounds} bits per byte on held-out documents; {others}")
