"""`danlu classify MODEL TEXT...`"""

from __future__ import annotations

import json

import click

from danlu.commands.help import Command


@click.command("classify", cls=Command)
@click.argument("model", type=click.Path())
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--json", "as_json", is_flag=True, help="Print the probability of every label as JSON.")
def command(model: str, texts: tuple[str, ...], as_json: bool) -> None:
    """Predict the label of each TEXT. MODEL is a fine-tuned model or a run directory of `danlu finetune`."""
    from danlu.api.model_folders import PREDICT
    from danlu.commands.models import load_for
    from danlu.commands.tables import heads, print_table

    found = load_for(model, PREDICT).classify(texts)
    if as_json:
        rows = [{"text": text, "labels": labels} for text, labels in zip(texts, found, strict=True)]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    first = [next(iter(labels.items())) for labels in found]
    print_table(heads("label", "probability", "text"), [[*best, text] for best, text in zip(first, texts, strict=True)])
