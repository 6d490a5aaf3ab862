"""Export a trained model: for transformers if a class fits, otherwise in danlu's native format."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from danlu.architectures.presets import Family, family_for
from danlu.config.schema import ModelRecipe
from danlu.extras import require
from danlu.interop import NotExported, Origin, check_export, export, save_native
from danlu.runs.directory import is_finished
from danlu.runs.pretrain_model import Pretraining

TOLERANCE = 1e-4
CHECKED_TEXTS = 3
CHECKED_CHARACTERS = 400


def require_transformers(run: Path, name: str, recipe: ModelRecipe) -> None:
    """Raise WrongInput, before training, if the export of the model needs transformers and it is not installed."""
    if is_finished(run, f"export/{name}"):
        return
    if isinstance(family_for(recipe.architecture, recipe.objective), Family):
        require("transformers", "hf", "checking the exported model")


def export_model(job: Pretraining, trained: dict[str, Any]) -> dict[str, Any]:
    """Write `model/<name>` and check that transformers computes the same logits."""
    model, tokenizer = job.load_trained(trained), job.data.tokenizer
    folder = job.run.path / "model" / job.name
    facts = {"name": job.name, "path": f"model/{job.name}", "tolerance": TOLERANCE}
    origin = Origin(corpus=job.data.corpus.facts["source"], tokens=trained["tokens"])
    exported = export(model, tokenizer, folder, job.recipe.objective, job.recipe.architecture, origin)
    if isinstance(exported, NotExported):
        save_native(model, tokenizer, folder, job.recipe.objective, job.recipe.architecture)
        return facts | {"class": None, "max_logit_difference": None, "reason": exported.reason}
    texts = [t[:CHECKED_CHARACTERS] for t in islice(job.data.corpus.texts("test"), CHECKED_TEXTS)]
    difference = check_export(model, tokenizer, folder, texts)
    return facts | {"class": exported.class_name, "max_logit_difference": difference}
