"""`danlu recipes [NAME]`"""

from __future__ import annotations

import json
from shutil import get_terminal_size

import click

from danlu.commands.help import Command
from danlu.console.columns import padded, wrapped
from danlu.console.language import catalogue, current


@click.command("recipes", cls=Command)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print names and descriptions, or the resolved recipe, as JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the shipped recipes, or print the recipe NAME as a starting point for your own."""
    from danlu.config.loading import find_recipe, load_recipe, shipped_recipes

    if name is not None:
        recipe = json.dumps(load_recipe(name).model_dump(mode="json"), ensure_ascii=False) + "\n" if as_json else None
        click.echo(recipe or find_recipe(name)[0], nl=False)
        return
    described = {each: find_recipe(each)[0].splitlines()[0].removeprefix("# ") for each in shipped_recipes()}
    if as_json:
        listed = [{"name": each, "description": line} for each, line in described.items()]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=1))
        return
    if current() == "zh":
        described |= {each: line for each, line in catalogue("zh", "recipes").items() if each in described}
    first = max(map(len, described)) + 2
    for each, line in described.items():
        begin, *rest = wrapped(line, columns() - first)
        click.echo("\n".join([padded(each, first) + begin, *(" " * first + part for part in rest)]))


def columns() -> int:
    """The width of the terminal, at least 60 and at most 120."""
    return min(120, max(60, get_terminal_size().columns))
