"""`danlu generate MODEL PROMPT`"""

from __future__ import annotations

import json
import sys

import click

from danlu.commands.help import Command


@click.command("generate", cls=Command)
@click.argument("model", type=click.Path())
@click.argument("prompt")
@click.option(
    "--tokens", default=60, type=click.IntRange(min=1), show_default=True, help="Maximum number of new tokens."
)
@click.option(
    "--temperature",
    default=0.8,
    type=click.FloatRange(min=0),
    show_default=True,
    help="Softmax temperature; 0 is greedy decoding.",
)
@click.option("--top-k", type=click.IntRange(min=1), help="Sample from the K most probable tokens.")
@click.option(
    "--top-p",
    default=0.95,
    type=click.FloatRange(0, 1, min_open=True),
    show_default=True,
    help="Sample from the most probable tokens with this total probability.",
)
@click.option(
    "--repetition-penalty",
    default=1.0,
    type=click.FloatRange(min=0, min_open=True),
    show_default=True,
    help="Above 1: make tokens that occurred before less probable.",
)
@click.option("--stop", multiple=True, help="Stop before this text; can be given several times.")
@click.option("--seed", default=0, type=click.IntRange(min=0), show_default=True, help="Random seed of sampling.")
@click.option("--json", "as_json", is_flag=True, help="Print prompt and text as JSON.")
def command(
    model: str,
    prompt: str,
    tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float,
    repetition_penalty: float,
    stop: tuple[str, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Continue PROMPT with MODEL, a model folder or a run directory.

    An encoder-decoder instead fills the blanks (___) in PROMPT, or restores a corrupted text.
    """
    from danlu.api.model_folders import GENERATE
    from danlu.commands.models import load_for

    loaded = load_for(model, GENERATE)
    live = not as_json and not stop and sys.stdout.isatty() and not loaded.rewrites_text
    if live:
        click.echo(prompt, nl=False)
    text = loaded.generate(
        prompt,
        tokens=tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        repetition_penalty=repetition_penalty,
        stop=stop,
        show=(lambda piece: click.echo(piece, nl=False)) if live else (lambda piece: None),
    )
    if as_json:
        click.echo(json.dumps({"prompt": prompt, "text": text}, ensure_ascii=False))
    else:
        click.echo("" if live else text)
