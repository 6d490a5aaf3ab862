"""`danlu show RECIPE [key.path=value ...]`"""

from __future__ import annotations

import json
from shutil import get_terminal_size
from typing import Any

import click

from danlu.commands.help import Command
from danlu.console.language import message

NO_TERMINAL = 122
"""Columns where the output is not a terminal."""


@click.command("show", cls=Command)
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--budget", help="Time for all training together, such as 4min.")
@click.option("--time", "timed", is_flag=True, help="Also time a few steps and estimate the training time.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
def command(recipe: str, overrides: tuple[str, ...], budget: str | None, timed: bool, as_json: bool) -> None:
    """Show what RECIPE would do: settings, parameters, operations, memory, and examples with their targets."""
    from danlu.api.request import resolve_recipe
    from danlu.api.show import show
    from danlu.commands.run import use_recipe_language
    from danlu.config.loading import dump_recipe

    use_recipe_language(recipe, overrides)
    resolved = resolve_recipe(recipe, overrides, budget)
    facts = show(resolved, timed=timed, say=lambda line: click.echo(line, err=True))
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    for name, model in facts["models"].items():
        tell(name, model, facts["machine"])
    click.echo(dump_recipe(resolved))


def tell(name: str, facts: dict[str, Any], machine: dict[str, Any]) -> None:
    """One model: tables of parameters and memory, work, time, examples."""
    from danlu.commands.tables import heads, print_table
    from danlu.console.event_text import event_lines
    from danlu.runs.events import WeightsTransferred

    click.echo(message("show.model", name=name, **{key: facts[key] for key in ("objective", "architecture")}) + "\n")
    if start := facts["start"]:
        click.echo(message("show.start", folder=start["folder"], digest=start["sha256"][:12]))
        click.echo("".join(f"{line}\n" for line in event_lines(WeightsTransferred("", start))))
    rows = [[part["part"], part["parameters"], part["trained"]] for part in facts["parameters"]["parts"]]
    total = [message("show.all"), facts["parameters"]["total"], facts["parameters"]["trained"]]
    print_table(heads("part", "parameters", "trained"), [*rows, total])
    click.echo()
    for line in cost(facts, machine):
        click.echo(line)
    for example in facts["examples"]:
        click.echo("\n" + message("show.example", stream=example["stream"]))
        for line in two_rows(example["tokens"], example["targets"]):
            click.echo(line)
        for label, value in example["sequence_labels"].items():
            click.echo("  " + message("show.whole", name=label, value=value))
    click.echo()


def cost(facts: dict[str, Any], machine: dict[str, Any]) -> list[str]:
    """Return the lines about operations, memory, steps and time of one model."""
    from danlu.console.formatting import byte_size

    work, memory, time = facts["operations"], facts["memory"], facts["time"]
    parts = [message(f"show.memory_{what}", size=byte_size(n)) for what, n in memory.items() if what != "total"]
    where = message("show.where", **{key: machine[key] for key in ("device", "dtype", "threads")})
    return [
        message("show.work", training=work["training_per_token"], forward=work["forward_per_token"]),
        message("show.memory", total=byte_size(memory["total"]), parts=message("list.comma").join(parts)),
        message("show.step", tokens=facts["step"]["tokens"], epoch=facts["tokens_per_epoch"]),
        message("show.no_time", where=where)
        if time is None
        else message(
            "show.time",
            seconds=time["seconds"],
            steps=time["steps"],
            speed=time["tokens_per_second"],
            where=where,
        ),
    ]


def two_rows(tokens: list[str], targets: list[str | None], columns: int | None = None) -> list[str]:
    """Tokens and below each its target, in columns, wrapped; `·` is no target.

    Args:
        columns: of the tokens (default: what the terminal has, without the names of the rows).
    """
    from danlu.console.columns import padded, show_whitespace, width

    names = [f"  {message(key)}" for key in ("show.sees", "show.predicts")]
    columns = columns or get_terminal_size((NO_TERMINAL, 0)).columns - width(names[0])
    lines: list[str] = []
    above, below = "", ""
    for token, target in zip(tokens, targets, strict=True):
        a, b = show_whitespace(token), "·" if target is None else show_whitespace(target)
        wide = max(width(a), width(b))
        if above and width(above) + wide + 1 > columns:
            lines += [names[0] + above, names[1] + below, ""]
            above, below = "", ""
        above += "|" * bool(above) + padded(a, wide)
        below += "|" * bool(below) + padded(b, wide)
    return [*lines, names[0] + above, names[1] + below]
