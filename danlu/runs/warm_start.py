"""Warm start: check that a saved model fits the recipe, and copy its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from danlu.architectures import Network
from danlu.architectures.weight_transfer import transfer_weights
from danlu.config.loading import first_difference
from danlu.config.schema import ModelRecipe, Recipe
from danlu.durable import sha256
from danlu.errors import WrongInput
from danlu.interop import describe_model, merge_submodels, read_model
from danlu.interop.model_folder import WEIGHTS, ModelFacts
from danlu.interop.model_loading import SavedModel
from danlu.interop.tokenizer_files import load_tokenizer
from danlu.objective import LogitsFrom, Objective
from danlu.runs.directory import RunDirectory, is_finished
from danlu.tokens.tokenizer import TextTokenizer

CHANGEABLE = frozenset({"name", "context", "dropout"})
"""Settings of an architecture that may differ from the saved model's: the weights have the same meaning."""

OUTPUT_SETTINGS = frozenset({"tied", "output_bias"})
"""Settings that may also differ if the saved model predicts no tokens, because it has no output layer."""

NOT_TOKENIZATION = ("post_processor", "truncation", "padding")
"""Sections of a tokenizer.json that do not affect the token ids of a text."""


def inspect_checkpoint(run: Path, name: str, recipe: Recipe) -> dict[str, Any] | None:
    """Check the saved model that the model `name` starts from, before anything is written.

    Returns:
        The folder, the hash of its weights, its vocabulary size and its objective; None if the model starts from random
        weights, or if its training in the directory `run` has finished and no longer needs the folder.

    Raises:
        WrongInput: if the folder is damaged or does not fit the recipe.
    """
    model = recipe.models[name]
    if model.start is None or is_finished(run, f"pretrain/{name}"):
        return None
    folder = Path(model.start).expanduser()
    facts, tokenizer = describe_model(folder)
    refuse_missing_sentinels(folder, tokenizer, recipe)
    saved, current = facts.architecture.model_dump(mode="json"), model.architecture.model_dump(mode="json")
    if current["context"] > saved["context"]:
        raise WrongInput(
            f"models.{name}.architecture.context: {current['context']} exceeds the maximum of {saved['context']} "
            f"tokens of the model in {folder}; lower it to at most {saved['context']}"
        )
    changeable = CHANGEABLE | (OUTPUT_SETTINGS if facts.objective.logits_from is LogitsFrom.NOTHING else set())
    old, new = ({key: value for key, value in each.items() if key not in changeable} for each in (saved, current))
    if difference := first_difference(old, new):
        raise WrongInput(
            f"models.{name}.architecture differs from that of {folder}: {difference}; leave it out of the recipe"
        )
    if not (folder / WEIGHTS).is_file():
        read_model(folder)  # raises the error that names what is missing
    return {
        "folder": model.start,
        "sha256": sha256(folder / WEIGHTS),
        "vocabulary_size": facts.vocabulary.size,
        "objective": facts.objective.name,
        **submodel_hashes(folder, facts),
    }


