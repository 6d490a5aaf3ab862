"""Load the model that a command needs from a model folder, a run directory or the folder of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from danlu.api.model import Model
    from danlu.api.model_folders import Use


def load_for(model: str, use: Use) -> Model:
    """Load a model for a use; if several models of a run suit, print which one is used on stderr."""
    import danlu
    from danlu.api.model_folders import choose_model

    return danlu.load(choose_model(model, use, lambda line: click.echo(line, err=True)))
