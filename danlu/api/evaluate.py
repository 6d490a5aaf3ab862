"""How well a saved model foretells a text, beside what needs no model."""

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
"""One token in seven hidden is about the 15 % of BERT."""


@dataclass(frozen=True)
class Texts:
    """The documents of a source; `rejected` counts the others by reason."""

    source: str
    documents: list[str]
    rejected: dict[str, int]


def read_texts(source: str | Path, layout: str, text_field: str) -> Texts:
    """All documents of a file or folder as they stand; WrongInput when there is none."""
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
    """The facts of how well the model in a folder foretells the documents of a file or folder, with 95 % intervals over
    documents; ready for JSON.

    A model that continues text is measured in bits per byte, beside zstd and a unigram that learns as it reads. With
    the text `train` the unigram is fitted to that, an n-gram (Kneser-Ney, of order `ngram`) too, and zstd is primed
    with it. Where its tokenizer does not give the text back (`text_lost`), nats a token are all there is. stride:
    positions each window scores beyond the first (default 128). A model that fills blanks is measured in nats a token,
    one token in `every` hidden at a time. documents, text_field: as in a recipe's corpus. In float32.
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
            return facts | of_continuing(found) | beside(found, saved, store, read, known, ngram)
        if objective.fills_blanks:
            return facts | of_filling(saved, store, every, machine)
    raise WrongInput(
        f"{model} was trained by {objective.name!r}: it neither continues text nor fills blanks, "
        "so that no text by itself can measure it"
    )


@contextmanager
def stored(texts: Sequence[str], saved: SavedModel) -> Iterator[TokenStore]:
    """The texts as tokens on disk while the block runs."""
    with TemporaryDirectory() as folder:
        yield store_texts(Path(folder), "text", texts, saved.tokenizer)


def of_continuing(found: Likelihood) -> dict[str, Any]:
    """Bits per byte and their interval."""
    bounds = interval(found.nats / math.log(2), found.bytes.astype(float))
    return {"bits_per_byte": found.bits_per_byte, "bits_per_byte_interval": bounds, **in_nats(found)}


def in_nats(found: Likelihood) -> dict[str, Any]:
    """What does not depend on the bytes of the text."""
    return {"loss": found.loss, "perplexity": found.perplexity}


def beside(
    found: Likelihood, saved: SavedModel, store: TokenStore, read: Texts, known: Texts | None, ngram: int
) -> dict[str, Any]:
    """The baselines of the same text, and how far the model is from the n-gram on the same documents."""
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
    """Nats a token told from both its sides."""
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
    """Its ends; None for so few documents that there is none."""
    found = weighted_interval(values, weights)
    return None if found.low is None or found.high is None else [found.low, found.high]
