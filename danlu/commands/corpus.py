"""`danlu corpus check SOURCE...` and `danlu corpus build SOURCE... --out FOLDER`"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from danlu.commands.help import Group
from danlu.console.language import message, named, translated

SETTINGS = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of a recipe's corpus: --set documents=line.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON on stdout.")


@click.group("corpus", cls=Group)
def command() -> None:
    """Inspect the text of a corpus, or write its cleaned and split documents to files."""


def reads(wrapped: Callable[..., None]) -> Callable[..., None]:
    """The argument and options of both."""
    return click.argument("source", nargs=-1, required=True)(SETTINGS(AS_JSON(wrapped)))


@command.command("check", short_help="Report on the text of a corpus.")
@reads
def check(source: Sequence[str], settings: Sequence[str], as_json: bool) -> None:
    """Read SOURCE (files, folders) and print its documents, sizes, scripts and rejected records with reasons."""
    from danlu.api.corpus import corpus_facts, read_corpus
    from danlu.text.word_report import word_report

    corpus = read_corpus(source, settings)
    tell(corpus_facts(corpus) | {"words": word_report(corpus)}, as_json)


@command.command("build", short_help="Write the cleaned and split documents to a folder.")
@reads
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to write.")
def build(source: Sequence[str], settings: Sequence[str], as_json: bool, out: Path) -> None:
    """Read SOURCE and write its train, validation and test splits (.jsonl.zst) and corpus.json to a folder."""
    from danlu.api.corpus import corpus_facts, read_corpus, save_corpus

    corpus = read_corpus(source, settings)
    save_corpus(corpus, out)
    tell(corpus_facts(corpus) | {"folder": str(out)}, as_json)


def tell(facts: dict[str, Any], as_json: bool) -> None:
    """Print the sizes of the splits, what was rejected, near-duplicates, scripts and words."""
    from danlu.commands.tables import heads, print_table
    from danlu.console.draft_text import layout_text

    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    print_table(heads("split", "documents", "bytes", "characters"), [
        [named("split", split), n["documents"], n["bytes"], n["characters"]] for split, n in facts["splits"].items()
    ])  # fmt: skip
    read, kept, rejected = (facts["documents"][key] for key in ("in", "kept", "rejected"))
    click.echo("\n" + message("corpus.documents", read=read, kept=kept, layout=layout_text(facts["layout"])))
    if facts["account"]:
        from danlu.console.event_text import files_read

        click.echo(files_read(facts["account"]))
    if rejected:
        click.echo()
        print_table(heads("left_out", "documents", "such_as"), [
            [translated("reason", reason), n, translated("reason", facts["rejected_examples"][reason])]
            for reason, n in rejected.items()
        ])  # fmt: skip
    click.echo()
    compared = facts["near_duplicates"]["compared"]
    print_table(heads("split", "documents_compared", "near_duplicate_in_train"), [
        [named("split", split), compared[split]["documents"], n["documents"]]
        for split, n in facts["near_duplicates"]["found"].items()
    ])  # fmt: skip
    if compared["train"]["share"] < 1:
        click.echo(message("corpus.sample", share=compared["train"]["share"]))
    click.echo()
    scripts = [[named("script", name), share] for name, share in facts["scripts"].items()]
    print_table(heads("script", "share_of_letters"), scripts)
    if "words" in facts:
        click.echo()
        tell_words(facts["words"])


def tell_words(report: dict[str, Any]) -> None:
    """One row for each language that has words at all."""
    from danlu.commands.tables import heads, print_table

    rows = [
        [
            named("text_language", name),
            found["words"],
            found["different"],
            found["stop_word_share"],
            " ".join(w for w, _ in shown[:8]),
        ]
        for name in ("english", "chinese")
        if (found := report[name])["words"] and (shown := found["most_frequent_content"] or found["most_frequent"])
    ]
    print_table(heads("language", "words", "different", "stop_words", "most_frequent"), rows)
    if report["chinese"]["words"]:
        click.echo(message("corpus.unit", unit=translated("unit", report["chinese"]["unit"])))
