"""Tables on stdout: aligned columns, wrapped to the width of a terminal, and in whole lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import zip_longest
from shutil import get_terminal_size

import click

from danlu.console.columns import padded, show_whitespace, width, wrapped
from danlu.console.language import message, named

GAP = 2
"""Spaces between columns."""

NARROWEST = 8
"""Columns that a column of text keeps on a narrow terminal."""


def heads(*keys: str) -> list[str]:
    """Return the heads of columns in the language of the console; "" is a column without a head."""
    return [message(f"columns.{key}") if key else "" for key in keys]


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under `columns`, their heads; numbers stand to the right. On a terminal, wide cells are wrapped."""
    right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
    cells = [[shown(value) for value in row] for row in rows]
    wide = [max(width(line[i]) for line in [columns, *cells]) for i in range(len(columns))]
    if sys.stdout.isatty():
        wide = fitted(wide, right, get_terminal_size().columns)
    if any(columns):
        for line in table_row(columns, wide, right):
            click.secho(line, dim=True)
    for row in cells:
        for line in table_row(row, wide, right):
            click.echo(line)


def fitted(wide: Sequence[int], right: Sequence[bool], limit: int) -> list[int]:
    """Return the widths of columns that together fit into `limit`: the widest texts are narrowed, numbers are not."""
    found = list(wide)
    texts = [i for i, numeric in enumerate(right) if not numeric]
    while texts and sum(found) + GAP * (len(found) - 1) > limit:
        widest = max(texts, key=lambda i: found[i])
        if found[widest] <= NARROWEST:
            break
        found[widest] -= 1
    return found


def table_row(cells: Sequence[str], wide: Sequence[int], right: Sequence[bool]) -> list[str]:
    """Return the lines of one row: several where a cell is wider than its column."""
    parts = [[cell] if width(cell) <= w else wrapped(cell, w) for cell, w in zip(cells, wide, strict=True)]
    lines = []
    for line in zip_longest(*parts, fillvalue=""):
        filled = [padded(cell, w, numeric) for cell, w, numeric in zip(line, wide, right, strict=True)]
        lines.append((" " * GAP).join(filled).rstrip())
    return lines


def shown(value: object) -> str:
    """Return the text of a cell: numbers with thousands separated, nothing for None."""
    if isinstance(value, bool):
        return named("answer", str(value))
    if not isinstance(value, int | float):
        return "" if value is None else show_whitespace(str(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
