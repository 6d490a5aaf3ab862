"""`danlu compare RECIPE RECIPE ... --tokens N`"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from danlu.commands.help import Command
from danlu.commands.next_commands import command_line, print_next
from danlu.console.language import message, named


@click.command("compare", cls=Command)
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE... [KEY.PATH=VALUE]...")
@click.option("--tokens", help="Tokens of each training, such as 500k.")
@click.option("--time", "seconds", help="Time for each training, such as 4min.")
@click.option("--flops", help="Floating-point operations of each training, such as 20T.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Trainings of each model.")
@click.option("--task", help="The task that all models are fine-tuned for (default: the first of the recipes).")
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

    A RECIPE is a file or the name of a shipped recipe. KEY.PATH=VALUE changes all of them, such as
    corpus.source=my_texts/. The same command resumes an interrupted comparison.
    """
    import danlu
    from danlu.commands.run import use_recipe_language, with_progress
    from danlu.commands.run_directories import in_free_directory

    budgets = [seconds, tokens and f"{tokens} tokens", flops and f"{flops} flops"]
    given = [budget for budget in budgets if budget]
    if len(given) != 1:
        raise click.UsageError(message("compare.budget"))
    names = [word for word in recipes if "=" not in word]
    overrides = [word for word in recipes if "=" in word]
    if names:
        use_recipe_language(names[0], overrides)

    def in_directories(say: Callable[[str], None], **callbacks: Any) -> tuple[dict[str, Any], Path]:
        def compare(folder: Path) -> dict[str, Any]:
            return danlu.compare(names, given[0], seeds, task, overrides, folder, say=say, **callbacks)

        return in_free_directory(compare, out or Path("runs") / "compare", say, strict=out is not None)

    made, folder = with_progress(in_directories)
    if as_json:
        click.echo(json.dumps(made, ensure_ascii=False, indent=1))
        return
    print_comparison(made)
    click.echo(folder / "comparison.html")
    print_next(command_line("run", best_recipe(names, made["models"]), *overrides))


def best_recipe(recipes: Sequence[str], models: Sequence[dict[str, Any]]) -> str:
    """Return the recipe with the lowest bits per byte; the first one if they have none."""
    scores = {model["name"]: model["bits_per_byte"]["mean"] for model in models if model["bits_per_byte"]}
    return min(recipes, key=lambda recipe: scores.get(Path(recipe).stem, float("inf")))


def print_comparison(made: dict[str, Any]) -> None:
    """Print one row per model, and the controls below."""
    from danlu.commands.tables import heads, print_table

    task = made["task"]
    columns = heads("model", "parameters", "tokens", "bits_per_byte")
    if task:
        columns += [
            message("columns.task", task=task["name"], metric=named("metric", task["metric"])),
            *heads("random_weights"),
        ]
    rows = []
    for model in made["models"]:
        figures = [model["bits_per_byte"], *([model["task"], model["random_weights"]] if task else [])]
        rows.append([model["name"], model["parameters"], round(model["tokens"]), *map(score_text, figures)])
    print_table(columns, rows)
    for line in too_short(made):
        click.echo(line)
    if made["baselines"]:
        values = [f"{named('baseline', name)} {value:.3f}" for name, value in made["baselines"].items()]
        click.echo(message("compare.bits", values=message("list.comma").join(values)))
    if task:
        values = [f"{named('baseline', name)} {score_text(value)}" for name, value in task["controls"].items()]
        click.echo(message("compare.task", values=message("list.comma").join(values)))


def too_short(made: dict[str, Any]) -> list[str]:
    """Return a line for each model that was trained too briefly to be compared."""
    from danlu.console.language import current
    from danlu.report.phrases import in_language
    from danlu.report.too_short import short_comparison
    from danlu.results import Sufficiency

    lines = []
    for model in made["models"]:
        found = (model.get(key) for key in ("sufficiency", "task_sufficiency"))
        judged = [None if each is None else Sufficiency.model_validate(each) for each in found]
        if short := short_comparison(model["name"], *judged):
            lines.append(in_language(short, current()))
    return lines


def score_text(found: dict[str, Any] | None, sign: str = "") -> str:
    """Return a score with its interval; a dash where there is none. sign: "+" shows the sign of positive ones."""
    from danlu.console.formatting import with_interval

    return "–" if found is None else with_interval(found["mean"], found["low"], found["high"], sign=sign)
