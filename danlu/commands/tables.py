"""Tables on stdout: drawn on a terminal, plain aligned columns elsewhere, so that they can be cut and searched."""

from __future__ import annotations

from collections.abc import Sequence

import click

from danlu.console.columns import padded, visible, width
from danlu.console.language import message, named


def heads(*keys: str) -> list[str]:
    """Return the heads of columns in the language of the console; "" is a column without a head."""
    return [message(f"columns.{key}") if key else "" for key in keys]


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """`columns` are the heads; numbers stand to the right."""
    from rich.console import Console
    from rich.table import Table

    right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
    cells = [[shown(value) for value in row] for row in rows]
    console = Console()
    if console.is_terminal:
        table = Table(box=None, header_style="dim", pad_edge=False)
        for name, numeric in zip(columns, right, strict=True):
            table.add_column(name, justify="right" if numeric else "left", overflow="fold")
        for row in cells:
            table.add_row(*(row))
        console.print(table, markup=False)
        return
    lines = [list(columns), *cells]
    wide = [max(width(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        filled = [padded(cell, w, numeric) for cell, w, numeric in zip(line, wide, right, strict=True)]
        click.echo("  ".join(filled).rstrip())


def shown(value: object) -> str:
    """Return the text of a cell: numbers with thousands separated, nothing for None."""
    if isinstance(value, bool):
        return named("answer", str(value))
    if not isinstance(value, int | float):
        return "" if value is None else visible(str(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
