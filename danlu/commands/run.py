"""`danlu run RECIPE_OR_TEXT [key.path=value ...]`"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from danlu.commands.help import Command
from danlu.commands.next_commands import next_of_run, print_next
from danlu.commands.run_directories import in_free_directory
from danlu.console import language
from danlu.console.language import message
from danlu.errors import DirectoryTaken, Stopped

if TYPE_CHECKING:
    from danlu.config.drafting import Draft

T = TypeVar("T")


class StopRequest:
    """Whether the user or the system has asked to stop, and the exit code for that."""

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


def with_progress(work: Callable[..., T], news: Sequence[str] = ()) -> T:
    """Call `work(say=, watch=, stop=)` with live progress and return its result; `news` is printed first."""
    from danlu.console.progress import Progress

    stop = StopRequest()
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
    from danlu.config.loading import find_recipe

    use_language_of(*find_recipe(recipe), overrides)


def use_language_of(text: str, source: str, overrides: Sequence[str]) -> None:
    """Print messages in the language that the YAML of a recipe sets, unless another one is asked for."""
    from danlu.config.loading import apply_override, parse_yaml, to_builtin_types

    data = to_builtin_types(parse_yaml(text, source))
    if isinstance(data, dict):
        for assignment in overrides:
            apply_override(data, assignment)
        language.of_recipe(data)


def hidden_text(recipe: str, overrides: Sequence[str]) -> list[str]:
    """Return a line when a shipped recipe hides a file or folder of the same name."""
    from danlu.config.drafting import shadowing_note
    from danlu.console.draft_text import wording

    use_recipe_language(recipe, overrides)
    return shadowing_note(recipe, wording())


def run_recipe(
    work: Callable[..., dict[str, Any]],
    recipe: str,
    overrides: tuple[str, ...],
    out: Path | None,
    budget: str | None,
    as_json: bool,
    news: Sequence[str] = (),
) -> None:
    """Run a recipe with live progress, by `danlu.run` or `danlu.pretrain`; the results go to stdout.

    Without `out`, an earlier run of the recipe with other settings is kept, and this one is written next to it.
    """
    from danlu.api.request import run_directory

    use_recipe_language(recipe, overrides)

    def in_directories(say: Callable[[str], None], **callbacks: Any) -> tuple[dict[str, Any], Path]:
        def run(folder: Path) -> dict[str, Any]:
            return work(recipe, overrides, folder, budget, say=say, **callbacks)

        return in_free_directory(run, run_directory(recipe, out), say, strict=out is not None)

    finish(*with_progress(in_directories, news), as_json)


def finish(results: dict[str, Any], folder: Path, as_json: bool) -> None:
    """Print the results as JSON; or the page of the results, and the next commands on stderr."""
    click.echo(json.dumps(results, ensure_ascii=False) if as_json else folder / "report.html")
    if not as_json:
        print_next(*next_of_run(results, folder))


def corpus_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the settings of the corpus among the overrides, which the look at the text obeys, too."""
    from danlu.config.loading import apply_override

    data: dict[str, Any] = {}
    for assignment in overrides:
        apply_override(data, assignment)
    corpus = data.get("corpus")
    return corpus if isinstance(corpus, dict) else {}


def run_text(
    work: Callable[..., dict[str, Any]],
    source: str,
    overrides: tuple[str, ...],
    out: Path | None,
    budget: str | None,
    as_json: bool,
    start: str | None = None,
    model: str | None = None,
) -> None:
    """Draft a recipe for a text, write it next to the run directory, and run it.

    The recipe and the overrides are checked before the run directory is chosen.

    start: a model whose training is continued; model: the only model of the draft that `work` trains, which gets the
    time of all of them.
    """
    from danlu.config.continuation_draft import draft_continuation
    from danlu.config.drafting import DEFAULT_BUDGET, check_run_folder, draft_recipe, run_name
    from danlu.config.loading import DRAFT, parse_recipe
    from danlu.config.start_defaults import RecipeSelection
    from danlu.console.draft_text import wording

    base = out or Path("runs") / run_name(source)
    check_run_folder(base, source)
    corpus = corpus_overrides(overrides)
    draft = (
        draft_continuation(source, budget or DEFAULT_BUDGET, start, corpus)
        if start
        else draft_recipe(source, budget or DEFAULT_BUDGET, corpus=corpus)
    )
    parse_recipe(draft.text, DRAFT, overrides, RecipeSelection(model))
    use_language_of(draft.text, DRAFT, overrides)
    words = wording()
    own_budget = any(".training" in assignment and "budget" in assignment for assignment in overrides)
    whole = budget or (None if own_budget else DEFAULT_BUDGET)
    selected = draft.select(model, whole) if model else draft
    news = [*draft.survey.lines(words), *selected.plan(words)]

    def in_directories(say: Callable[[str], None], **callbacks: Any) -> tuple[dict[str, Any], Path]:
        def run(folder: Path) -> dict[str, Any]:
            given = (overrides, folder, whole if model else None)
            return run_draft(draft, folder, lambda file: work(file, *given, say=say, **callbacks), say, out is not None)

        return in_free_directory(run, base, say, strict=out is not None)

    finish(*with_progress(in_directories, news), as_json)


def run_draft(
    draft: Draft, folder: Path, work: Callable[[str], dict[str, Any]], say: Callable[[str], None], strict: bool
) -> dict[str, Any]:
    """Write a drafted recipe next to its run directory and run it; a recipe that is there and differs is kept.

    Raises:
        DirectoryTaken: if the recipe that is there differs, and not `strict`; then nothing is written.
    """
    from danlu.config.drafting import draft_difference, write_draft

    file = folder.with_name(f"{folder.name}.yaml")
    if not strict and file.exists() and (difference := draft_difference(draft, file)):
        raise DirectoryTaken(f"{file} exists and differs: {difference}", f"in {file}, {difference}")
    written = write_draft(draft, file)
    say(message("draft.written" if written else "draft.unchanged", recipe=file))
    try:
        return work(str(file))
    except DirectoryTaken:
        if written:
            file.unlink()
        raise


@click.command("run", cls=Command)
@click.argument("recipe", metavar="RECIPE|TEXT")
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--out", type=click.Path(path_type=Path), help="Run directory (default: runs/<name>).")
@click.option("--budget", help="Time for all training together, such as 4min (a text without a recipe: 9min).")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on stdout.")
def command(recipe: str, overrides: tuple[str, ...], out: Path | None, budget: str | None, as_json: bool) -> None:
    """Run RECIPE (a .yaml file or the name of a shipped recipe), or TEXT (a file or folder of text).

    For a text, a commented recipe is written next to the run directory first. The same command resumes an interrupted
    run.
    """
    import danlu
    from danlu.config.drafting import is_text

    if is_text(recipe):
        run_text(danlu.run, recipe, overrides, out, budget, as_json)
    else:
        run_recipe(danlu.run, recipe, overrides, out, budget, as_json, hidden_text(recipe, overrides))
