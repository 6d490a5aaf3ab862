"""Prepare the data of a run: corpus, tokenizer and token shards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from danlu.config.schema import Recipe
from danlu.durable import damage, write_folder
from danlu.runs.directory import RunDirectory
from danlu.runs.events import CorpusRead, Emit, TokenizerReady, TokensCounted
from danlu.text.corpus import Corpus, build_corpus
from danlu.text.split import SPLITS
from danlu.tokens.report import report
from danlu.tokens.shards import TokenStore, decodes_exactly, write_shards
from danlu.tokens.tokenizer import TextTokenizer

REPORTED_TEXTS = 200
"""Number of validation texts on which the statistics of the tokenizer are computed."""

HELD_OUT = ("validation", "test")


@dataclass(frozen=True)
class Data:
    """The corpus, the tokenizer trained on its training split, and the shards of all splits."""

    corpus: Corpus
    tokenizer: TextTokenizer
    shards: Path

    def store(self, split: str) -> TokenStore:
        return TokenStore(self.shards, split)

    @cached_property
    def exact(self) -> bool:
        """Whether the tokens of every held-out document decode to its text. Otherwise bits per byte are meaningless,
        because lost text costs no bits."""
        return all(decodes_exactly(self.store(split), self.corpus.texts(split), self.tokenizer) for split in HELD_OUT)


@dataclass(frozen=True)
class PreparedData:
    """The data and its facts, as in results.json."""

    data: Data
    corpus: dict[str, Any]
    tokenizer: dict[str, Any]


def prepare_data(run: RunDirectory, recipe: Recipe, emit: Emit) -> PreparedData:
    """Read the corpus, train the tokenizer and tokenize all splits; finished steps are loaded."""
    corpus = build_corpus(recipe.corpus)
    corpus_facts = read_corpus(run, corpus, emit)
    tokenizer = load_or_train_tokenizer(run, recipe, corpus)
    tokenizer_facts = run.stage(
        "tokenizer", lambda: report(tokenizer, list(islice(corpus.texts("validation"), REPORTED_TEXTS)))
    )
    kind, size, bytes_per_token = (tokenizer_facts[key] for key in ("kind", "size", "bytes_per_token"))
    emit(TokenizerReady(kind, size, bytes_per_token))
    boundaries = frozenset().union(*(model.objective.boundaries for model in recipe.models.values()))
    data = Data(corpus, tokenizer, write_shards(corpus, tokenizer, bounds=boundaries))
    tokens = {split: data.store(split).tokens for split in SPLITS}
    for split, count in tokens.items():
        corpus_facts["splits"][split]["tokens"] = count
    emit(TokensCounted(tokens))
    return PreparedData(data, corpus_facts, tokenizer_facts)


def read_corpus(run: RunDirectory, corpus: Corpus, emit: Emit) -> dict[str, Any]:
    """Return the facts of the corpus. Raises WrongInput if its text has changed since the run was started."""
    facts = run.stage("corpus", lambda: corpus.facts | {"fingerprint": corpus.fingerprint})
    run.require_unchanged(
        f"the text of {facts['source']}", {"fingerprint": facts["fingerprint"]}, {"fingerprint": corpus.fingerprint}
    )
    size = sum(split["bytes"] for split in facts["splits"].values())
    documents = facts["documents"]
    rejected = sum(documents["rejected"].values())
    account = facts.get("account")  # a run of an earlier version has none
    emit(CorpusRead(facts["source"], facts["layout"], documents["kept"], size, rejected, account))
    return facts


def load_or_train_tokenizer(run: RunDirectory, recipe: Recipe, corpus: Corpus) -> TextTokenizer:
    """Load the tokenizer of the run directory; train it first if it is missing or damaged."""
    folder = run.path / "tokenizer"
    if not folder.exists() or damage(folder):
        sentinels = max(model.objective.num_sentinels for model in recipe.models.values())
        write_folder(folder, recipe.tokenizer.train(corpus.texts("train")).with_sentinels(sentinels).save)
    return TextTokenizer.load(folder)
