"""`danlu tokenizer train SOURCE... --out FOLDER` and `danlu tokenizer report TOKENIZER SOURCE...`"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from danlu.commands.help import Group
from danlu.commands.next_commands import next_of_tokenizer, print_next
from danlu.console.language import message, named

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout.")


@click.group("tokenizer", cls=Group)
def command() -> None:
    """Train a tokenizer on a text, or report on one."""


@command.command("train", short_help="Train a tokenizer and report on it.")
@click.argument("source", nargs=-1, required=True)
@click.option("--kind", default="byte_bpe", show_default=True, help="Kind of tokenizer, as in a recipe.")
@click.option("--size", type=click.IntRange(min=1), help="Vocabulary size (default: that of the kind).")
@click.option("--sample", type=click.IntRange(min=1), help="Maximum bytes of text to train on (default: 200 MB).")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@AS_JSON
def train(source: Sequence[str], kind: str, size: int | None, sample: int | None, out: Path, as_json: bool) -> None:
    """Train a tokenizer on the training split of SOURCE, write it to a folder and report on the held-out split."""
    from danlu.api.corpus import read_corpus, save_tokenizer, train_tokenizer

    given = {"size": size, "sample_bytes": sample}
    settings = {key: value for key, value in given.items() if value is not None}
    tokenizer, facts = train_tokenizer(read_corpus(source), kind, settings)
    save_tokenizer(tokenizer, out)
    tell(facts | {"folder": str(out)}, as_json)
    if not as_json:
        print_next(*next_of_tokenizer(out, source))


@command.command("report", short_help="Report on a tokenizer.")
@click.argument("tokenizer", type=click.Path(path_type=Path))
@click.argument("source", nargs=-1, required=True)
@AS_JSON
def report(tokenizer: Path, source: Sequence[str], as_json: bool) -> None:
    """Report on TOKENIZER (a folder, a tokenizer.json or a sentencepiece .model) on the held-out documents of SOURCE.

    Prints bytes and characters per token by script, whether texts are decoded exactly, coverage, the share of the
    vocabulary in use, and the longest and most frequent tokens.
    """
    from danlu.api.corpus import read_corpus, tokenizer_facts
    from danlu.tokens.kinds.file import tokenizer_at

    corpus = read_corpus(source)
    facts = tokenizer_facts(tokenizer_at(tokenizer), corpus)
    tell(facts, as_json)
    if not as_json:
        kept = corpus.facts["documents"]["kept"]
        click.echo(message("tokenizer.held_out", texts=facts["texts"], documents=kept), err=True)
        print_next(*next_of_tokenizer(tokenizer, source))


def tell(facts: dict[str, Any], as_json: bool) -> None:
    """Single values as a table; tables and lists of them as tables of their own; examples as cut pieces."""
    from danlu.commands.tables import print_table, shown

    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    single = {k: v for k, v in facts.items() if not isinstance(v, dict | list)}
    print_table(["", ""], [[fact_name(name), shown(value)] for name, value in single.items()])
    for name, value in facts.items():
        if isinstance(value, dict):
            tell_rows(fact_name(name), [{"": named("script", key)} | each for key, each in value.items()])
        elif isinstance(value, list) and name != "examples":
            tell_rows(fact_name(name), value)
    for example in facts.get("examples", ()):
        click.echo("\n" + "|".join(example["tokens"]))


def fact_name(key: str) -> str:
    """Return the name of a fact of the report: an entry of the catalogue, else the key itself."""
    found = named("tokenizer", key)
    return found if found != key else key.replace("_", " ")


def tell_rows(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """A table of rows that have the same keys, the first column under the title; nothing where there is no row."""
    from danlu.commands.tables import print_table

    if rows:
        _, *others = rows[0]
        click.echo()
        print_table([title, *(fact_name(key) for key in others)], [list(row.values()) for row in rows])
