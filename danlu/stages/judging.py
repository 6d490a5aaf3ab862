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

from danlu.errors import WrongInput
from danlu.evaluation.compressors import joined, zstd_bits, zstd_primed_bits
from danlu.evaluation.intervals import bootstrap_interval
from danlu.evaluation.kneser_ney import KneserNey
from danlu.evaluation.likelihood import Likelihood, likelihood
from danlu.evaluation.pseudo_likelihood import pseudo_likelihood
from danlu.evaluation.unigram import adaptive_unigram_nats, unigram_nats
from danlu.export import SavedModel, read_model
from danlu.stages.run import Say, quiet
from danlu.text.documents import Document
from danlu.text.readers import open_sources
from danlu.tokens.shards import TokenStore, store_texts
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
    say: Say = quiet,
) -> dict[str, Any]:
    """The facts of how well the model in a folder foretells the documents of a file or folder, with 95 % intervals over
    documents; ready for JSON.

    A model that continues text is measured in bits per byte, beside zstd and a unigram that learns as it reads, or, with
    the text `train`, beside a unigram and an n-gram (Kneser-Ney, of order `ngram`) fitted to it and zstd primed with it.
    stride: positions each window scores beyond the first. A model that fills blanks is measured in nats a token, one
    token in `every` hidden at a time. documents, text_field: as in a recipe's corpus. In float32.
    """
    saved = read_model(Path(model).expanduser())
    read = read_texts(text, documents, text_field)
    machine = resolve_machine("float32")
    machine.apply()
    saved.learner.to(machine.device)
    objective: Any = saved.learner.objective
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
        say(f"text       {read.source}: {store.documents:,} documents, {store.bytes:,} bytes, {store.tokens:,} tokens")
        if objective.continues_text:
            taken = min(stride or STRIDE, saved.learner.context)
            return facts | of_continuing(saved, store, read, train, taken, ngram, (documents, text_field), machine)
        if hasattr(objective, "blank_logits"):
            return facts | of_filling(saved, store, every, machine)
    raise WrongInput(
        f"{model} was trained by {objective.name!r}: it neither continues text nor fills blanks, so that no text by itself "
        "can measure it"
    )


@contextmanager
def stored(texts: Sequence[str], saved: SavedModel) -> Iterator[TokenStore]:
    """The texts as tokens on disk while the block runs."""
    with TemporaryDirectory() as folder:
        yield store_texts(Path(folder), "text", texts, saved.tokenizer)


def of_continuing(
    saved: SavedModel,
    store: TokenStore,
    read: Texts,
    train: str | Path | None,
    stride: int,
    ngram: int,
    reading: tuple[str, str],
    machine: Machine,
) -> dict[str, Any]:
    """Bits per byte and what stands beside it."""
    found = likelihood(saved.learner, store, saved.learner.context, stride, machine)
    bits, size = found.nats / math.log(2), found.bytes.astype(float)
    held, entries = [store.document(i) for i in range(store.documents)], saved.tokenizer.vocabulary.size
    text = joined(read.documents)
    facts = {"bits_per_byte": found.bits_per_byte} | interval("bits_per_byte_interval", bits, size)
    facts |= {"loss": found.loss, "perplexity": found.perplexity, "train": None, "differences": {}}
    if train is None:
        costs = {"unigram": adaptive_unigram_nats(held, entries) / math.log(2), "zstd": float(zstd_bits(text))}
        return facts | {"baselines": {name: value / store.bytes for name, value in costs.items()}}
    known = read_texts(train, *reading)
    with stored(known.documents, saved) as before:
        training = [before.document(i) for i in range(before.documents)]
    ngram_bits = KneserNey.fit(training, entries, ngram).document_nats(held) / math.log(2)
    costs = {
        "unigram": unigram_nats(training, held, entries)[0] / math.log(2),
        f"ngram{ngram}": float(ngram_bits.sum()),
        "zstd": float(zstd_bits(text)),
        "zstd_primed": float(zstd_primed_bits(text, joined(known.documents))),
    }
    both = set(known.documents)
    return facts | {
        "train": {"source": known.source, "documents": len(known.documents), "rejected": known.rejected},
        "documents_also_in_train": sum(document in both for document in read.documents),
        "baselines": {name: value / store.bytes for name, value in costs.items()},
        "differences": {f"ngram{ngram}": bootstrap_interval(bits - ngram_bits, size).json()},
    }


def of_filling(saved: SavedModel, store: TokenStore, every: int, machine: Machine) -> dict[str, Any]:
    """Nats a token told from both its sides."""
    vocabulary = saved.tokenizer.vocabulary
    found: Likelihood = pseudo_likelihood(
        saved.learner, store, saved.learner.context, every, vocabulary, machine
    )  # fmt: skip
    targets = found.targets.astype(float)
    some = targets > 0
    if not some.any():
        raise WrongInput("the text has no token that could be hidden")
    facts = {"pseudo_loss": float(found.nats.sum() / targets.sum()), "hidden_one_in": every}
    facts |= interval("pseudo_loss_interval", found.nats[some], targets[some])
    return facts | {"pseudo_perplexity": math.exp(facts["pseudo_loss"]), "targets": int(targets.sum())}


def interval(name: str, values: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
    found = bootstrap_interval(values, weights)
    return {name: [found.low, found.high]}
