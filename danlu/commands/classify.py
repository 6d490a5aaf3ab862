"""`danlu classify MODEL TEXT...`"""

from __future__ import annotations

import json

import click


@click.command("classify")
@click.argument("model", type=click.Path())
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--json", "as_json", is_flag=True, help="Print every label's probability as JSON.")
def command(model: str, texts: tuple[str, ...], as_json: bool) -> None:
    """Say which label each TEXT has, by a fine-tuned model: its folder, or the directory `danlu finetune` made."""
    import danlu
    from danlu.commands.tables import print_table

    found = danlu.load(model).classify(texts)
    if as_json:
        rows = [{"text": text, "labels": labels} for text, labels in zip(texts, found, strict=True)]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    likeliest = [next(iter(labels.items())) for labels in found]
    print_table(["label", "probability", "text"], [[*first, t] for first, t in zip(likeliest, texts, strict=True)])
