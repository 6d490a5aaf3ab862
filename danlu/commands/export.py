"""`danlu export RUN_OR_MODEL --to FOLDER`"""

from __future__ import annotations

import json
from pathlib import Path

import click

from danlu.commands.help import Command
from danlu.commands.next_commands import next_of_export, print_next


@click.command("export", cls=Command)
@click.argument("source", metavar="RUN|MODEL", type=click.Path())
@click.option("--to", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--model", help="The model of the run, if it has several.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON on stdout.")
def command(source: str, to: Path, model: str | None, as_json: bool) -> None:
    """Export a model to a Hugging Face folder, and check that transformers computes the same logits."""
    import danlu
    from danlu.console.language import message

    facts = danlu.export_model(source, to, model)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    difference = facts["max_logit_difference"]
    click.echo(message("export.difference", kind=facts["class"], difference=difference), err=True)
    click.echo(facts["path"])
    print_next(next_of_export(facts["path"], facts["class"]))
