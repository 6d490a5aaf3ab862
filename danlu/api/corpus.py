"""Corpora and tokenizers on their own, outside a run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from danlu.config.corpus_survey import SAMPLE_BYTES
from danlu.config.loading import override
from danlu.config.recipe_errors import explain
from danlu.durable import MANIFEST, write_folder
from danlu.errors import WrongInput
from danlu.registry import tokenizers
from danlu.settings import Settings
from danlu.text.corpus import Corpus, CorpusSettings, build_corpus
from danlu.text.scripts import script_shares
from danlu.tokens.report import report
from danlu.tokens.sampling import sample_texts
from danlu.tokens.tokenizer import TextTokenizer

REPORTED_TEXTS = 200


def read_corpus(source: Sequence[str], settings: Sequence[str] = ()) -> Corpus:
    """The corpus of these sources; settings: `key=value` as below a recipe's `corpus`."""
    data: dict[str, Any] = {"source": source[0] if len(source) == 1 else list(source)}
    keys = [override(data, assignment) for assignment in settings]
    try:
        return build_corpus(CorpusSettings.model_validate(data))
    except ValidationError as error:
        raise WrongInput(explain(error, None, data, "--set", keys)) from None


def corpus_facts(corpus: Corpus) -> dict[str, Any]:
    """What corpus.json holds, and {script: share of letters} of a sample of the training share."""
    return corpus.facts | {"scripts": script_shares(sample_texts(corpus.texts("train"), SAMPLE_BYTES))}


def save_corpus(corpus: Corpus, folder: Path) -> None:
    """Copy a corpus out of the cache."""
    files = [path for path in sorted(corpus.folder.iterdir()) if path.is_file() and path.name != MANIFEST]

    def fill(fresh: Path) -> None:
        for path in files:
            shutil.copyfile(path, fresh / path.name)

    write_new_folder(folder, fill)


def train_tokenizer(corpus: Corpus, kind: str, settings: dict[str, Any]) -> tuple[TextTokenizer, dict[str, Any]]:
    """A tokenizer learnt from the training share, and its report on the validation share."""
    cls = tokenizers[kind]
    try:
        chosen: Settings = cls.model_validate({"name": kind, **settings})
    except ValidationError as error:
        raise WrongInput(explain(error, None, settings, "tokenizer", [])) from None
    tokenizer: TextTokenizer = chosen.train(corpus.texts("train"))  # type: ignore[attr-defined]
    return tokenizer, tokenizer_facts(tokenizer, corpus)


def tokenizer_facts(tokenizer: TextTokenizer, corpus: Corpus) -> dict[str, Any]:
    """The tokenizer's report on documents of the validation share."""
    return report(tokenizer, list(islice(corpus.texts("validation"), REPORTED_TEXTS)))


def save_tokenizer(tokenizer: TextTokenizer, folder: Path) -> None:
    write_new_folder(folder, tokenizer.save)


def write_new_folder(folder: Path, fill: Any) -> None:
    """As `write_folder`, but never in place of a folder that holds something else."""
    if folder.exists() and not (folder / MANIFEST).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise WrongInput(f"{folder} exists and holds something else; choose another place with --out")
    write_folder(folder, fill)
