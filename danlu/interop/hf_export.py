"""Save a network as a folder that transformers loads or, if no class computes the same, in danlu's native format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from danlu import __version__, durable
from danlu.architecture import Architecture
from danlu.architectures.network import Network
from danlu.architectures.presets import Family, NoFamily, family_for, to_hf
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.interop.model_card import Origin, model_card
from danlu.interop.model_folder import CONFIG, FACTS, NATIVE, WEIGHTS, ModelFacts, write_model_folder
from danlu.interop.submodels import BuiltModel, split_submodels
from danlu.interop.tokenizer_files import save_for_transformers
from danlu.objective import Objective
from danlu.settings import Settings
from danlu.tokens.tokenizer import TextTokenizer
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.weights import write_weights


@dataclass(frozen=True)
class Export:
    """A folder that transformers loads."""

    name: str  # of the family
    path: Path
    class_name: str  # in transformers


@dataclass(frozen=True)
class NotExported:
    """No transformers class computes what the network does, and nothing was written."""

    reason: str


def export(
    network: Network,
    tokenizer: TextTokenizer,
    folder: Path,
    objective: Objective,
    architecture: Architecture,
    origin: Origin | None = None,
) -> Export | NotExported:
    """Write config, weights, tokenizer, danlu.json and a model card to `folder`, in one step.

    Additional models that the objective trains are written to subfolders with the same files.
    """
    if tokenizer.content is None:
        return NotExported("the tokenizer is a sentencepiece model, which no tokenizer.json equals on every text")
    models = split_submodels(network, objective, architecture)
    families: dict[str, Family] = {}
    for name, model in models.items():
        family = family_for(model.architecture, model.objective)
        if isinstance(family, NoFamily):
            return NotExported(family.reason)
        families[name] = family

    def fill(target: Path) -> None:
        whole = objective if len(models) > 1 else None
        fill_folder(target, models[""], families[""], tokenizer, origin or Origin(), whole)
        for name in models.keys() - {""}:
            inner = partial(
                fill_folder,
                model=models[name],
                family=families[name],
                tokenizer=tokenizer,
                origin=origin or Origin(),
            )
            write_model_folder(target / name, inner)

    write_model_folder(folder, fill)
    return Export(families[""].name, folder, families[""].class_name)


def fill_folder(
    target: Path,
    model: BuiltModel,
    family: Family,
    tokenizer: TextTokenizer,
    origin: Origin,
    whole: Objective | None = None,
) -> None:
    """Write the files of one model; `whole` as in `ModelFacts`."""
    network, architecture = model.network, model.architecture
    assert isinstance(architecture, Transformer)
    vocabulary = vocabulary_of(network, tokenizer)
    write_weights(target / WEIGHTS, to_hf(family.names(architecture), network.state_dict()))
    durable.write_json(target / CONFIG, family.config(architecture, vocabulary, dtype_of(network)))
    save_for_transformers(tokenizer, target, family.head, architecture.context)
    if generation := generation_config(model.objective, vocabulary):
        durable.write_json(target / "generation_config.json", generation)
    facts = facts_of(model.objective, architecture, vocabulary, family.name).model_copy(update={"whole": whole})
    durable.write_json(target / FACTS, facts.model_dump(mode="json"))
    durable.write_text(target / "README.md", card_of(model, family, origin))


def generation_config(objective: Objective, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the generation settings with which transformers generates the same text as danlu.

    They define the tokens at the start and end of a text, and the special tokens that are never generated. Empty for
    models that do not generate text.
    """
    found: dict[str, Any] = {
        "bos_token_id": vocabulary.bos,
        "eos_token_id": vocabulary.eos,
        "pad_token_id": vocabulary.pad,
    }
    rewriter = objective.rewriter
    if rewriter is None and not objective.continues_text:
        return {}
    allowed: frozenset[int] = frozenset()
    if rewriter is not None:
        first, *forced = rewriter.decoder_start(vocabulary).tolist()
        allowed = rewriter.allowed_special_tokens(vocabulary)
        found |= {"decoder_start_token_id": first} | ({"forced_bos_token_id": forced[0]} if forced else {})
    never = sorted(vocabulary.special - {vocabulary.eos} - allowed)
    return found | ({"bad_words_ids": [[id] for id in never]} if never else {})


def save_native(
    network: Network,
    tokenizer: TextTokenizer,
    folder: Path,
    objective: Objective,
    architecture: Architecture,
    predictor: Settings | None = None,
) -> Path:
    """Write any network to a folder that only danlu loads; the weights have the names of danlu's modules.

    Args:
        objective: the pre-training objective.
        predictor: the predictor of a fine-tuned model.
    """
    facts = facts_of(objective, architecture, vocabulary_of(network, tokenizer), NATIVE)
    facts = facts.model_copy(update={"predictor": predictor})

    def fill(target: Path) -> None:
        write_weights(target / WEIGHTS, network.state_dict())
        tokenizer.save(target)
        durable.write_json(target / FACTS, facts.model_dump(mode="json"))

    write_model_folder(folder, fill)
    return folder


def facts_of(objective: Objective, architecture: Architecture, vocabulary: Vocabulary, weights: str) -> ModelFacts:
    return ModelFacts(
        danlu=__version__, weights=weights, objective=objective, architecture=architecture, vocabulary=vocabulary
    )


def vocabulary_of(network: Network, tokenizer: TextTokenizer) -> Vocabulary:
    """Return the tokenizer's vocabulary with the size of the model, which may be padded."""
    if network.vocabulary_size < tokenizer.vocabulary.size:
        sizes = f"{tokenizer.vocabulary.size} entries, the model {network.vocabulary_size}"
        raise WrongInput(f"the tokenizer has {sizes}; pass the tokenizer that the model was trained with")
    return replace(tokenizer.vocabulary, size=network.vocabulary_size)


def dtype_of(model: nn.Module) -> str:
    """Return the common dtype of all parameters, in the notation of config.json."""
    kinds = {str(p.dtype).removeprefix("torch.") for p in model.parameters()}
    if len(kinds) != 1:
        raise WrongInput(f"the model's weights are {' and '.join(sorted(kinds))}; convert them to one of these first")
    return kinds.pop()


def card_of(model: BuiltModel, family: Family, origin: Origin) -> str:
    network = model.network
    parameters = sum(p.numel() for p in network.parameters())
    return model_card(family, model.objective, parameters, network.vocabulary_size, network.context, origin)
