"""`danlu cluster MODEL SOURCE... --k 20`"""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from danlu.commands.help import Command


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
    import danlu
    from danlu.api.corpus import read_corpus
    from danlu.commands.tables import heads, print_table
    from danlu.evaluation.document_clusters import document_clusters
    from danlu.text.split import SPLITS

    loaded = danlu.load(model)
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
    print_table(heads("documents", "distinctive_words", "most_typical"), [
        [c.size, " ".join(word for word, _ in c.words), ", ".join(documents[i].name for i in c.typical)] for c in found
    ])  # fmt: skip
