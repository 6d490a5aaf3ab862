"""`danlu finetune MODEL --train ROWS --test ROWS`"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from danlu.commands.help import Command
from danlu.commands.run import finish, with_progress
from danlu.commands.run_directories import in_free_directory
from danlu.console.language import message


@click.command("finetune", cls=Command)
@click.argument("model", type=click.Path())
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--train", required=True, type=click.Path(), help="Labelled rows to train on (.tsv, .csv or .jsonl).")
@click.option("--test", type=click.Path(), help="Labelled rows to test on.")
@click.option("--dev", type=click.Path(), help="Labelled rows on which the learning rate and steps are chosen.")
@click.option(
    "--split",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Instead of --test: fraction of the --train rows of each label to test on.",
)
@click.option("--text", help="Column of the text.  [default: text]")
@click.option("--label", help="Column of the label.  [default: label]")
@click.option("--group", help="Column of a group, such as the author; --split keeps groups together.")
@click.option("--labels-per-class", type=click.IntRange(min=1), help="Rows per class and seed.  [default: all]")
@click.option("--task", help="Kind of the task.  [default: classify]")
@click.option(
    "--seeds",
    default=5,
    type=click.IntRange(min=1),
    show_default=True,
    help="Number of trainings, each with its own sample and order of rows.",
)
@click.option("--budget", help="Time for all trainings (2min) or steps of each (30 steps).  [default: 60s]")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory (default: runs/<model>-labels).")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on stdout.")
def command(
    model: str, overrides: tuple[str, ...], as_json: bool, out: Path | None, task: str | None, **given: Any
) -> None:
    """Fine-tune MODEL (a model folder or a run directory) on labelled rows, and compare it with baselines.

    The baselines are random weights, TF-IDF and the majority class. The same command resumes an interrupted run.
    Other settings are given as KEY.PATH=VALUE, such as task.max_tokens=64 or training.optimizer.learning_rate=1e-4.
    """
    import danlu
    from danlu.api.finetune import results_directory
    from danlu.tasks import DEFAULT

    if given["test"] is None and given["split"] is None:
        raise click.UsageError(message("finetune.no_test"))
    chosen = task or DEFAULT
    options = {name: value for name, value in given.items() if value is not None}

    def in_directories(say: Callable[[str], None], **callbacks: Any) -> tuple[dict[str, Any], Path]:
        def tune(folder: Path) -> dict[str, Any]:
            about = options | callbacks
            return danlu.finetune(model, overrides=overrides, out=folder, task=chosen, say=say, **about)

        return in_free_directory(tune, results_directory(model, out, chosen), say, strict=out is not None)

    finish(*with_progress(in_directories), as_json)
