"""`danlu embed MODEL [FILE]`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

import click

from danlu.commands.help import Command
from danlu.console.language import message


@click.command("embed", cls=Command)
@click.argument("model", type=click.Path())
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the vectors to this .npy file.")
@click.option("--pooling", default="mean", show_default=True, help="mean (of all positions), first or last.")
@click.option("--raw", is_flag=True, help="Do not normalise the vectors to length 1.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the vectors, or the file written.")
def command(model: str, file: BinaryIO, out: Path | None, pooling: str, raw: bool, as_json: bool) -> None:
    """Embed every line of FILE (default: stdin) and print one JSON list per line, or write a .npy file."""
    import numpy as np

    from danlu.api.model_folders import EMBED
    from danlu.commands.models import load_for
    from danlu.errors import WrongInput

    data = file.read()
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise WrongInput(message("embed.not_utf8", file=file.name, line=line)) from None
    lines = text.removesuffix("\n").split("\n") if text else []
    if not lines:
        raise WrongInput(message("embed.empty", file=file.name))
    vectors = load_for(model, EMBED).embed(lines, pooling=pooling, normalize=not raw)
    facts = {"pooling": pooling, "normalized": not raw, "texts": vectors.shape[0], "width": vectors.shape[1]}
    rounded = ([round(float(x), 6) for x in vector] for vector in vectors)
    if out is not None:
        np.save(out, vectors)
        click.echo(f"{out}: {vectors.shape[0]} x {vectors.shape[1]}", err=True)
        if as_json:
            click.echo(json.dumps(facts | {"file": str(out)}, ensure_ascii=False))
    elif as_json:
        click.echo(json.dumps(facts | {"vectors": list(rounded)}))
    else:
        for vector in rounded:
            click.echo(json.dumps(vector))
