"""The `danlu` command: imports the module of a verb, prints errors in one line and sets the exit code."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

import danlu
from danlu.commands.help import Group
from danlu.console import language
from danlu.errors import DanluError, RenamedKey, nearest

VERBS = {
    "demo": "Run the demonstration recipe on the documentation of the installed Python.",
    "run": "Run a recipe, or a folder of text without a recipe, from raw text to models, evaluation and report.",
    "compare": "Train the models of several recipes under equal conditions and compare them, with intervals.",
    "pretrain": "Pre-train the models of a recipe without its tasks, or continue from a saved model.",
    "finetune": "Fine-tune a saved model on labelled rows, with controls.",
    "evaluate": "Compute the bits per byte of a saved model on a text, with baselines.",
    "export": "Export a model as a Hugging Face folder and check its logits.",
    "init": "Write a commented recipe for a text, without running it.",
    "show": "Show what a recipe will do: parameters, operations, memory, examples with their targets.",
    "generate": "Continue a prompt with a trained model.",
    "fill": "Fill the blanks of a text.",
    "embed": "Embed texts as vectors.",
    "classify": "Classify texts with a fine-tuned model.",
    "neighbours": "List the tokens whose vectors are nearest to that of a word.",
    "cluster": "Cluster documents by their embeddings.",
    "schema": "Print the JSON schema of recipes, for completion and checks in an editor.",
    "matrix": "Show which architectures support which objectives.",
    "corpus": "Check the text of a corpus, or build its documents as files.",
    "tokenizer": "Train a tokenizer on a text, or report on one.",
    "doctor": "Check this machine: what is missing and how to install it.",
    "recipes": "List the shipped recipes, or print one.",
}
"""Verb -> its line in `danlu --help`; each is `danlu/commands/<verb>.py` with a click command of that name."""


class Verbs(Group):
    """Imports a command's module only when it is used, so that help stays fast."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, language_first(args))

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
            raise click.UsageError(f"no command {args[0]!r}; {nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)


def language_first(arguments: list[str]) -> list[str]:
    """Move `--lang` to the front, so that it can be given anywhere: after a command, or after `--help`."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for i, word in enumerate(options):
        end = i + (1 if "=" in word else 2)
        if word.partition("=")[0] == "--lang" and end <= len(options):
            return [*arguments[i:end], *arguments[:i], *arguments[end:]]
    return arguments


def set_language(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    language.choose(option=value)


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(danlu.__version__, prog_name="danlu")
@click.option(
    "--lang",
    type=click.Choice(language.LANGUAGES),
    is_eager=True,
    expose_value=False,
    callback=set_language,
    help="Language of help and messages; can be given anywhere on the command line (default: DANLU_LANG, the recipe's "
    "language, the locale).",
)
def danlu_command() -> None:
    """Raw text in, a language model out."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 wrong input, 3 a check failed, 75 saved and stopped, 130
    interrupted."""
    # Threads that spin long while they wait for each other halve the speed as soon as another program wants a core
    # (docs/decisions/0007). torch's OpenMP reads this when it is first loaded, which no command has done yet.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    # torch asks for huge pages where memory comes in large pieces (docs/decisions/0009); read at its first allocation.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    language.choose()
    log, lines = logging.getLogger("danlu"), LogLines(logging.WARNING)
    log.addHandler(lines)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(show_warning, warnings.showwarning)
            code = exit_code(list(sys.argv[1:] if arguments is None else arguments))
    finally:
        log.removeHandler(lines)
    sys.exit(code)


class LogLines(logging.Handler):
    """Prints warnings of the log on stderr in the language of the console."""

    def emit(self, record: logging.LogRecord) -> None:
        print(language.translated("reason", record.getMessage()), file=sys.stderr)


def exit_code(arguments: list[str]) -> int:
    """Run a command; its errors become one line on stderr and an exit code."""
    try:
        code = danlu_command.main(args=arguments, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return 2
    except click.ClickException as error:
        complain(error.format_message())
        return 2
    except DanluError as error:
        complain(str(error))
        return error.code
    except (click.Abort, KeyboardInterrupt):
        complain(language.message("frame.interrupted"))
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return code if isinstance(code, int) else 0


def complain(text: str, frame: str = "error") -> None:
    """Print an error or a warning on stderr, in Chinese where the catalogue knows it; several are one line each."""
    lines = filter(None, (" ".join(line.split()) for line in text.splitlines()))
    joined = "\n".join(language.translated("error", line) for line in lines)
    print(language.message(f"frame.{frame}", message=joined), file=sys.stderr)


def show_warning(usual: Callable[..., None], text: Warning | str, category: type[Warning], *place: Any) -> None:
    """Print a warning about a renamed setting in one line, all others as Python does."""
    if issubclass(category, RenamedKey):
        complain(str(text), "warning")
    else:
        usual(text, category, *place)
