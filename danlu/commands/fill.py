"""`danlu fill MODEL TEXT`"""

from __future__ import annotations

import json

import click

from danlu.commands.help import Command
from danlu.console.language import message


@click.command("fill", cls=Command)
@click.argument("model", type=click.Path())
@click.argument("text")
@click.option("--top", default=5, type=click.IntRange(min=1), show_default=True, help="Candidates for each blank.")
@click.option("--joint", is_flag=True, help="Fill the blanks one after another, the most certain first.")
@click.option("--json", "as_json", is_flag=True, help="Print the candidates as JSON.")
def command(model: str, text: str, top: int, joint: bool, as_json: bool) -> None:
    """Fill the blanks of TEXT, written <mask>, [MASK] or ___."""
    from danlu.api.model_folders import FILL
    from danlu.commands.models import load_for

    found = load_for(model, FILL).fill(text, top=top, joint=joint)
    if as_json:
        rows = [[{"token": token, "probability": chance} for token, chance in blank] for blank in found]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for number, blank in enumerate(found, 1):
        candidates = message("list.comma").join(f"{token!r} {chance:.3f}" for token, chance in blank)
        click.echo(message("fill.blank", number=number, candidates=candidates))
