"""Load saved models: folders written by danlu, and by transformers for families that danlu supports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from danlu import __version__
from danlu.architectures.former_names import with_current_names
from danlu.architectures.network import Network, build_network
from danlu.architectures.presets import FAMILIES, family_named, family_of, from_hf
from danlu.architectures.presets.weight_names import check_weight_names
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput, nearest
from danlu.interop.headless import objective_of
from danlu.interop.model_folder import (
    CONFIG,
    FACTS,
    NATIVE,
    WEIGHTS,
    ModelFacts,
    check_integrity,
    read_facts,
    read_json_object,
    read_weights,
)
from danlu.interop.published_layouts import align_names, stored_names
from danlu.interop.tokenizer_files import load_tokenizer
from danlu.tokens.tokenizer import TextTokenizer
from danlu.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class SavedModel:
    """A model loaded from a folder: the network in float32 on the CPU, in eval mode, and its tokenizer."""

    network: Network
    tokenizer: TextTokenizer
    facts: ModelFacts
    ignored: tuple[str, ...] = ()  # weights in the folder that danlu does not use, such as extra heads


def load_model(folder: Path) -> tuple[Network, TextTokenizer]:
    """Load a saved model; return the network and its tokenizer."""
    saved = read_model(folder)
    return saved.network, saved.tokenizer


def read_model(folder: Path) -> SavedModel:
    """Load a saved model with all of its weights.

    A folder without danlu.json, such as one that transformers saved, is read with its config.json.
    """
    facts, tokenizer = describe_model(folder)
    path = Path(folder) / WEIGHTS
    state, ignored = to_danlu_names(facts, read_weights(path), path)
    network = build_network(facts.network_objective(), facts.architecture, facts.vocabulary.size, 0, facts.objective)
    load_state(network, state, path)
    return SavedModel(network.eval(), tokenizer, facts, ignored)


def describe_model(folder: Path) -> tuple[ModelFacts, TextTokenizer]:
    """Read the facts and the tokenizer of a saved model, without its weights.

    Raises:
        WrongInput: if it is not a model folder or is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise WrongInput(f"{folder} is not a folder; give the folder of a saved model")
    if not (folder / FACTS).is_file() and not (folder / CONFIG).is_file():
        raise WrongInput(f"{folder} contains no model: it has neither {FACTS} nor {CONFIG}")
    check_integrity(folder)
    tokenizer = load_tokenizer(folder)
    facts = read_facts(folder) if (folder / FACTS).is_file() else facts_from_config(folder, tokenizer.vocabulary)
    if tokenizer.vocabulary.size > facts.vocabulary.size:
        sizes = f"{tokenizer.vocabulary.size} entries, the model {facts.vocabulary.size}"
        raise WrongInput(f"{folder}: the tokenizer has {sizes}; they are not from the same model")
    return facts, tokenizer


def facts_from_config(folder: Path, vocabulary: Vocabulary) -> ModelFacts:
    """Derive the content of danlu.json from config.json."""
    path = folder / CONFIG
    config = read_json_object(path)
    family = family_of(config, f"{folder} has no {FACTS} and by its {CONFIG}")
    try:
        settings = family.settings_by_weights(family.settings_of(config), stored_names(folder / WEIGHTS))
        objective: Any = objective_of(family.head, family.objective_settings)
    except WrongInput as error:
        raise WrongInput(f"{folder}: {error}") from None
    if reason := family.mismatch(settings, objective):
        raise WrongInput(f"{path}: {family.class_name}: {reason}")
    size = config.get("vocab_size")
    if not isinstance(size, int) or size < 1:
        raise WrongInput(f"{path}: vocab_size is {size!r}, not a number of tokens")
    return ModelFacts(
        danlu=__version__,
        weights=family.name,
        objective=objective,
        architecture=settings,
        vocabulary=replace(vocabulary, size=size),
    )


def to_danlu_names(
    facts: ModelFacts, state: dict[str, Tensor], path: Path
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the weights under the names of danlu's modules, and the names of those that were ignored."""
    if facts.weights == NATIVE:
        return with_current_names(state), ()
    family = family_named(facts.weights, facts.objective.hf_head)
    if family is None or not isinstance(facts.architecture, Transformer):
        known = nearest(facts.weights, [NATIVE, *(family.name for family in FAMILIES)])
        raise WrongInput(f"{path.with_name(FACTS)}: unknown naming scheme of weights {facts.weights!r}; {known}")
    aligned, ignored = align_names(state, family, facts.architecture, path)
    return from_hf(family.names(facts.architecture), aligned, str(path)), ignored


def load_state(network: Network, state: dict[str, Tensor], path: Path) -> None:
    """Load all weights. Raises WrongInput for the first that is missing, unknown or has the wrong shape."""
    expected = network.state_dict()
    check_weight_names(expected, state, str(path))
    for name, value in state.items():
        if value.shape != expected[name].shape:
            shapes = [" x ".join(map(str, shape)) for shape in (value.shape, expected[name].shape)]
            raise WrongInput(
                f"{path}: weight {name} is {shapes[0]}, not {shapes[1]}; the settings are those of another model"
            )
    network.load_state_dict(state)
