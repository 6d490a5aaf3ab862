"""`danlu init [TEXT]`"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from danlu.commands.help import Command
from danlu.commands.next_commands import command_line, print_next
from danlu.console.language import message
from danlu.errors import WrongInput

LANGUAGES = ("auto", "en", "zh")
DEFAULT_TIME = "9min"


@click.command("init", cls=Command)
@click.argument("text", required=False)
@click.option("--source", help="The same as TEXT: a file or folder of text, or builtin:pydocs.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Language of report and vocabulary (default: auto).")
@click.option("--budget", help=f"Time for all training together, such as 30min (default: {DEFAULT_TIME}).")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the corpus: --set text_field=body."
)
@click.option("--out", type=click.Path(path_type=Path), help="The file to write (default: <name of the text>.yaml).")
@click.option("--json", "as_json", is_flag=True, help="Print what was found and written as JSON on stdout.")
def command(
    text: str | None,
    source: str | None,
    language: str | None,
    budget: str | None,
    settings: Sequence[str],
    out: Path | None,
    as_json: bool,
) -> None:
    """Write a commented recipe for TEXT without running it. On a terminal, missing options are asked for."""
    from danlu.config.drafting import draft_recipe, run_name, write_draft
    from danlu.config.loading import apply_override
    from danlu.console.draft_text import wording

    if text and source:
        raise WrongInput(message("init.twice", text=text, source=source))
    source = text or source
    asking = sys.stdin.isatty()
    if source is None and not asking:
        raise WrongInput(message("init.which"))
    source = source or click.prompt(message("init.ask_text"), err=True)
    if language is None and asking:
        language = click.prompt(message("init.ask_language"), type=click.Choice(LANGUAGES), default="auto", err=True)
    if budget is None and asking:
        budget = click.prompt(message("init.ask_budget"), default=DEFAULT_TIME, err=True)
    corpus: dict[str, Any] = {}
    for assignment in settings:
        apply_override(corpus, assignment)
    draft = draft_recipe(source, budget or DEFAULT_TIME, language or "auto", corpus)  # type: ignore[arg-type]
    path = out or Path(f"{run_name(source)}.yaml")
    fresh = write_draft(draft, path)
    words = wording()
    for line in [*draft.survey.lines(words), *draft.plan(words)]:
        click.echo(line, err=True)
    command = command_line("run", path)
    click.echo(message("init.written" if fresh else "init.unchanged", command=command), err=True)
    if as_json:
        facts = {
            "recipe": str(path),
            "written": fresh,
            **draft.survey.facts(),
            "resolved": draft.recipe.model_dump(mode="json"),
        }
        click.echo(json.dumps(facts, ensure_ascii=False))
    else:
        click.echo(path)
        print_next()
