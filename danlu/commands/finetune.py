"""`danlu finetune MODEL --train ROWS --test ROWS`"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click

from danlu.commands.run import watched


@click.command("finetune")
@click.argument("model", type=click.Path())
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--train", required=True, type=click.Path(), help="Labelled rows to learn from (.tsv or .csv).")
@click.option("--test", required=True, type=click.Path(), help="Labelled rows to be tested on.")
@click.option("--text", default="text", show_default=True, help="The column of the text.")
@click.option("--label", default="label", show_default=True, help="The column of the label.")
@click.option("--labels-per-class", type=click.IntRange(min=1), help="Rows drawn for each class and seed (all).")
@click.option(
    "--seeds", default=5, type=click.IntRange(min=1), show_default=True, help="Runs, each with other draws and order."
)
@click.option("--budget", help="For all trainings together, such as 2min or 30 steps (each).  [default: 60s]")
@click.option("--out", type=click.Path(path_type=Path), help="The directory to write (runs/<model>-labels).")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on stdout.")
def command(model: str, overrides: tuple[str, ...], as_json: bool, **told: object) -> None:
    """Fine-tune the model in the folder MODEL on labelled rows, beside random weights, TF-IDF and the majority.

    The same command again goes on where it was cut off. Other settings are words such as task.max_tokens=64 or
    training.optimizer.learning_rate=1e-4.
    """
    import danlu
    from danlu.api.finetune import directory_of

    work = partial(danlu.finetune, model, overrides=overrides, **told)  # type: ignore[arg-type]
    results = watched(work)
    report = directory_of(model, told["out"]) / "report.html"  # type: ignore[arg-type]
    click.echo(json.dumps(results, ensure_ascii=False) if as_json else report)
