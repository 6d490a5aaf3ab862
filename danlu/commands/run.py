"""`danlu run RECIPE_OR_TEXT [key.path=value ...]`"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click

from danlu.commands import language
from danlu.commands.progress import Progress
from danlu.errors import Stopped


class Request:
    """Whether the user or the system asked to stop, and with which exit code that ends."""

    def __init__(self) -> None:
        self.code: int | None = None
        signal.signal(signal.SIGINT, self._interrupted)
        signal.signal(signal.SIGTERM, self._terminated)

    def __call__(self) -> bool:
        return self.code is not None

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self.code is not None:
            raise KeyboardInterrupt
        self.code = 130

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        self.code = 75


def watched(work: Callable[..., dict[str, Any]], news: Sequence[str] = ()) -> dict[str, Any]:
    """What `work(say=, watch=, stop=)` gives, with live progress; `news` is said first."""
    stop = Request()
    with Progress() as progress:
        for line in news:
            progress.say(line)
        try:
            return work(say=progress.say, watch=progress.watch, stop=stop)
        except Stopped as stopped:
            stopped.code = stop.code or stopped.code
            raise


def use_recipe_language(recipe: str, overrides: Sequence[str]) -> None:
    """Print messages in the language that a recipe sets, unless another one is asked for."""
    from danlu.config.loading import find_recipe, override, parse, plain

    data = plain(parse(*find_recipe(recipe)))
    if isinstance(data, dict):
        for assignment in overrides:
            override(data, assignment)
        language.of_recipe(data)


def do(
    work: Callable[..., dict[str, Any]],
    recipe: str,
    overrides: tuple[str, ...],
    out: Path | None,
    budget: str | None,
    as_json: bool,
    news: Sequence[str] = (),
) -> None:
    """Do a recipe with live progress, by `danlu.run` or a part of it; the results go to stdout."""
    use_recipe_language(recipe, overrides)
    results = watched(partial(work, recipe, overrides, out, budget), news)
    folder = out or Path("runs") / Path(recipe).stem
    click.echo(json.dumps(results, ensure_ascii=False) if as_json else folder / "report.html")


def do_text(
    work: Callable[..., dict[str, Any]],
    source: str,
    overrides: tuple[str, ...],
    out: Path | None,
    budget: str | None,
    as_json: bool,
    start: str | None = None,
) -> None:
    """Look at a text, write a recipe for it beside the run directory, and do that; start: a model to go on from."""
    from danlu.config.continuation_draft import draft_continuation
    from danlu.config.drafting import TIME, draft_recipe, refuse_inside, run_name, write_draft

    folder = out or Path("runs") / run_name(source)
    refuse_inside(folder, source)
    draft = draft_continuation(source, budget or TIME, start) if start else draft_recipe(source, budget or TIME)
    recipe = folder.with_name(f"{folder.name}.yaml")
    fresh = write_draft(draft, recipe)
    done = "written; edit it and run it by its name as you like" if fresh else "unchanged; resuming the run"
    news = [*draft.findings.lines(), *draft.plan(), f"recipe     {recipe}: {done}"]
    do(work, str(recipe), overrides, folder, None, as_json, news)


@click.command("run")
@click.argument("recipe", metavar="RECIPE|TEXT")
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory (default: runs/<name>).")
@click.option("--budget", help="Time for all training together, such as 4min (a text without a recipe: 9min).")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on stdout.")
def command(recipe: str, overrides: tuple[str, ...], out: Path | None, budget: str | None, as_json: bool) -> None:
    """Run RECIPE (a .yaml file or a shipped name), or TEXT: a file or folder of text that needs no recipe.

    A text is looked at first; a commented recipe for it is written beside the run directory. The same command
    resumes an interrupted run.
    """
    import danlu
    from danlu.config.drafting import is_text, shadowed

    if is_text(recipe):
        do_text(danlu.run, recipe, overrides, out, budget, as_json)
    else:
        do(danlu.run, recipe, overrides, out, budget, as_json, shadowed(recipe))
