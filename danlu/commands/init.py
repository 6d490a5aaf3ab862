"""`danlu init [TEXT]`"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from shlex import quote

import click

from danlu.commands.help import Command
from danlu.errors import WrongInput

LANGUAGES = ("auto", "en", "zh")
DEFAULT_TIME = "9min"


@click.command("init", cls=Command)
@click.argument("text", required=False)
@click.option("--source", help="The same as TEXT: a file or folder of text, or builtin:pydocs.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Of the report and for the vocabulary (default: auto).")
@click.option("--budget", help=f"Time for all training together, such as 30min (default: {DEFAULT_TIME}).")
@click.option("--out", type=click.Path(path_type=Path), help="The recipe's file (default: <name of the text>.yaml).")
@click.option("--json", "as_json", is_flag=True, help="Print what was found and written as JSON on stdout.")
def command(
    text: str | None, source: str | None, language: str | None, budget: str | None, out: Path | None, as_json: bool
) -> None:
    """Write a commented recipe for TEXT and stop there; what no option says is asked on a terminal."""
    from danlu.config.drafting import draft_recipe, run_name, write_draft

    if text and source:
        raise WrongInput(f"the text is named twice, {text!r} and --source {source!r}; name it once")
    source = text or source
    asking = sys.stdin.isatty()
    if source is None and not asking:
        raise WrongInput("which text? name it: danlu init FOLDER_OR_FILE")
    source = source or click.prompt("Where is the text (a file or folder)", err=True)
    if language is None and asking:
        language = click.prompt("Language", type=click.Choice(LANGUAGES), default="auto", err=True)
    if budget is None and asking:
        budget = click.prompt("How much time to train", default=DEFAULT_TIME, err=True)
    draft = draft_recipe(source, budget or DEFAULT_TIME, language or "auto")  # type: ignore[arg-type]
    path = out or Path(f"{run_name(source)}.yaml")
    fresh = write_draft(draft, path)
    for line in [*draft.findings.lines(), *draft.plan()]:
        click.echo(line, err=True)
    click.echo(f"recipe     {'written' if fresh else 'unchanged'}; run it with: danlu run {quote(str(path))}", err=True)
    if as_json:
        facts = {
            "recipe": str(path),
            "written": fresh,
            **draft.findings.facts(),
            "resolved": draft.recipe.model_dump(mode="json"),
        }
        click.echo(json.dumps(facts, ensure_ascii=False))
    else:
        click.echo(path)
