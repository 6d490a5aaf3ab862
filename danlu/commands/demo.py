"""`danlu demo`"""

from __future__ import annotations

from pathlib import Path

import click

from danlu.commands.help import Command
from danlu.commands.run import run_recipe


@click.command("demo", cls=Command)
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory (default: runs/demo).")
@click.option("--budget", help="Time for all training together, such as 4min.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on stdout.")
def command(overrides: tuple[str, ...], out: Path | None, budget: str | None, as_json: bool) -> None:
    """Run the shipped recipe `demo` on the documentation of the installed Python; nothing is downloaded."""
    import danlu

    run_recipe(danlu.run, "demo", overrides, out, budget, as_json)
