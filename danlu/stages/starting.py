"""Pre-training that goes on from a saved model: whether it fits, and its weights by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from danlu.architectures import Learner
from danlu.durable import sha256
from danlu.errors import WrongInput
from danlu.export import describe_model, read_model
from danlu.export.loading import WEIGHTS
from danlu.export.tokenizer_files import load_tokenizer
from danlu.recipes.loading import first_difference
from danlu.recipes.schema import ModelRecipe
from danlu.stages.run_directory import RunDirectory, finished
from danlu.tokens.tokenizer import TextTokenizer

CHANGEABLE = frozenset({"name", "context", "dropout"})
"""Settings of an architecture that may differ from the folder's: its weights mean the same with another value."""

ADDED = ("post_processor", "truncation", "padding")
"""Parts of a tokenizer.json that change no id of a text."""

PARTS = "parts."
"""How the names of an objective's own weights begin."""


def start_of(run: RunDirectory, name: str, recipe: ModelRecipe, looked: dict[str, Any] | None) -> dict[str, Any] | None:
    """The facts of the model that a training starts from, written down before the training and compared until it has
    ended (`looked` is what `looked_at` gives); None where it starts from random weights. WrongInput for another model
    than the one the run was begun with."""
    if recipe.start is None:
        return None
    recorded = run.decide(f"start/{name}", lambda: looked or {})
    if looked is not None and looked != recorded:
        raise WrongInput(
            f"models.{name}.start: {recipe.start} is not what {run.path} was begun with; put it back, or choose "
            "another folder with --out"
        )
    return recorded


def looked_at(run: Path, name: str, recipe: ModelRecipe) -> dict[str, Any] | None:
    """The folder, the hash of its weights, the size of its vocabulary and its objective; None when there is no start or
    the training in the directory `run` has ended, which needs it no more. WrongInput for a folder that is damaged or
    does not fit the recipe."""
    if recipe.start is None or finished(run, f"pretrain/{name}"):
        return None
    folder = Path(recipe.start).expanduser()
    facts, _ = describe_model(folder)
    theirs, ours = facts.architecture.model_dump(mode="json"), recipe.architecture.model_dump(mode="json")
    if ours["context"] > theirs["context"]:
        raise WrongInput(
            f"models.{name}.architecture.context: {ours['context']} is longer than the {theirs['context']} tokens that "
            f"the model in {folder} reads; at most that"
        )
    old, new = ({key: value for key, value in each.items() if key not in CHANGEABLE} for each in (theirs, ours))
    if difference := first_difference(old, new):
        raise WrongInput(
            f"models.{name}.architecture is not that of {folder}: {difference}; leave it out of the recipe"
        )
    if not (folder / WEIGHTS).is_file():
        read_model(folder)  # says what is missing
    return {
        "folder": recipe.start,
        "sha256": sha256(folder / WEIGHTS),
        "vocabulary_size": facts.vocabulary.size,
        "objective": getattr(facts.objective, "name", None),
    }


def refuse_other_tokenizer(start: str, tokenizer: TextTokenizer) -> None:
    """WrongInput when the tokenizer would give a text other ids than the model in the folder `start` has learnt."""
    theirs = load_tokenizer(Path(start).expanduser())
    if cut_by(theirs) == cut_by(tokenizer) and theirs.vocabulary == tokenizer.vocabulary:
        return
    sizes = [each.vocabulary.size for each in (theirs, tokenizer)]
    how = f"it has {sizes[1]} entries, the model's {sizes[0]}" if sizes[0] != sizes[1] else differing(theirs, tokenizer)
    raise WrongInput(
        f"tokenizer: is not the one that the model in {start} was trained with ({how}); leave the tokenizer out of the "
        f"recipe, or give {{name: file, path: {start}}}"
    )


def cut_by(tokenizer: TextTokenizer) -> Any:
    """What decides the ids of a text."""
    if tokenizer.content is None:
        return tokenizer.fingerprint
    return {k: v for k, v in json.loads(tokenizer.content).items() if k not in ADDED}


def differing(theirs: TextTokenizer, ours: TextTokenizer) -> str:
    """The first entry that is another one."""
    for i in range(theirs.vocabulary.size):
        if (a := theirs.inner.id_to_token(i)) != (b := ours.inner.id_to_token(i)):
            return f"entry {i} is {b!r}, the model's {a!r}"
    return "the entries are the same, the rules that cut a text are not"


def take_weights(model: Learner, start: dict[str, Any], name: str) -> dict[str, list[str]]:
    """Put the saved weights into a fresh learner, by name: {"new", "left"}, the weights of the objective's own parts
    that the folder does not have, and those of it that the objective has no use for.

    Everything but the objective's parts has to be there. The parts are taken whole, or not at all where they are
    another objective's.
    """
    saved = read_model(Path(start["folder"]).expanduser())
    theirs, wanted = saved.learner.state_dict(), model.state_dict()
    shapes = [{k: v.shape for k, v in state.items() if k.startswith(PARTS)} for state in (theirs, wanted)]
    same = shapes[0] == shapes[1]
    taken = {k: v for k, v in theirs.items() if same or not k.startswith(PARTS)}
    own = {k: v for k, v in wanted.items() if not same and k.startswith(PARTS)}
    for key, value in taken.items():
        if key not in wanted or wanted[key].shape != value.shape:
            shape = " x ".join(map(str, value.shape))
            raise WrongInput(
                f"models.{name}: the weight {key} ({shape}) of {start['folder']} does not fit; leave the architecture "
                "out of the recipe"
            )
    model.load_state_dict(taken | own)
    return {"new": sorted(own), "left": [] if same else sorted(shapes[0])}
