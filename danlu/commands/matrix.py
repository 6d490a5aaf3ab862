"""`danlu matrix`"""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from danlu.commands.help import Command
from danlu.console.columns import wrapped
from danlu.console.language import message, translated


@click.command("matrix", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print every pair as JSON.")
def command(as_json: bool) -> None:
    """Show which architectures support which objectives, why others do not, and which tasks there are."""
    from rich.console import Console
    from rich.table import Table

    import danlu.tasks  # noqa: F401  (registers them)
    from danlu.commands.tables import heads
    from danlu.config.compatibility import compatibility_matrix, text_objectives
    from danlu.registry import tasks

    pairs = compatibility_matrix()
    if as_json:
        click.echo(json.dumps([asdict(pair) for pair in pairs], ensure_ascii=False, indent=1))
        return
    table = Table(*heads("objective", "architectures"))
    for objective in dict.fromkeys(pair.objective for pair in pairs):
        fitting = [pair for pair in pairs if pair.objective == objective and pair.allowed]
        named = [
            message("matrix.fitting", architecture=p.architecture, settings=translated("matrix_reason", p.reason))
            for p in fitting
        ]
        table.add_row(objective, message("list.names").join(name.strip() for name in named))
    console = Console()
    console.print(table)
    for pair in pairs:
        if not pair.allowed:
            line = message("matrix.no", reason=translated("matrix_reason", pair.reason))
            click.echo("\n".join(wrapped(line, console.width)))
    comma = message("list.comma")
    line = message("matrix.tasks", tasks=comma.join(tasks), objectives=comma.join(text_objectives()))
    click.echo("\n".join(wrapped(line, console.width)))
