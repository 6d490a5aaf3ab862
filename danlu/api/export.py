"""`danlu.export_model`: export a saved model to a folder for transformers, and check its logits."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from danlu.api.model_folders import EXPORT, choose_model, is_model, model_folders
from danlu.config.loading import parse_yaml, to_builtin_types
from danlu.console.reporter import Say, print_line
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


def export_model(
    source: str | Path,
    to: str | Path,
    model: str | None = None,
    say: Say | None = print_line,
    quiet: bool = False,
) -> dict[str, Any]:
    """Export a saved model to the folder `to`, and check that transformers computes the same logits.

    Args:
        source: a model folder or a run directory.
        model: the model of the run (default: the first that a transformers class implements).
        say, quiet: as in `danlu.run`.

    Returns:
        {"source", "path", "class", "max_logit_difference", "tolerance"}.

    Raises:
        WrongInput: if no transformers class implements the model.
        DanluError: if the logits differ by more than the tolerance.
    """
    folder, origin = select_model(source, model, None if quiet else say)
    saved = read_model(folder)
    if saved.facts.predictor is not None:
        raise fine_tuned_error(folder, to)
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


def select_model(source: str | Path, model: str | None, say: Say | None) -> tuple[Path, Origin]:
    """Find the model in a model folder or run directory; return its folder and origin."""
    path = Path(source).expanduser()
    if model is None:
        folder = choose_model(source, EXPORT, say)
    else:
        names = [folder.name for folder in model_folders(path)] if not is_model(path) else []
        if not names:
            raise WrongInput(f"--model: {source} is not a run directory; leave --model out")
        if model not in names:
            raise WrongInput(f"--model: {source} has no model {model!r}; {nearest(model, names)}")
        folder = path / "model" / model
    run = folder.parent.parent
    return folder, training_origin(run / "results.json", folder.name) if folder != path else Origin()


def fine_tuned_error(folder: Path, to: str | Path) -> WrongInput:
    """Return the error for the export of a fine-tuned model, with the commands that are possible instead."""
    results = next((p / "results.json" for p in folder.parents if (p / "results.json").is_file()), None)
    recipe = {} if results is None else to_builtin_types(parse_yaml((results.parent / "recipe.yaml").read_text(), ""))
    task = recipe.get("tasks", {}).get(folder.parent.name, {})
    pretrained = recipe.get("model") or (results and task and results.parent / "model" / task["model"])
    export = f": {shlex.join(['danlu', 'export', str(pretrained), '--to', str(to)])}" if pretrained else ""
    return WrongInput(
        f"{folder} is a fine-tuned model, and no transformers class has its head; use it with: "
        f"{shlex.join(['danlu', 'classify', str(folder)])} TEXT, or export the model that it was fine-tuned from"
        f"{export}"
    )


def training_origin(results: Path, name: str) -> Origin:
    """Return the corpus and number of training tokens of a model, if its run has finished."""
    if not results.is_file():
        return Origin()
    content = read_json(results)
    tokens = next((entry["tokens"] for entry in content["pretrain"] if entry["name"] == name), None)
    return Origin(corpus=content["corpus"]["source"], tokens=tokens)
