"""`danlu evaluate MODEL TEXT`"""

from __future__ import annotations

import json
from typing import Any

import click

from danlu.commands.help import Command
from danlu.commands.next_commands import next_of_model, print_next
from danlu.console.language import message, named


@click.command("evaluate", cls=Command)
@click.argument("model", type=click.Path())
@click.argument("text", type=click.Path())
@click.option("--train", type=click.Path(), help="Text to fit the baselines to.")
@click.option("--stride", type=click.IntRange(min=1), help="Positions scored per window after the first (128).")
@click.option(
    "--every",
    default=7,
    type=click.IntRange(min=2),
    show_default=True,
    help="Masked models: mask every N-th token per pass.",
)
@click.option("--ngram", default=5, type=click.IntRange(min=1), show_default=True, help="Order of the n-gram baseline.")
@click.option(
    "--documents",
    default="auto",
    show_default=True,
    help="How .txt files are divided into documents, as in a recipe's corpus.",
)
@click.option("--text-field", default="text", show_default=True, help="Field or column that holds the text.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON on stdout.")
def command(model: str, text: str, as_json: bool, **options: Any) -> None:
    """Compute bits per byte of MODEL (a model folder or a run) on TEXT (a file or folder), with baselines.

    For a model that fills blanks, compute nats per masked token.
    """
    import danlu

    facts = danlu.evaluate(model, text, say=lambda line: click.echo(line, err=True), **options)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
    else:
        print_evaluation(facts)
        print_next(next_of_model(facts["model"], "pseudo_loss" not in facts))


def print_evaluation(facts: dict[str, Any]) -> None:
    """Print the metric with its interval, and the baselines, best first."""
    from danlu.commands.tables import heads, print_table
    from danlu.console.formatting import with_interval

    if "pseudo_loss" in facts:
        row = [facts["objective"], facts["pseudo_loss"], *(facts["pseudo_loss_interval"] or (None, None))]
        print_table(heads("", "nats_per_token", "from", "to"), [row])
        return
    if facts.get("text_lost"):
        row = [facts["objective"], facts["loss"], facts["perplexity"]]
        print_table(heads("", "nats_per_token", "perplexity"), [row])
        click.echo("\n" + message("evaluate.lost", reason=message("evaluation.text_lost_reason")))
        return
    others = sorted(facts["baselines"].items(), key=lambda item: item[1])
    rows = [[facts["objective"], facts["bits_per_byte"], *(facts["bits_per_byte_interval"] or (None, None))]]
    rows += [[named("baseline", name), value, None, None] for name, value in others]
    print_table(heads("", "bits_per_byte", "from", "to"), rows)
    for name, found in facts["differences"].items():
        about = {"objective": facts["objective"], "name": named("baseline", name)}
        difference = with_interval(found["mean"], found["low"], found["high"])
        click.echo("\n" + message("evaluate.difference", **about, difference=difference))
    if repeated := facts.get("documents_also_in_train"):
        click.echo(message("evaluate.repeated", count=repeated))
