"""`danlu neighbours MODEL WORD`"""

from __future__ import annotations

import json

import click

from danlu.commands.help import Command


@click.command("neighbours", cls=Command)
@click.argument("model", type=click.Path())
@click.argument("word")
@click.option("--top", default=10, type=click.IntRange(min=1), show_default=True, help="Number of tokens.")
@click.option("--json", "as_json", is_flag=True, help="Print the tokens as JSON.")
def command(model: str, word: str, top: int, as_json: bool) -> None:
    """List the tokens whose vectors are nearest to that of WORD, with their cosine similarity."""
    from danlu.api.model_folders import EMBED
    from danlu.commands.models import load_for
    from danlu.commands.tables import heads, print_table

    found = load_for(model, EMBED).neighbours(word, top=top)
    if as_json:
        click.echo(json.dumps([{"token": token, "cosine": cosine} for token, cosine in found], ensure_ascii=False))
        return
    print_table(heads("token", "cosine"), [[token, cosine] for token, cosine in found])
