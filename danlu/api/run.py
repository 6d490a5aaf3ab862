"""`danlu.run`: run a recipe from raw text to report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from danlu.api.request import run_request
from danlu.config.schema import Recipe
from danlu.console.reporter import Say, Watch, print_line, reporter
from danlu.runs import run as runs
from danlu.runs.events import never


def run(
    recipe: str | Path | Recipe,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    budget: str | None = None,
    say: Say | None = print_line,
    watch: Watch | None = None,
    stop: Callable[[], bool] = never,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run a recipe from raw text to report. The same call resumes a run that was interrupted.

    Args:
        recipe: a file, the name of a shipped recipe, or a `Recipe`.
        overrides: `key.path=value`, as on the command line.
        out: the run directory (default: runs/<name>).
        budget: time for all trainings together, such as "4min".
        say: receives each line of progress (default: printed on stderr); None prints nothing.
        watch: receives the records of trainings and their plan; `say` then receives no lines about them.
        stop: called after every step; returns whether to save and stop.
        quiet: print nothing.

    Returns:
        The content of results.json.

    Raises:
        WrongInput: if the recipe or an input is wrong; a run directory that did not exist before is not kept.
        Stopped: if `stop` returned True; the state is saved.
    """
    request = run_request(recipe, overrides, out, budget)
    return runs.run(request, reporter(say, watch, quiet), stop)
