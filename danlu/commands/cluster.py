"""`danlu cluster MODEL SOURCE... --k 20`"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from danlu.commands.help import Command

if TYPE_CHECKING:
    from danlu.text.documents import Document

EXCERPT = 60
"""Characters of the most typical document that are printed."""


@click.command("cluster", cls=Command)
@click.argument("model", type=click.Path())
@click.argument("source", nargs=-1, required=True)
@click.option("--k", "groups", default=20, type=click.IntRange(min=1), show_default=True, help="Number of clusters.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of a recipe's corpus.")
@click.option("--json", "as_json", is_flag=True, help="Print the groups as JSON.")
def command(model: str, source: Sequence[str], groups: int, settings: Sequence[str], as_json: bool) -> None:
    """Cluster the documents of SOURCE by their embeddings.

    Prints the size, the most distinctive words and the most typical documents of each cluster.
    """
    from danlu.api.corpus import read_corpus
    from danlu.api.model_folders import EMBED
    from danlu.commands.models import load_for
    from danlu.commands.tables import heads, print_table
    from danlu.evaluation.document_clusters import document_clusters
    from danlu.text.split import SPLITS

    loaded = load_for(model, EMBED)
    corpus = read_corpus(source, settings)
    documents = [document for split in SPLITS for document in corpus.documents(split)]
    texts = [document.text for document in documents]
    found = document_clusters(loaded.embed(texts), texts, groups)
    if as_json:
        rows = [
            {
                "size": cluster.size,
                "words": [{"word": word, "score": score} for word, score in cluster.words],
                "typical": [{"name": documents[i].name, "text": documents[i].text[:200]} for i in cluster.typical],
            }
            for cluster in found
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    rows = [[c.size, " ".join(word for word, _ in c.words), excerpt(documents, c.typical)] for c in found]
    print_table(heads("documents", "distinctive_words", "most_typical"), rows)


def excerpt(documents: Sequence[Document], typical: Sequence[int]) -> str:
    """Return the beginning of the most typical document, and the names of the typical ones."""
    text = " ".join(documents[typical[0]].text.split())[:EXCERPT] if typical else ""
    return f"{text} ({', '.join(documents[i].name for i in typical)})"
