"""Tables on stdout: drawn on a terminal, plain aligned columns elsewhere, so that they can be cut and searched."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import click


def width(text: str) -> int:
    """Columns on a terminal: wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


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
        padded = [
            " " * (w - width(cell)) + cell if numeric else cell + " " * (w - width(cell))
            for cell, w, numeric in zip(line, wide, right, strict=True)
        ]
        click.echo("  ".join(padded).rstrip())


def shown(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
