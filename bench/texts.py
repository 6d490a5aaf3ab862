"""The training texts: docstrings of the Python standard library for speed, its documentation pages for quality."""

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
    """The data for danlu, and the documents of the training split as arrays of ids for the peer."""

    data: Data
    documents: list[np.ndarray]


def prepare_texts(source: str) -> Texts:
    corpus = build_corpus(CorpusSettings.model_validate({"source": source}))
    tokenizer = ByteBPE(size=VOCABULARY).train(corpus.texts("train"))
    data = Data(corpus, tokenizer, write_shards(corpus, tokenizer))
    store = data.store("train")
    return Texts(data, [store.document(i) for i in range(store.documents)])


def docstring_texts(folder: Path) -> Texts:
    """Return one document per docstring, of about 25 tokens in the median and 55 on average."""
    path = folder / "docstrings.jsonl"
    path.write_text("".join(json.dumps({"text": found.text}) + "\n" for found in docstrings()), encoding="utf-8")
    return prepare_texts(str(path))


def page_texts() -> Texts:
    """Return the corpus of the demo: one document per module, longer than the context."""
    return prepare_texts("builtin:pydocs")
