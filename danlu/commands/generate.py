"""`danlu generate MODEL PROMPT`"""

from __future__ import annotations

import click


@click.command("generate")
@click.argument("model", type=click.Path())
@click.argument("prompt")
@click.option(
    "--tokens", default=60, type=click.IntRange(min=1), show_default=True, help="At most this many new tokens."
)
@click.option(
    "--temperature",
    default=0.8,
    type=click.FloatRange(min=0),
    show_default=True,
    help="0 takes the likeliest token each time.",
)
@click.option("--top-k", type=click.IntRange(min=1), help="Draw among the K likeliest tokens only.")
@click.option(
    "--top-p",
    default=0.95,
    type=click.FloatRange(0, 1, min_open=True),
    show_default=True,
    help="Draw among the likeliest tokens of this share only.",
)
@click.option("--seed", default=0, type=click.IntRange(min=0), show_default=True)
def command(
    model: str, prompt: str, tokens: int, temperature: float, top_k: int | None, top_p: float, seed: int
) -> None:
    """Continue PROMPT with the model in the folder MODEL."""
    import danlu

    loaded = danlu.load(model)
    click.echo(loaded.generate(prompt, tokens=tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed))
