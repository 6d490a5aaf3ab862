"""The `danlu` command: finds the verb's file, turns errors into one line and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

import danlu
from danlu.errors import DanluError

VERBS = {
    "demo": "Run the shipped demonstration on the documentation inside your Python.",
    "run": "Run a recipe, or a folder of text without one: raw text to models, evaluation and report.",
    "compare": "Train the models of several recipes alike and compare them, with intervals.",
    "pretrain": "Pre-train a recipe's models without its tasks, or go on from a saved model.",
    "finetune": "Fine-tune a saved model on labelled rows, beside its controls.",
    "evaluate": "Say how well a saved model foretells a text, beside what needs no model.",
    "export": "Write a model as a Hugging Face folder, and check its logits.",
    "init": "Write a commented recipe for a text, and stop there.",
    "show": "Show what a recipe will do: parameters, work, memory, examples with their targets.",
    "generate": "Continue a prompt with a trained model.",
    "fill": "Say what could stand in the blanks of a text.",
    "embed": "Turn texts into vectors.",
    "classify": "Say which label a text has, by a fine-tuned model.",
    "neighbours": "Say which tokens have vectors near that of a word.",
    "cluster": "Part the documents of a text into groups by their vectors, and say what each is about.",
    "matrix": "Show which architecture takes which objective.",
    "corpus": "Read text as a recipe would: check it, or build the documents as files.",
    "tokenizer": "Learn a tokenizer from text, or report on one.",
    "doctor": "Look at this machine: what is missing and the command that mends it.",
    "recipes": "List the shipped recipes, or print one.",
}
"""Verb -> its line in `danlu --help`; each is `danlu/commands/<verb>.py` with a click command of that name."""


class Verbs(click.Group):
    """Loads a verb's module only when it is run, so that help stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        return importlib.import_module(f"danlu.commands.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in VERBS:
            from danlu.errors import nearest

            raise click.UsageError(f"no command {args[0]!r}; {nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(danlu.__version__, prog_name="danlu")
def danlu_command() -> None:
    """Raw text in, a language model out."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 wrong input, 75 saved and stopped (run again), 130 interrupted."""
    # Threads that spin long while they wait for each other halve the speed as soon as another program wants a core
    # (docs/decisions/0007). torch's OpenMP reads this when it is first loaded, which no command has done yet.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    # torch asks for huge pages where memory comes in large pieces (docs/decisions/0009); read at its first allocation.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        code = danlu_command.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.ClickException as error:
        complain(error.format_message())
        code = 2
    except DanluError as error:
        complain(str(error))
        code = error.code
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        code = 130
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def complain(message: str) -> None:
    """Print an error on stderr; several errors are one line each."""
    lines = [" ".join(line.split()) for line in message.splitlines()]
    print("danlu: " + "\n".join(filter(None, lines)), file=sys.stderr)
