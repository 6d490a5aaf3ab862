"""Build corpora and train tokenizers outside a run, for `danlu corpus` and `danlu tokenizer`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from danlu.config.corpus_survey import SAMPLE_BYTES
from danlu.config.loading import apply_override
from danlu.config.recipe_errors import format_errors
from danlu.durable import MANIFEST, write_folder
from danlu.errors import WrongInput, refuse_url
from danlu.registry import tokenizers
from danlu.settings import Settings
from danlu.text.corpus import Corpus, CorpusSettings, build_corpus
from danlu.text.scripts import script_shares
from danlu.tokens.report import report
from danlu.tokens.sampling import sample_texts
from danlu.tokens.tokenizer import TextTokenizer

REPORTED_TEXTS = 200
"""Validation documents in the report on a tokenizer."""


def read_corpus(source: Sequence[str], settings: Sequence[str] = ()) -> Corpus:
    """Build the corpus of files and folders. `settings` are `key=value` pairs of the recipe section `corpus`."""
    for name in source:
        refuse_url(name, "the text")
    data: dict[str, Any] = {"source": source[0] if len(source) == 1 else list(source)}
    keys = [apply_override(data, assignment) for assignment in settings]
    try:
        return build_corpus(CorpusSettings.model_validate(data))
    except ValidationError as error:
        raise WrongInput(format_errors(error, None, data, "--set", keys)) from None


def corpus_facts(corpus: Corpus) -> dict[str, Any]:
    """Return the content of corpus.json and the share of letters of each script in a sample of the training split."""
    return corpus.facts | {"scripts": script_shares(sample_texts(corpus.texts("train"), SAMPLE_BYTES))}


def save_corpus(corpus: Corpus, folder: Path) -> None:
    """Copy a corpus from the cache to a folder."""
    files = [path for path in sorted(corpus.folder.iterdir()) if path.is_file() and path.name != MANIFEST]

    def copy_files(target: Path) -> None:
        for path in files:
            shutil.copyfile(path, target / path.name)

    write_new_folder(folder, copy_files)


def train_tokenizer(corpus: Corpus, kind: str, settings: dict[str, Any]) -> tuple[TextTokenizer, dict[str, Any]]:
    """Train a tokenizer on the training split; return it with its report on the validation split."""
    cls = tokenizers[kind]
    try:
        tokenizer_settings: Settings = cls.model_validate({"name": kind, **settings})
    except ValidationError as error:
        raise WrongInput(format_errors(error, None, settings, "tokenizer", [])) from None
    tokenizer: TextTokenizer = tokenizer_settings.train(corpus.texts("train"))  # type: ignore[attr-defined]
    return tokenizer, tokenizer_facts(tokenizer, corpus)


def tokenizer_facts(tokenizer: TextTokenizer, corpus: Corpus) -> dict[str, Any]:
    """Return the report on a tokenizer for documents of the validation split."""
    return report(tokenizer, list(islice(corpus.texts("validation"), REPORTED_TEXTS)))


def save_tokenizer(tokenizer: TextTokenizer, folder: Path) -> None:
    """Write a tokenizer to a new folder, or replace one that danlu wrote."""
    write_new_folder(folder, tokenizer.save)


def write_new_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Write a folder as `write_folder` does, but refuse to replace a folder that danlu did not write."""
    if folder.exists() and not (folder / MANIFEST).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise WrongInput(f"{folder} exists and was not written by danlu; choose another folder with --out")
    write_folder(folder, fill)
