"""What both sides read: docstrings of Python's library as documents of natural length, and its pages for quality."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from danlu.runs.prepare_data import Data
from danlu.text.corpus import CorpusSettings, build_corpus
from danlu.text.pydocs import docstrings
from danlu.tokens.kinds.byte_bpe import ByteBPE
from danlu.tokens.shards import write_shards

VOCABULARY = 8192


@dataclass(frozen=True)
class Texts:
    """danlu's shards, and the same documents of the training split as lists of ids for the peer."""

    data: Data
    documents: list[np.ndarray]


def prepared(source: str) -> Texts:
    corpus = build_corpus(CorpusSettings.model_validate({"source": source}))
    tokenizer = ByteBPE(size=VOCABULARY).train(corpus.texts("train"))
    data = Data(corpus, tokenizer, write_shards(corpus, tokenizer))
    store = data.store("train")
    return Texts(data, [store.document(i) for i in range(store.documents)])


def natural(folder: Path) -> Texts:
    """One docstring a document: a median of about 25 tokens, 55 in the mean."""
    path = folder / "docstrings.jsonl"
    path.write_text("".join(json.dumps({"text": found.text}) + "\n" for found in docstrings()), encoding="utf-8")
    return prepared(str(path))


def pages() -> Texts:
    """The pages the demo reads: whole modules, longer than the context."""
    return prepared("builtin:pydocs")
