"""Commands whose help follows the language of the console.

English help is written in the commands and formatted by click. The Chinese texts are in
`danlu/console/messages/help.zh.toml`: a table for each command, with its options by parameter name.
"""

from __future__ import annotations

from collections.abc import Iterator
from shutil import get_terminal_size
from typing import Any

import click

from danlu.console.columns import padded, width, wrapped
from danlu.console.language import catalogue, current

MAX_COLUMNS, MIN_COLUMNS = 80, 50
"""Limits of the width of a help page, the defaults of click."""

FIRST_COLUMN = 30
"""Maximum width of an option whose description starts on the same line."""


class Command(click.Command):
    """A command with help in the language of the console."""

    def get_help(self, ctx: click.Context) -> str:
        return super().get_help(ctx) if current() == "en" else chinese_help(self, ctx)


class Group(click.Group):
    """A command with commands below it, with help in the language of the console."""

    command_class = Command

    def get_help(self, ctx: click.Context) -> str:
        return super().get_help(ctx) if current() == "en" else chinese_help(self, ctx)


def texts() -> dict[str, Any]:
    return catalogue("zh", "help")


def chinese_help(command: click.Command, ctx: click.Context) -> str:
    """Return the Chinese help page of a command: usage, description, options, commands."""
    frame = texts()["frame"]
    columns = max(MIN_COLUMNS, min(get_terminal_size().columns, MAX_COLUMNS) - 2)
    entry = texts()[command_key(ctx)]
    lines = usage(command, ctx, columns)
    for paragraph in entry["help"].strip().split("\n\n"):
        lines += ["", *indented(wrapped(paragraph, columns - 2))]
    options = [option_row(param, entry, ctx) for param in command.get_params(ctx) if isinstance(param, click.Option)]
    lines += ["", f"{frame['options']}：", *table(options, columns)]
    if isinstance(command, click.Group):
        lines += ["", f"{frame['commands']}：", *table(list(command_rows(command, ctx)), columns)]
    return "\n".join(lines)


def command_key(ctx: click.Context) -> str:
    """Return the key of a command in the catalogue, such as `corpus check`; `danlu` for the program itself."""
    names = []
    while ctx.parent is not None:
        names.insert(0, str(ctx.command.name))
        ctx = ctx.parent
    return " ".join(names) or "danlu"


def usage(command: click.Command, ctx: click.Context, columns: int) -> list[str]:
    """Return the usage line, wrapped with a hanging indent below the first argument."""
    arguments = texts()["arguments"]
    pieces = " ".join(arguments.get(piece, piece) for piece in command.collect_usage_pieces(ctx))
    start = f"{texts()['frame']['usage']}{ctx.command_path} "
    first, *others = wrapped(pieces, columns - width(start))
    return [start + first, *(" " * width(start) + line for line in others)]


def option_row(param: click.Option, entry: dict[str, Any], ctx: click.Context) -> tuple[str, str]:
    """Return the two cells of an option: its names and type; its description with default, range and `required`."""
    frame = texts()["frame"]
    spec = (param.get_help_record(ctx) or ("", ""))[0]
    if not param.is_flag:
        kind = param.make_metavar(ctx)
        spec = spec.removesuffix(kind) + texts()["types"].get(kind, kind)
    extra = param.get_help_extra(ctx)
    notes = [
        *([frame["default"].format(value=extra["default"])] if "default" in extra else []),
        *([extra["range"]] if "range" in extra else []),
        *([frame["required"]] if "required" in extra else []),
    ]
    text = frame["help_option"] if "--help" in param.opts else entry[str(param.name)]
    return spec, f"{text}[{'；'.join(notes)}]" if notes else text


def command_rows(group: click.Group, ctx: click.Context) -> Iterator[tuple[str, str]]:
    """Yield (name, one-line summary) of each command of a group."""
    key = command_key(ctx)
    for name in group.list_commands(ctx):
        yield (
            name,
            texts()["verbs"][name] if key == "danlu" else texts()[f"{key} {name}"]["short"],
        )


def table(rows: list[tuple[str, str]], columns: int) -> list[str]:
    """Return rows of two columns, the second one wrapped; a first cell that is too wide is put on a separate line."""
    first = min(max(width(cell) for cell, _ in rows), FIRST_COLUMN) + 2
    lines = []
    for cell, text in rows:
        begin, *rest = wrapped(text, columns - first - 2)
        lines += [padded(cell, first) + begin] if width(cell) <= first - 2 else [cell, " " * first + begin]
        lines += [" " * first + line for line in rest]
    return indented(lines)


def indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