def pin_checkpoint(
    run: RunDirectory, name: str, recipe: ModelRecipe, found: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Pin the saved model that a training starts from, until that training has finished.

    Args:
        found: the result of `inspect_checkpoint`.

    Returns:
        The recorded facts; None if the model starts from random weights.
    """
    if recipe.start is None:
        return None
    if found is None:  # the training has finished
        return run.record_once(f"start/{name}", dict)
    return run.pin(f"start/{name}", found, f"models.{name}.start: {recipe.start}")


def submodel_hashes(folder: Path, facts: ModelFacts) -> dict[str, Any]:
    """Return the hashes of the models that were trained together with this one, if there are any."""
    inside = {name: folder / name / WEIGHTS for name in facts.whole.submodels() if name} if facts.whole else {}
    found = {name: sha256(path) for name, path in inside.items() if path.is_file()}
    return {"within": found} if found else {}


def refuse_missing_sentinels(folder: Path, tokenizer: TextTokenizer, recipe: Recipe) -> None:
    """Raise WrongInput if an objective needs more sentinels than the saved tokenizer has.

    All models of a run share one tokenizer, and the vocabulary of a trained model does not grow.
    """
    known = len(tokenizer.vocabulary.sentinels)
    for name, model in recipe.models.items():
        if (needed := model.objective.num_sentinels) > known:
            raise WrongInput(
                f"models.{name}.objective: {model.objective.name} needs {needed} sentinels (<extra_id_0>, ...) and "
                f"the vocabulary of the model in {folder}, which does not grow, has {known}; choose another objective, "
                "or start from a model that was trained with sentinels"
            )


def refuse_other_tokenizer(start: str, tokenizer: TextTokenizer) -> None:
    """Raise WrongInput if the tokenizer encodes text differently from that of the model in the folder `start`."""
    saved = load_tokenizer(Path(start).expanduser())
    if tokenization_rules(saved) == tokenization_rules(tokenizer) and saved.vocabulary == tokenizer.vocabulary:
        return
    sizes = [each.vocabulary.size for each in (saved, tokenizer)]
    what = f"it has {sizes[1]} entries, the model's {sizes[0]}"
    if sizes[0] == sizes[1]:
        what = first_different_entry(saved, tokenizer)
    raise WrongInput(
        f"tokenizer: is not the one that the model in {start} was trained with ({what}); leave the tokenizer out of "
        f"the recipe, or give {{name: file, path: {start}}}"
    )


def tokenization_rules(tokenizer: TextTokenizer) -> Any:
    """Return everything that determines the token ids of a text."""
    if tokenizer.content is None:
        return tokenizer.fingerprint
    return {k: v for k, v in json.loads(tokenizer.content).items() if k not in NOT_TOKENIZATION}


def first_different_entry(saved: TextTokenizer, given: TextTokenizer) -> str:
    """Describe the first entry in which two vocabularies of equal size differ."""
    for i in range(saved.vocabulary.size):
        if (a := saved.inner.id_to_token(i)) != (b := given.inner.id_to_token(i)):
            return f"entry {i} is {b!r}, the model's {a!r}"
    return "the entries are equal, but the tokenization rules differ"


def initialise_from(model: Network, start: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Copy the weights of the saved model into a freshly initialised network.

    A different objective may add a decoder, segment embeddings or output layers, which keep their initial weights.
    Weights of the saved model that it does not use are dropped.

    Returns:
        The facts of the transfer (`WeightTransfer.facts`), and as "ignored" the weights in the folder that danlu does
        not use.
    """
    folder = Path(start["folder"]).expanduser()
    saved = read_model(folder)
    transfer = transfer_weights(
        model, whole_state(folder, saved, model.objective), f"models.{name}: {folder}", saved.facts.predictor is None
    )
    return transfer.facts() | {"ignored": list(saved.ignored)}


def whole_state(folder: Path, saved: SavedModel, objective: Objective) -> dict[str, Tensor]:
    """Return the weights of a saved model.

    Includes the models in subfolders that were trained together with it, if the objective trains them together again.
    """
    own, whole = saved.network.state_dict(), saved.facts.whole
    if whole is None or not objective.submodels():
        return own
    inside = [name for name in whole.submodels() if name and (folder / name / WEIGHTS).is_file()]
    states = {"": own} | {name: read_model(folder / name).network.state_dict() for name in inside}
    return merge_submodels(states, whole)


def modules(names: list[str]) -> list[str]:
    """Return the modules that weights belong to, each once."""
    found = {}
    for name in names:
        parts = name.split(".")
        depth = 1 if parts[0] in ("backbone", "decoder") else 2
        found[".".join(parts[:depth]) if len(parts) > depth else name.removesuffix(".weight")] = None
    return list(found)
