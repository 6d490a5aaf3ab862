"""`danlu recipes [NAME]`"""

from __future__ import annotations

import json
from shutil import get_terminal_size
from textwrap import fill

import click

from danlu.commands.help import Command


@click.command("recipes", cls=Command)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print names and descriptions, or the resolved recipe, as JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the shipped recipes, or print the one called NAME as a start for your own."""
    from danlu.config.loading import find_recipe, load_recipe, shipped

    if name is not None:
        recipe = json.dumps(load_recipe(name).model_dump(mode="json"), ensure_ascii=False) + "\n" if as_json else None
        click.echo(recipe or find_recipe(name)[0], nl=False)
        return
    described = {each: find_recipe(each)[0].splitlines()[0].removeprefix("# ") for each in shipped()}
    if as_json:
        listed = [{"name": each, "description": line} for each, line in described.items()]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=1))
        return
    width = max(map(len, described)) + 2
    for each, line in described.items():
        click.echo(
            fill(
                line, columns(), initial_indent=each.ljust(width), subsequent_indent=" " * width, break_on_hyphens=False
            )
        )


def columns() -> int:
    """The width of the terminal, at least 60 and at most 120."""
    return min(120, max(60, get_terminal_size().columns))
