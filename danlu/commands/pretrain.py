"""`danlu pretrain RECIPE_OR_TEXT [key.path=value ...]`"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from danlu.commands.help import Command
from danlu.commands.run import hidden_text, run_recipe, run_text


@click.command("pretrain", cls=Command)
@click.argument("recipe", metavar="RECIPE|TEXT")
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--from", "start", type=click.Path(), help="Continue from the model in this folder, with its tokenizer.")
@click.option("--model", help="Train only this model of the recipe.")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory (default: runs/<name>).")
@click.option("--budget", help="Time for all training together, such as 4min (a text without a recipe: 9min).")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on stdout.")
def command(
    recipe: str,
    overrides: tuple[str, ...],
    start: str | None,
    model: str | None,
    out: Path | None,
    budget: str | None,
    as_json: bool,
) -> None:
    """Pre-train the models of RECIPE without its tasks; `danlu run` with the same arguments adds those later.

    With --from, training continues from a saved model (a danlu or Hugging Face folder). Architecture and tokenizer are
    then those of the saved model; corpus, training settings and prompts are those of the recipe.
    """
    import danlu
    from danlu.api.model_folders import PRETRAIN, choose_model
    from danlu.config.drafting import is_text

    if start is not None:
        start = str(choose_model(start, PRETRAIN, lambda line: click.echo(line, err=True), model))
    if is_text(recipe):
        run_text(partial(danlu.pretrain, model=model), recipe, overrides, out, budget, as_json, start, model)
    else:
        work = partial(danlu.pretrain, start=start, model=model)
        run_recipe(work, recipe, overrides, out, budget, as_json, hidden_text(recipe, overrides))
