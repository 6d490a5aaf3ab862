"""`danlu.evaluate`: evaluate a saved model on a text, with baselines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np

from danlu.api.model_folders import EVALUATE, choose_model
from danlu.console.language import message
from danlu.console.reporter import Say, print_line
from danlu.errors import WrongInput, nearest, refuse_url
from danlu.evaluation.compressors import join_documents, zstd_bits, zstd_primed_bits
from danlu.evaluation.kneser_ney import KneserNey
from danlu.evaluation.likelihood import Likelihood, likelihood
from danlu.evaluation.pseudo_likelihood import pseudo_likelihood
from danlu.evaluation.unigram import adaptive_unigram_nats, unigram_nats
from danlu.interop import SavedModel, read_model
from danlu.metrics.intervals import weighted_interval
from danlu.text.corpus import CorpusSettings
from danlu.text.documents import Document
from danlu.text.readers import open_sources
from danlu.tokens.shards import TokenStore, decodes_exactly, store_texts
from danlu.training.precision import Machine, resolve_machine

DEFAULT_STRIDE = 128
"""Positions scored per window after the first."""

DEFAULT_EVERY = 7
"""One masked token in seven is about the 15 % of BERT."""


@dataclass(frozen=True)
class SourceTexts:
    """The documents of a source."""

    source: str
    documents: list[str]  # accepted ones
    rejected: dict[str, int]  # number of rejected ones, by reason


def read_texts(source: str | Path, layout: str, text_field: str | list[str]) -> SourceTexts:
    """Return all documents of a file or folder unchanged.

    Raises:
        WrongInput: if there are none.
    """
    if layout not in (known := get_args(CorpusSettings.model_fields["documents"].annotation)):
        raise WrongInput(f"documents: {layout!r} is no layout of documents; {nearest(layout, known)}")
    documents: list[str] = []
    rejected: Counter[str] = Counter()
    for reader in open_sources(str(source), layout, text_field):
        for record in reader.documents():
            if not isinstance(record, Document):
                rejected[record.reason] += 1
            elif record.text.strip():
                documents.append(record.text)
    if not documents:
        reasons = ", ".join(f"{n} {reason}" for reason, n in rejected.most_common(3)) or "it is empty"
        raise WrongInput(f"source: {source} holds no text to evaluate on ({reasons})")
    return SourceTexts(str(source), documents, dict(rejected))


def evaluate(
    model: str | Path,
    text: str | Path,
    train: str | Path | None = None,
    stride: int | None = None,
    every: int = DEFAULT_EVERY,
    ngram: int = 5,
    documents: str = "auto",
    text_field: str | list[str] = "auto",
    say: Say | None = print_line,
    quiet: bool = False,
) -> dict[str, Any]:
    """Evaluate a saved model on the documents of a file or folder, in float32, with 95 % intervals over documents.

    A model that continues text is evaluated in bits per byte and compared with zstd and an adaptive unigram model. If
    its tokenizer does not reproduce the text (`text_lost`), only nats per token are reported. A model that fills blanks
    is evaluated in nats per token, by pseudo-likelihood.

    Args:
        model: The folder of the model, or a run directory.
        text: A file or folder.
        train: A text to fit the baselines to: unigram, a Kneser-Ney n-gram model, and zstd primed with it.
        stride: Positions scored per window after the first; default 128.
        every: One token in `every` is masked at a time.
        ngram: Order of the n-gram model.
        documents: How files are divided into documents, as in a recipe's corpus.
        text_field: The field or column of the text, as in a recipe's corpus.
        say: Called with each line of progress.

    Returns:
        The results, ready for JSON.

    Raises:
        WrongInput: if the model neither continues text nor fills blanks, or the source has no text.
    """
    refuse_url(str(text), "the text")
    saved = read_model(choose_model(model, EVALUATE, None if quiet else say))
    test = read_texts(text, documents, text_field)
    training = None if train is None else read_texts(train, documents, text_field)
    machine = resolve_machine("float32")
    machine.apply()
    saved.network.to(machine.device)
    objective: Any = saved.network.objective
    with temporary_token_store(test.documents, saved) as store:
        facts: dict[str, Any] = {
            "model": str(model),
            "objective": objective.name,
            "architecture": saved.facts.architecture.name,
            "text": {
                "source": test.source, "documents": store.documents, "bytes": store.bytes, "tokens": store.tokens,
                "rejected": test.rejected,
            },
        }  # fmt: skip
        if say is not None and not quiet:
            counts = {"documents": store.documents, "bytes": store.bytes, "tokens": store.tokens}
            say(message("evaluation.text", source=test.source, **counts))
        if objective.continues_text:
            stride = min(stride or DEFAULT_STRIDE, saved.network.context)
            result = likelihood(saved.network, store, saved.network.context, stride, machine)
            if not decodes_exactly(store, test.documents, saved.tokenizer):
                return facts | per_token_metrics(result) | {"text_lost": True, "bits_per_byte": None}
            return facts | likelihood_metrics(result) | baseline_metrics(result, saved, store, test, training, ngram)
        if objective.fills_blanks:
            return facts | pseudo_likelihood_metrics(saved, store, every, machine)
    raise WrongInput(
        f"{model} was trained by {objective.name!r}: it neither continues text nor fills blanks, "
        "so it cannot be evaluated on plain text"
    )


@contextmanager
def temporary_token_store(texts: Sequence[str], saved: SavedModel) -> Iterator[TokenStore]:
    """Store the texts as tokens in a temporary folder for the duration of the block."""
    with TemporaryDirectory() as folder:
        yield store_texts(Path(folder), "text", texts, saved.tokenizer)


def likelihood_metrics(result: Likelihood) -> dict[str, Any]:
    """Return bits per byte with their interval, and the metrics per token."""
    bounds = confidence_bounds(result.nats / math.log(2), result.bytes.astype(float))
    return {"bits_per_byte": result.bits_per_byte, "bits_per_byte_interval": bounds, **per_token_metrics(result)}


def per_token_metrics(result: Likelihood) -> dict[str, Any]:
    """Return the loss and perplexity per token, which do not depend on the number of bytes."""
    return {"loss": result.loss, "perplexity": result.perplexity}


def baseline_metrics(
    result: Likelihood,
    saved: SavedModel,
    store: TokenStore,
    test: SourceTexts,
    training: SourceTexts | None,
    ngram: int,
) -> dict[str, Any]:
    """Return the baselines on the same text, and the paired difference of the model from the n-gram model."""
    documents, vocabulary_size = [store.document(i) for i in range(store.documents)], saved.tokenizer.vocabulary.size
    text = join_documents(test.documents)
    bits = {"zstd": float(zstd_bits(text))}
    if training is None:
        bits["unigram"] = adaptive_unigram_nats(documents, vocabulary_size) / math.log(2)
        return {"train": None, "baselines": per_byte(bits, store), "differences": {}}
    with temporary_token_store(training.documents, saved) as train_store:
        train_ids = [train_store.document(i) for i in range(train_store.documents)]
    bits["zstd_primed"] = float(zstd_primed_bits(text, join_documents(training.documents)))
    bits["unigram"] = unigram_nats(train_ids, documents, vocabulary_size)[0] / math.log(2)
    ngram_bits = KneserNey.fit(train_ids, vocabulary_size, ngram).document_nats(documents) / math.log(2)
    bits[f"ngram{ngram}"] = float(ngram_bits.sum())
    difference = weighted_interval(result.nats / math.log(2) - ngram_bits, result.bytes.astype(float))
    in_train = set(training.documents)
    return {
        "train": {"source": training.source, "documents": len(training.documents), "rejected": training.rejected},
        "documents_also_in_train": sum(document in in_train for document in test.documents),
        "baselines": per_byte(bits, store),
        "differences": {f"ngram{ngram}": difference.json()},
    }


def per_byte(bits: dict[str, float], store: TokenStore) -> dict[str, float]:
    """Divide the bits of each baseline by the bytes of the text."""
    return {name: value / store.bytes for name, value in bits.items()}


def pseudo_likelihood_metrics(saved: SavedModel, store: TokenStore, every: int, machine: Machine) -> dict[str, Any]:
    """Return the pseudo-likelihood of masked tokens, in nats per token."""
    vocabulary, context = saved.tokenizer.vocabulary, saved.network.context
    result = pseudo_likelihood(saved.network, store, context, every, vocabulary, machine)
    scored = result.targets > 0
    if not scored.any():
        raise WrongInput("the text has no token that can be masked; give a longer text")
    return {
        "pseudo_loss": result.loss,
        "pseudo_loss_interval": confidence_bounds(result.nats[scored], result.targets[scored].astype(float)),
        "pseudo_perplexity": result.perplexity,
        "targets": int(result.targets.sum()),
        "hidden_one_in": every,
    }


def confidence_bounds(values: np.ndarray, weights: np.ndarray) -> list[float] | None:
    """Return the bounds of the 95 % interval over documents; None if there are too few."""
    bounds = weighted_interval(values, weights)
    return None if bounds.low is None or bounds.high is None else [bounds.low, bounds.high]
