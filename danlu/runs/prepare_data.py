"""From raw text to shards: the stages before any training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from danlu.durable import damage, write_folder
from danlu.config.schema import Recipe
from danlu.runs.directory import RunDirectory
from danlu.text.corpus import Corpus, build_corpus
from danlu.text.split import SPLITS
from danlu.tokens.report import report
from danlu.tokens.shards import TokenStore, decodes_exactly, write_shards
from danlu.tokens.tokenizer import TextTokenizer

pass

REPORTED_TEXTS = 200

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
        """Whether the tokens of every held-out document decode to its very text. Bits per byte mean nothing where they
        do not, for what is lost costs no bits."""
        return all(decodes_exactly(self.store(split), self.corpus.texts(split), self.tokenizer) for split in HELD_OUT)


def prepare(run: RunDirectory, recipe: Recipe, say: Callable[[str], None]) -> tuple[Data, dict[str, Any]]:
    """Corpus, tokenizer and shards, and their facts for the report."""
    corpus = build_corpus(recipe.corpus)
    corpus_facts = run.stage("corpus", lambda: corpus.facts | {"fingerprint": corpus.fingerprint})
    run.require_unchanged(
        f"the text of {corpus_facts['source']}",
        {"fingerprint": corpus_facts["fingerprint"]},
        {"fingerprint": corpus.fingerprint},
    )
    kept, rejected = corpus_facts["documents"]["kept"], sum(corpus_facts["documents"]["rejected"].values())
    size = sum(s["bytes"] for s in corpus_facts["splits"].values())
    say(
        f"corpus     {corpus_facts['source']}: {corpus_facts['layout']}, {kept} documents, {size / 1e6:.2f} MB; "
        f"{rejected} rejected"
    )
    folder = run.path / "tokenizer"
    if not folder.exists() or damage(folder):
        sentinels = max(model.objective.num_sentinels for model in recipe.models.values())
        write_folder(folder, recipe.tokenizer.train(corpus.texts("train")).with_sentinels(sentinels).save)
    tokenizer = TextTokenizer.load(folder)
    tokenizer_facts = run.stage(
        "tokenizer", lambda: report(tokenizer, list(islice(corpus.texts("validation"), REPORTED_TEXTS)))
    )
    say(f"tokenizer  {tokenizer_facts['kind']}: {tokenizer_facts['size']} tokens, "
        f"{tokenizer_facts['bytes_per_token']:.2f} bytes a token")  # fmt: skip
    bounds = frozenset().union(*(model.objective.boundaries for model in recipe.models.values()))
    data = Data(corpus, tokenizer, write_shards(corpus, tokenizer, bounds=bounds))
    tokens = {split: data.store(split).tokens for split in SPLITS}
    for split, count in tokens.items():
        corpus_facts["splits"][split]["tokens"] = count
    say(f"shards     {tokens['train']:,} training tokens, {tokens['validation']:,} validation, {tokens['test']:,} test")
    return data, {"corpus": corpus_facts, "tokenizer": tokenizer_facts}
