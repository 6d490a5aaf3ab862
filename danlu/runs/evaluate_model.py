"""Evaluate a pre-trained model on the test split: bits per byte with baselines, losses, metrics of its objective."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from danlu.architectures import Network
from danlu.batch import Batch
from danlu.config.schema import EvaluationSettings
from danlu.evaluation.compressors import join_documents, zstd_bits, zstd_primed_bits
from danlu.evaluation.kneser_ney import KneserNey
from danlu.evaluation.likelihood import Likelihood, likelihood
from danlu.evaluation.similarity import similarity_figures
from danlu.evaluation.text_to_text import rewrites
from danlu.evaluation.text_vectors import vector_figures
from danlu.evaluation.unigram import unigram_nats
from danlu.metrics.intervals import weighted_interval
from danlu.runs.example_display import decode_example
from danlu.runs.prepare_data import HELD_OUT, Data
from danlu.runs.pretrain_model import Pretraining, continue_prompt, rewrite_prompt
from danlu.training.precision import Machine
from danlu.training.step import measure


def baselines(data: Data, settings: EvaluationSettings) -> dict[str, Any]:
    """Measure the baselines on each held-out split.

    The n-gram and the unigram model are fitted to the same training tokens and predict the same targets as a language
    model, including the end of each document; the compressors read the same bytes with a newline between documents.

    Returns:
        {split: {name: bits per byte}}, with None for a split if its tokens do not decode exactly (`Data.exact`), and as
        "test_document_bits" the bits of the n-gram model for each test document.
    """
    if not data.exact:
        return {**dict.fromkeys(HELD_OUT), "test_document_bits": {}}
    size = data.tokenizer.vocabulary.size
    training = documents(data, "train")
    model = KneserNey.fit(training, size, settings.ngram)
    train_text = join_documents(data.corpus.texts("train"))
    found = {}
    for split in HELD_OUT:
        held_out, size_bytes = documents(data, split), data.store(split).bytes
        text = join_documents(data.corpus.texts(split))
        ngram_bits = model.document_nats(held_out) / math.log(2)
        bits = {
            "unigram": unigram_nats(training, held_out, size)[0] / math.log(2),
            f"ngram{settings.ngram}": float(ngram_bits.sum()),
            "zstd": zstd_bits(text),
            "zstd_primed": zstd_primed_bits(text, train_text),
        }
        found[split] = {name: value / size_bytes for name, value in bits.items()}
    return found | {"test_document_bits": {f"ngram{settings.ngram}": ngram_bits.tolist()}}


def documents(data: Data, split: str) -> list[np.ndarray]:
    store = data.store(split)
    return [store.document(i) for i in range(store.documents)]


def evaluate_model(
    job: Pretraining, trained: dict[str, Any], settings: EvaluationSettings, controls: Mapping[str, Any]
) -> dict[str, Any]:
    """Evaluate one pre-trained model on the test split, in float32 whatever the training precision.

    Args:
        trained: the facts of its training.
        controls: the result of `baselines`.

    Returns:
        The facts for results.json.
    """
    model = job.load_trained(trained).to(job.machine.device)
    machine = Machine(job.machine.device, "float32", job.machine.threads)
    store, objective, batches = job.data.store("test"), job.recipe.objective, job.test_batches()
    losses = measure(model, objective, batches, machine)
    facts: dict[str, Any] = {
        "test": {"documents": store.documents, "bytes": store.bytes, "tokens": store.tokens},
        "example": decode_example(job),
        "bits_per_byte": None,
        "text_lost": objective.continues_text and not job.data.exact,
        "baselines": None,
        "samples": [],
        "loss": losses.loss,
        "terms": {name: {"loss": value} for name, value in losses.terms.items()},
        "judged": objective_metrics(job, model, batches, machine, settings),
    }
    return facts | likelihood_facts(job, model, machine, settings, controls) if objective.continues_text else facts


def likelihood_facts(
    job: Pretraining, model: Network, machine: Machine, settings: EvaluationSettings, controls: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the loss, perplexity and samples of a model that continues text, and its bits per byte if they are
    defined."""
    context = job.recipe.architecture.context
    found = likelihood(model, job.data.store("test"), context, min(settings.stride, context), machine)
    facts = {
        "loss": found.loss,
        "perplexity": found.perplexity,
        "samples": [continue_prompt(job, model, prompt, job.recipe.sampling) for prompt in job.recipe.prompts],
    }
    return facts | bits_facts(found, controls, settings) if job.data.exact else facts


def bits_facts(found: Likelihood, controls: Mapping[str, Any], settings: EvaluationSettings) -> dict[str, Any]:
    """Return the bits per byte of the test split, with those of the baselines."""
    bits, size = found.nats / math.log(2), found.bytes.astype(float)
    interval = weighted_interval(bits, size)
    facts: dict[str, Any] = {
        "bits_per_byte": found.bits_per_byte,
        "bits_per_byte_interval": None if interval.low is None else [interval.low, interval.high],
        "baselines": controls["test"],
        "differences": {
            name: weighted_interval(bits - np.array(theirs), size).json()
            for name, theirs in controls["test_document_bits"].items()
        },
        "validation_baselines": controls["validation"],
    }
    if settings.documents:
        facts |= {"document_bits": bits.tolist(), "document_bytes": size.tolist()}
    return facts


def objective_metrics(
    job: Pretraining, model: Network, batches: Sequence[Batch], machine: Machine, settings: EvaluationSettings
) -> dict[str, Any]:
    """Return the metrics of a model in addition to its loss.

    They are the metrics of the objective (`Objective.judge`); the rewritten prompts, if the model rewrites text; the
    metrics of its text vectors, if it embeds text; and the correlations with the recipe's tables of scored pairs.
    """
    objective, device = job.recipe.objective, torch.device(machine.device)
    with torch.no_grad():
        found = objective.judge(model, model.head, (batch.to(device) for batch in batches), job.source)
    if rewrites(objective) and job.recipe.prompts:
        rewritten = [rewrite_prompt(job, model, text, job.recipe.sampling) for text in job.recipe.prompts]
        found = {**found, "samples": [*found.get("samples", []), *rewritten]}
    figures = {name: with_interval(value) for name, value in found.get("figures", {}).items()}
    vocabulary = job.data.tokenizer.vocabulary
    models = {"": model, ", random weights": job.build_network().to(device).eval()}
    if objective.embeds_text:
        figures |= vector_figures(models, job.data.store("test"), vocabulary)
    for name, pairs in settings.similarity.items():
        of_pairs = similarity_figures(models, pairs.read(), job.data.tokenizer.encode_batch, vocabulary)
        figures |= {f"{name}: {figure}": value for figure, value in of_pairs.items()}
    return found | ({"figures": figures} if figures else {})


def with_interval(value: Any) -> Any:
    """Return a number unchanged; for an array with one value per item, the mean with its confidence interval."""
    if not isinstance(value, np.ndarray):
        return value
    found = weighted_interval(value)
    return {"value": found.mean, "low": found.low, "high": found.high}
