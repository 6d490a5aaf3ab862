"""`danlu.export_model`: export a saved model to a folder for transformers, and check its logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from danlu.durable import read_json
from danlu.errors import DanluError, WrongInput, nearest
from danlu.extras import require
from danlu.interop import NotExported, Origin, check_export, export, read_model
from danlu.runs.export_model import TOLERANCE

CHECK_TEXTS = (
    "The quick brown fox jumps over the lazy dog; 3.14159 is not 22/7.",
    "第七炉丹药要慢火烧，急了就坏了。",
    "def main(argv: list[str]) -> int:\n    return len(argv)",
)
"""Texts on which the logits are compared: English, Chinese and code."""


def export_model(source: str | Path, to: str | Path, model: str | None = None) -> dict[str, Any]:
    """Export a saved model to the folder `to`, and check that transformers computes the same logits.

    Args:
        source: a model folder or a run directory.
        model: the model of the run, if it has several.

    Returns:
        {"source", "path", "class", "max_logit_difference", "tolerance"}.

    Raises:
        WrongInput: if no transformers class implements the model.
        DanluError: if the logits differ by more than the tolerance.
    """
    folder, origin = select_model(Path(source).expanduser(), model)
    saved = read_model(folder)
    if saved.facts.predictor is not None:
        raise WrongInput(
            f"{folder} is a fine-tuned model, and no transformers class has its head; "
            "export the model that it was fine-tuned from"
        )
    require("transformers", "hf", "checking the exported model")
    to = Path(to).expanduser()
    if to.resolve() == folder.resolve():
        raise WrongInput(f"{to} is the folder of the model itself; choose another one with --to")
    exported = export(saved.network, saved.tokenizer, to, saved.facts.objective, saved.facts.architecture, origin)
    if isinstance(exported, NotExported):
        raise WrongInput(f"{folder} cannot be exported: {exported.reason}")
    difference = check_export(saved.network, saved.tokenizer, to, CHECK_TEXTS)
    if difference > TOLERANCE:
        raise DanluError(f"{to}: the logits differ by {difference:.1e}, more than {TOLERANCE:.0e}; do not use it")
    return {
        "source": str(folder), "path": str(to), "class": exported.class_name, "max_logit_difference": difference,
        "tolerance": TOLERANCE,
    }  # fmt: skip


def select_model(source: Path, model: str | None) -> tuple[Path, Origin]:
    """Find the model in a model folder or run directory; return its folder and origin."""
    models = source / "model"
    if (source / "config.json").exists() or not models.is_dir():
        if model is not None:
            raise WrongInput(f"--model: {source} is not a run directory; leave --model out")
        return source, Origin()
    names = sorted(f.name for f in models.iterdir() if f.is_dir() and not f.name.startswith("."))
    if not names:
        raise WrongInput(f"{source} has no finished model yet; run its recipe to the end first")
    if model is None and len(names) > 1:
        raise WrongInput(f"{source} has the models {', '.join(names)}; choose one with --model")
    if model is not None and model not in names:
        raise WrongInput(f"--model: {source} has no model {model!r}; {nearest(model, names)}")
    name = model or names[0]
    return models / name, training_origin(source / "results.json", name)


def training_origin(results: Path, name: str) -> Origin:
    """Return the corpus and number of training tokens of a model, if its run has finished."""
    if not results.is_file():
        return Origin()
    content = read_json(results)
    tokens = next((entry["tokens"] for entry in content["pretrain"] if entry["name"] == name), None)
    return Origin(corpus=content["corpus"]["source"], tokens=tokens)
