"""`danlu compare RECIPE RECIPE ... --tokens N`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


@click.command("compare")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE... [KEY.PATH=VALUE]...")
@click.option("--tokens", help="Tokens each training sees, such as 500k.")
@click.option("--time", "seconds", help="Time for each training, such as 4min.")
@click.option("--flops", help="Floating-point operations of each training, such as 20T.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Trainings of each model.")
@click.option("--task", help="Which task of the recipes all models are fine-tuned for (default: the first).")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory (default: runs/compare).")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON on stdout.")
def command(
    recipes: tuple[str, ...],
    tokens: str | None,
    seconds: str | None,
    flops: str | None,
    seeds: int,
    task: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Train the models of several recipes on one corpus, with one tokenizer and one budget, and compare them.

    A RECIPE is a file or a shipped name; KEY.PATH=VALUE changes all of them, such as corpus.source=my_texts/. The same
    command resumes an interrupted comparison.
    """
    from danlu.api.compare import compare
    from danlu.commands.progress import Progress
    from danlu.commands.run import Request
    from danlu.errors import Stopped

    budgets = [seconds, tokens and f"{tokens} tokens", flops and f"{flops} flops"]
    given = [budget for budget in budgets if budget]
    if len(given) != 1:
        raise click.UsageError("say the budget of each training by one of --tokens, --time and --flops")
    names = [word for word in recipes if "=" not in word]
    overrides = [word for word in recipes if "=" in word]
    stop = Request()
    with Progress() as progress:
        try:
            made = compare(names, given[0], seeds, task, overrides, out, progress.say, progress.watch, stop)
        except Stopped as stopped:
            stopped.code = stop.code or stopped.code
            raise
    if as_json:
        click.echo(json.dumps(made, ensure_ascii=False, indent=1))
        return
    tell(made)
    click.echo((out or Path("runs") / "compare") / "comparison.html")


def tell(made: dict[str, Any]) -> None:
    """One row a model; controls below."""
    from danlu.commands.tables import print_table

    task = made["task"]
    metric = [] if task is None else [f"{task['name']}, {task['metric']}", "random weights"]
    rows = []
    for model in made["models"]:
        rows.append([model["name"], model["parameters"], round(model["tokens"]), with_bounds(model["bits_per_byte"])])
        rows[-1] += [with_bounds(model["task"]), with_bounds(model["random_weights"])] if task else []
    print_table(["model", "parameters", "tokens", "bits per byte", *metric], rows)
    if made["baselines"]:
        click.echo(
            "bits per byte without a network: " + ", ".join(f"{k} {v:.3f}" for k, v in made["baselines"].items())
        )
    if task:
        click.echo("without pre-training: " + ", ".join(f"{k} {with_bounds(v)}" for k, v in task["controls"].items()))


def with_bounds(found: dict[str, Any] | None, sign: str = "") -> str:
    """sign: "+" shows it for positive figures too, as differences have it."""
    if found is None:
        return "–"
    bounds = "" if found["low"] is None else f" [{found['low']:{sign}.3f}, {found['high']:{sign}.3f}]"
    return f"{found['mean']:{sign}.3f}{bounds}"
