"""Evaluate a saved model on a text, with baselines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from danlu.console.language import message
from danlu.console.reporter import Say, print_line
from danlu.errors import WrongInput
from danlu.evaluation.compressors import joined, zstd_bits, zstd_primed_bits
from danlu.evaluation.kneser_ney import KneserNey
from danlu.evaluation.likelihood import Likelihood, likelihood
from danlu.evaluation.pseudo_likelihood import pseudo_likelihood
from danlu.evaluation.unigram import adaptive_unigram_nats, unigram_nats
from danlu.interop import SavedModel, read_model
from danlu.metrics.intervals import weighted_interval
from danlu.text.documents import Document
from danlu.text.readers import open_sources
from danlu.tokens.shards import TokenStore, decodes_exactly, store_texts
from danlu.training.precision import Machine, resolve_machine

STRIDE = 128
EVERY = 7
"""One masked token in seven is about the 15 % of BERT."""


@dataclass(frozen=True)
class Texts:
    """The accepted documents of a source; `rejected` counts the others by reason."""

    source: str
    documents: list[str]
    rejected: dict[str, int]


def read_texts(source: str | Path, layout: str, text_field: str) -> Texts:
    """Return all documents of a file or folder unchanged; WrongInput if there are none."""
    found: list[str] = []
    rejected: Counter[str] = Counter()
    for reader in open_sources(str(source), layout, text_field):
        for record in reader.documents():
            if not isinstance(record, Document):
                rejected[record.reason] += 1
            elif record.text.strip():
                found.append(record.text)
    if not found:
        reasons = ", ".join(f"{n} {reason}" for reason, n in rejected.most_common(3)) or "nothing in it"
        raise WrongInput(f"source: {source} holds no text to evaluate on ({reasons})")
    return Texts(str(source), found, dict(rejected))


def evaluate(
    model: str | Path,
    text: str | Path,
    train: str | Path | None = None,
    stride: int | None = None,
    every: int = EVERY,
    ngram: int = 5,
    documents: str = "auto",
    text_field: str = "text",
    say: Say | None = print_line,
    quiet: bool = False,
) -> dict[str, Any]:
    """Evaluate a saved model on the documents of a file or folder, in float32, with 95 % intervals over documents.

    A model that continues text is evaluated in bits per byte and compared with zstd and an adaptive unigram model. If
    its tokenizer does not reproduce the text (`text_lost`), only nats per token are reported. A model that fills blanks
    is evaluated in nats per token, by pseudo-likelihood.

    Args:
        model: The folder of the model.
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
    saved = read_model(Path(model).expanduser())
    read = read_texts(text, documents, text_field)
    known = None if train is None else read_texts(train, documents, text_field)
    machine = resolve_machine("float32")
    machine.apply()
    saved.network.to(machine.device)
    objective: Any = saved.network.objective
    with stored(read.documents, saved) as store:
        facts: dict[str, Any] = {
            "model": str(model),
            "objective": objective.name,
            "architecture": saved.facts.architecture.name,
            "text": {
                "source": read.source, "documents": store.documents, "bytes": store.bytes, "tokens": store.tokens,
                "rejected": read.rejected,
            },
        }  # fmt: skip
        if say is not None and not quiet:
            counts = {"documents": store.documents, "bytes": store.bytes, "tokens": store.tokens}
            say(message("evaluation.text", source=read.source, **counts))
        if objective.continues_text:
            taken = min(stride or STRIDE, saved.network.context)
            found = likelihood(saved.network, store, saved.network.context, taken, machine)
            if not decodes_exactly(store, read.documents, saved.tokenizer):
                return facts | in_nats(found) | {"text_lost": True, "bits_per_byte": None}
            return facts | of_continuing(found) | with_baselines(found, saved, store, read, known, ngram)
        if objective.fills_blanks:
            return facts | of_filling(saved, store, every, machine)
    raise WrongInput(
        f"{model} was trained by {objective.name!r}: it neither continues text nor fills blanks, "
        "so that no text by itself can measure it"
    )


@contextmanager
def stored(texts: Sequence[str], saved: SavedModel) -> Iterator[TokenStore]:
    """Store the texts as tokens in a temporary folder for the duration of the block."""
    with TemporaryDirectory() as folder:
        yield store_texts(Path(folder), "text", texts, saved.tokenizer)


def of_continuing(found: Likelihood) -> dict[str, Any]:
    """Return bits per byte with their interval."""
    bounds = interval(found.nats / math.log(2), found.bytes.astype(float))
    return {"bits_per_byte": found.bits_per_byte, "bits_per_byte_interval": bounds, **in_nats(found)}


def in_nats(found: Likelihood) -> dict[str, Any]:
    """Return the metrics that do not depend on the number of bytes."""
    return {"loss": found.loss, "perplexity": found.perplexity}


def with_baselines(
    found: Likelihood, saved: SavedModel, store: TokenStore, read: Texts, known: Texts | None, ngram: int
) -> dict[str, Any]:
    """Return the baselines on the same text, and the paired difference between the model and the n-gram model."""
    held, entries = [store.document(i) for i in range(store.documents)], saved.tokenizer.vocabulary.size
    text = joined(read.documents)
    costs = {"zstd": float(zstd_bits(text))}
    if known is None:
        costs["unigram"] = adaptive_unigram_nats(held, entries) / math.log(2)
        return {"train": None, "baselines": by_byte(costs, store), "differences": {}}
    with stored(known.documents, saved) as before:
        training = [before.document(i) for i in range(before.documents)]
    costs["zstd_primed"] = float(zstd_primed_bits(text, joined(known.documents)))
    costs["unigram"] = unigram_nats(training, held, entries)[0] / math.log(2)
    ngram_bits = KneserNey.fit(training, entries, ngram).document_nats(held) / math.log(2)
    costs[f"ngram{ngram}"] = float(ngram_bits.sum())
    difference = weighted_interval(found.nats / math.log(2) - ngram_bits, found.bytes.astype(float))
    both = set(known.documents)
    return {
        "train": {"source": known.source, "documents": len(known.documents), "rejected": known.rejected},
        "documents_also_in_train": sum(document in both for document in read.documents),
        "baselines": by_byte(costs, store),
        "differences": {f"ngram{ngram}": difference.json()},
    }


def by_byte(bits: dict[str, float], store: TokenStore) -> dict[str, float]:
    return {name: value / store.bytes for name, value in bits.items()}


def of_filling(saved: SavedModel, store: TokenStore, every: int, machine: Machine) -> dict[str, Any]:
    """Return the pseudo-likelihood of masked tokens, in nats per token."""
    vocabulary, context = saved.tokenizer.vocabulary, saved.network.context
    found = pseudo_likelihood(saved.network, store, context, every, vocabulary, machine)
    some = found.targets > 0
    if not some.any():
        raise WrongInput("the text has no token that could be hidden")
    return {
        "pseudo_loss": found.loss,
        "pseudo_loss_interval": interval(found.nats[some], found.targets[some].astype(float)),
        "pseudo_perplexity": found.perplexity,
        "targets": int(found.targets.sum()),
        "hidden_one_in": every,
    }


def interval(values: np.ndarray, weights: np.ndarray) -> list[float] | None:
    """Return the ends of the 95 % interval; None if there are too few documents."""
    found = weighted_interval(values, weights)
    return None if found.low is None or found.high is None else [found.low, found.high]
