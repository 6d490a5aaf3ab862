"""`danlu matrix`"""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from danlu.commands.help import Command


@click.command("matrix", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print every pair as JSON.")
def command(as_json: bool) -> None:
    """Show which architectures support which objectives, and why others do not."""
    from rich.console import Console
    from rich.table import Table

    from danlu.config.compatibility import matrix

    pairs = matrix()
    if as_json:
        click.echo(json.dumps([asdict(pair) for pair in pairs], ensure_ascii=False, indent=1))
        return
    table = Table("objective", "architectures")
    for objective in dict.fromkeys(pair.objective for pair in pairs):
        fitting = [pair for pair in pairs if pair.objective == objective and pair.allowed]
        table.add_row(objective, ", ".join(f"{pair.architecture} {pair.reason}".strip() for pair in fitting))
    console = Console()
    console.print(table)
    for pair in pairs:
        if not pair.allowed:
            console.print(f"no: {pair.reason}", highlight=False)
