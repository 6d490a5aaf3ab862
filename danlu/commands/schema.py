"""`danlu schema [--json-file FILE]`"""

from __future__ import annotations

import json
from pathlib import Path

import click

from danlu.commands.help import Command


@click.command("schema", cls=Command)
@click.option("--json-file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
def command(file: Path | None) -> None:
    """Print the JSON schema of recipes, for completion and checks in an editor.

    To use it, start a recipe with the line "# yaml-language-server: $schema=recipe.schema.json".
    """
    from danlu.config.json_schema import recipe_schema
    from danlu.durable import write_text

    text = json.dumps(recipe_schema(), ensure_ascii=False, indent=1) + "\n"
    if file is None:
        click.echo(text, nl=False)
        return
    write_text(file, text)
    click.echo(file)
