"""The commands that can follow a command, quoted so that they can be pasted, and how danlu is called here."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from danlu.console.language import message

NAME = "danlu"


def program() -> list[str]:
    """Return the words by which danlu is called: `danlu` if the shell finds it, otherwise as it was called now."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py" and called.parent.name == NAME:
        return [_relative(Path(sys.executable)), "-m", NAME]
    if called.stem != NAME or not called.is_file():
        return [NAME]
    found = shutil.which(NAME)
    return [NAME] if found and Path(found).resolve() == called.resolve() else [_relative(called)]


def _relative(path: Path) -> str:
    """Return a path relative to the current folder if it is below it."""
    absolute = Path(path.absolute())
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)


def command_line(*words: str | Path) -> str:
    """Return a command of danlu, quoted for the shell."""
    return shlex.join([*program(), *map(str, words)])


def print_next(*commands: str) -> None:
    """Print the next commands on stderr, and how to call danlu if the shell does not find it by its name."""
    for command in commands:
        click.echo(message("next.command", command=command), err=True)
    words = program()
    if words != [NAME]:
        activate = shlex.join(["source", str(Path(words[0]).parent / "activate")])
        click.echo(message("next.program", program=shlex.join(words), activate=activate), err=True)


def next_of_run(results: Mapping[str, Any], folder: Path) -> list[str]:
    """Return the commands that use the models of a run, or of a fine-tuning."""
    from danlu.api.model_folders import FILL, model_folders, suitable

    use = results.get("use") or {}
    lines = [shlex.split(line) for line in use.get("shell") or ()]
    commands = [command_line(*words[1:]) for words in lines if words[:1] == [NAME]]
    if results.get("pretrain"):
        filling = [model for model in model_folders(folder) if suitable(model, FILL)]
        commands += [command_line("fill", model, "The ___.") for model in filling[:1]]
        commands += [command_line("classify", folder / task["path"], "a text") for task in results.get("tasks") or ()]
    return commands


def next_of_model(model: str, continues_text: bool) -> str:
    """Return the command that uses a model."""
    return command_line("generate", model, "The") if continues_text else command_line("fill", model, "The ___.")


def next_of_tokenizer(tokenizer: Path, source: Sequence[str]) -> list[str]:
    """Return the command that trains on a text with a tokenizer."""
    setting = f"tokenizer={{name: file, path: {json.dumps(str(tokenizer), ensure_ascii=False)}}}"
    return [command_line("run", source[0], setting)] if len(source) == 1 else []


def next_of_export(folder: str, class_name: str) -> str:
    """Return the command that loads an exported model with transformers."""
    place = json.dumps(folder, ensure_ascii=False)
    code = f"from transformers import {class_name} as M; print(M.from_pretrained({place}))"
    return shlex.join([_relative(Path(sys.executable)), "-c", code])
