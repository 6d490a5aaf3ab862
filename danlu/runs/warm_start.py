"""Pre-training that goes on from a saved model: whether it fits, and its weights by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from danlu.architectures import Network
from danlu.durable import sha256
from danlu.errors import WrongInput
from danlu.interop import describe_model, read_model, together
from danlu.interop.model_loading import WEIGHTS
from danlu.interop.model_folder import ModelFacts
from danlu.interop.tokenizer_files import load_tokenizer
from danlu.config.loading import first_difference
from danlu.config.schema import ModelRecipe, Recipe
from danlu.runs.directory import RunDirectory, finished
from danlu.tokens.tokenizer import TextTokenizer
pass

CHANGEABLE = frozenset({"name", "context", "dropout"})
"""Settings of an architecture that may differ from the folder's: its weights mean the same with another value."""

ADDED = ("post_processor", "truncation", "padding")
"""Parts of a tokenizer.json that change no id of a text."""

PARTS = "head."
"""How the names of an objective's own weights begin."""

TABLES = ("embeddings.", "decoder_embeddings.")
"""How the names of embeddings begin, whose rows are numbered."""

TUNED = ("backbone.", "embeddings.", PARTS)
"""How the names of what fine-tuning trains begin."""


def start_of(run: RunDirectory, name: str, recipe: ModelRecipe, looked: dict[str, Any] | None) -> dict[str, Any] | None:
    """Pin the model that a training starts from (`looked` is what `looked_at` gives) and return its facts; None where
    the training starts from random weights."""
    if recipe.start is None:
        return None
    if looked is None:  # the training has finished
        return run.record_once(f"start/{name}", dict)
    return run.pin(f"start/{name}", looked, f"models.{name}.start: {recipe.start}")


def looked_at(run: Path, name: str, whole: Recipe) -> dict[str, Any] | None:
    """The folder, the hash of its weights, the size of its vocabulary and its objective; None when the model `name` has
    no start or its training in the directory `run` has ended, which needs it no more. WrongInput for a folder that is
    damaged or does not fit the recipe."""
    recipe = whole.models[name]
    if recipe.start is None or finished(run, f"pretrain/{name}"):
        return None
    folder = Path(recipe.start).expanduser()
    facts, tokenizer = describe_model(folder)
    refuse_missing_sentinels(folder, tokenizer, whole)
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
        "objective": facts.objective.name,
        **within(folder, facts),
    }


def within(folder: Path, facts: ModelFacts) -> dict[str, Any]:
    """The hashes of the weights of the models that were trained together with this one, where there are any."""
    inside = {name: folder / name / WEIGHTS for name in facts.whole.submodels() if name} if facts.whole else {}
    found = {name: sha256(path) for name, path in inside.items() if path.is_file()}
    return {"within": found} if found else {}


def refuse_missing_sentinels(folder: Path, tokenizer: TextTokenizer, recipe: Recipe) -> None:
    """WrongInput when an objective needs more sentinels than the saved model's tokenizer has: all models of a run have
    one tokenizer, and a vocabulary that a model has learnt does not grow."""
    known = len(tokenizer.vocabulary.sentinels)
    for name, model in recipe.models.items():
        if (wanted := model.objective.num_sentinels) > known:
            raise WrongInput(
                f"models.{name}.objective: {model.objective.name} needs {wanted} sentinels (<extra_id_0>, ...) and "
                f"the vocabulary of the model in {folder}, which does not grow, has {known}; choose another objective, "
                "or start from a model that was trained with sentinels"
            )


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


def take_weights(model: Network, start: dict[str, Any], name: str) -> dict[str, list[str]]:
    """Put the saved weights into a fresh network, by name: {"new", "left"}, what begins anew, since the folder does not
    have it, and what of the folder there is no use for.

    Another objective may bring a decoder, segments or an output of its own, and have no use for those of the first. The
    objective's parts are taken whole, or not at all where they are another's. Of a table of embeddings that has become
    longer or shorter (positions, segments) the rows that both have are taken; `name[n:]` are the others.
    """
    folder = Path(start["folder"]).expanduser()
    theirs, wanted = saved_weights(folder, model.objective), model.state_dict()
    shapes = [{k: v.shape for k, v in state.items() if k.startswith(PARTS)} for state in (theirs, wanted)]
    if shapes[0] != shapes[1]:
        parts = {k for k in theirs if k.startswith(PARTS)}
        left, theirs = sorted(parts), {k: v for k, v in theirs.items() if k not in parts}
    else:
        left = []
    left += [key for key in theirs if key not in wanted]
    new, state = [], {}
    for key, value in wanted.items():
        given = theirs.get(key)
        if given is None:
            new.append(key)
            state[key] = value
        elif given.shape == value.shape:
            state[key] = given
        elif key.startswith(TABLES) and given.shape[1:] == value.shape[1:]:
            both = min(len(given), len(value))
            (new if len(value) > both else left).append(f"{key}[{both}:]")
            state[key] = torch.cat([given[:both], value[both:]])
        else:
            shape = " x ".join(map(str, given.shape))
            raise WrongInput(f"models.{name}: the weight {key} ({shape}) of {folder} does not fit the architecture")
    model.load_state_dict(state)
    return {"new": sorted(new), "left": sorted(left)}


def saved_weights(folder: Path, objective: Any) -> dict[str, Tensor]:
    """The weights in a folder by name; of several models that were trained together and lie inside one another all of
    them, where the objective trains them together again. What a fine-tuned model would make tokens with was never
    trained and is left out."""
    saved = read_model(folder)
    own, whole = saved.network.state_dict(), saved.facts.whole
    if saved.facts.head is not None:
        return {name: value for name, value in own.items() if name.startswith(TUNED)}
    if whole is None or not objective.submodels():
        return own
    inside = [name for name in whole.submodels() if name and (folder / name / WEIGHTS).is_file()]
    states = {"": own} | {name: read_model(folder / name).network.state_dict() for name in inside}
    return together(states, whole)


def said(name: str, taken: dict[str, list[str]]) -> list[str]:
    """What `take_weights` found, in a line each where there is something to say."""
    words = {"new": "begins anew:", "left": "not used of the saved model:"}
    head = f"{name:10s} " if name else ""
    return [f"{head}{text} {', '.join(modules(taken[key]))}" for key, text in words.items() if taken[key]]


def modules(names: list[str]) -> list[str]:
    """The modules that some weights are in, each once; rows of a table as they are."""
    found = {}
    for name in names:
        depth = 2 if name.startswith((PARTS, *TABLES)) else 1
        found[name if name.endswith("]") else ".".join(name.split(".")[:depth])] = None
    return list(found)
