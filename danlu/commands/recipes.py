"""`danlu recipes [NAME]`"""

from __future__ import annotations

import click


@click.command("recipes")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the shipped recipes, or print the one called NAME to begin your own from."""
    from danlu.recipes.loading import find_recipe, shipped

    if name is not None:
        click.echo(find_recipe(name)[0], nl=False)
        return
    for each in shipped():
        first = find_recipe(each)[0].splitlines()[0].removeprefix("# ")
        click.echo(f"{each:10s} {first}")
