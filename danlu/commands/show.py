"""`danlu show RECIPE [key.path=value ...]`"""

from __future__ import annotations

import json
from typing import Any

import click

from danlu.commands.help import Command


@click.command("show", cls=Command)
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--budget", help="Time for all training together, such as 4min.")
@click.option("--time", "timed", is_flag=True, help="Also time a few steps and say how long the training takes.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
def command(recipe: str, overrides: tuple[str, ...], budget: str | None, timed: bool, as_json: bool) -> None:
    """Show what RECIPE will do without doing it: settings, parameters, work, memory, examples with their targets."""
    from danlu.api.request import resolve_recipe
    from danlu.api.show import show
    from danlu.config.loading import dump_recipe

    resolved = resolve_recipe(recipe, overrides, budget)
    facts = show(resolved, timed=timed, say=lambda line: click.echo(line, err=True))
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    click.echo(dump_recipe(resolved))
    for name, model in facts["models"].items():
        tell(name, model, facts["machine"])


def tell(name: str, facts: dict[str, Any], machine: dict[str, Any]) -> None:
    """One model: tables of parameters and memory, work, time, examples."""
    from danlu.commands.tables import print_table
    from danlu.config.corpus_survey import size
    from danlu.console.event_text import event_lines
    from danlu.runs.events import WeightsTransferred

    click.echo(f"{name}: {facts['objective']} on {facts['architecture']}\n")
    if start := facts["start"]:
        click.echo(f"starts from {start['folder']} (weights {start['sha256'][:12]})")
        click.echo("".join(f"{line}\n" for line in event_lines(WeightsTransferred("", start))))
    parts = facts["parameters"]["parts"]
    total = [["all", facts["parameters"]["total"], facts["parameters"]["trained"]]]
    rows = [[part["part"], part["parameters"], part["trained"]] for part in parts]
    print_table(["part", "parameters", "trained"], rows + total)
    work, memory, step = facts["operations"], facts["memory"], facts["step"]
    click.echo(f"\nwork    {work['training_per_token']:.3g} floating-point operations per token "
               f"({work['forward_per_token']:.3g} forward)")  # fmt: skip
    parts_of_memory = ", ".join(f"{size(n)} {what}" for what, n in memory.items() if what != "total")
    click.echo(f"memory  {size(memory['total'])}: {parts_of_memory}")
    click.echo(f"step    {step['tokens']:,.0f} tokens; an epoch is {facts['tokens_per_epoch']:,} tokens")
    where = f"{machine['device']}, {machine['dtype']}, {machine['threads']} threads"
    if time := facts["time"]:
        click.echo(f"time    {time['seconds']:,.0f} s for {time['steps']:,} steps at {time['tokens_per_second']:,.0f} "
                   f"tokens per second ({where})")  # fmt: skip
    else:
        click.echo(f"time    not measured; ask with --time ({where})")
    for example in facts["examples"]:
        click.echo(f"\nexample, stream {example['stream']!r}: what the model sees, and below it what it is to predict")
        for line in two_rows(example["tokens"], example["targets"]):
            click.echo(line)
        for mark, value in example["sequence_labels"].items():
            click.echo(f"  asked for the whole: {mark} {value}")
    click.echo()


def two_rows(tokens: list[str], targets: list[str | None], columns: int = 110) -> list[str]:
    """Tokens and below each its target, in columns, wrapped; `·` is no target."""
    from danlu.commands.tables import width

    lines: list[str] = []
    above, below = "", ""
    for token, target in zip(tokens, targets, strict=True):
        a, b = visible(token), "·" if target is None else visible(target)
        wide = max(width(a), width(b))
        if above and width(above) + wide + 1 > columns:
            lines += [f"  sees      {above}", f"  predicts  {below}", ""]
            above, below = "", ""
        above += "|" * bool(above) + a + " " * (wide - width(a))
        below += "|" * bool(below) + b + " " * (wide - width(b))
    return [*lines, f"  sees      {above}", f"  predicts  {below}"]


def visible(token: str) -> str:
    """White space as signs, so that columns hold."""
    return token.replace("\n", "⏎").replace("\t", "→").replace("\r", "␍")
