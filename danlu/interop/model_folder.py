"""The files of a saved model, and reading them with an eye on damage.

danlu.json       what danlu needs to build the model again, and whose names the weights have
model.safetensors, tokenizer.json (or tokenizer.model), tokenizer_config.json
config.json, generation_config.json, README.md    where a transformers class computes the same
manifest.json    the hash of every file as it was written
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

import danlu.architectures
import danlu.objectives
import danlu.tasks  # noqa: F401  (the three register what danlu.json may name)
from danlu import __version__, durable
from danlu.errors import WrongInput
from danlu.interop.headless import saved_objective
from danlu.registry import architectures, objectives
from danlu.settings import Settings, former_names_accepted
from danlu.tasks.predictors import heads
from danlu.tokens.tokenizer import CONFIG as TOKENIZER_CONFIG
from danlu.tokens.tokenizer import MODEL, TOKENIZER
from danlu.tokens.vocabulary import Vocabulary

FACTS, CONFIG, WEIGHTS = "danlu.json", "config.json", "model.safetensors"
READ = (FACTS, CONFIG, WEIGHTS, TOKENIZER, MODEL, TOKENIZER_CONFIG)
"""What a model is made of; the other files may be edited by hand."""

NATIVE = "danlu"
"""Instead of a family's name: the weights have the names of danlu's own modules."""

FORMAT = 2
"""Of danlu.json. Format 1 has former names of settings, and its weights former names of modules; both are converted."""


class ModelFacts(Settings):
    """What danlu.json holds. `weights` is NATIVE or the model_type whose names the weights have; `objective` is that of
    pre-training; `head` is there where the model was fine-tuned; `whole` where the model was trained together with
    others, each in a folder inside this one: the objective of them all (`danlu.traits.HasModelsWithin`)."""

    format: Literal[2] = FORMAT
    danlu: str
    weights: str
    objective: Annotated[
        Any, PlainValidator(saved_objective), PlainSerializer(lambda chosen: chosen.model_dump(mode="json"))
    ]
    architecture: architectures.choice()  # type: ignore[valid-type]
    vocabulary: Vocabulary
    head: heads.choice() | None = None  # type: ignore[valid-type]
    whole: objectives.choice() | None = None  # type: ignore[valid-type]

    def trained_for(self) -> Any:
        """The objective that the weights are for: that of the head, where fine-tuning gave the model one."""
        return self.objective if self.head is None else self.head.objective()


def one_line(error: ValueError) -> str:
    """The first thing a check of danlu.json found, with its place."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def read_facts(folder: Path) -> ModelFacts:
    """Return what danlu.json holds, converted where an earlier version wrote it."""
    path = folder / FACTS
    stored = in_current_format(read_table(path), path)
    try:
        with former_names_accepted():
            return ModelFacts.model_validate(stored)
    except ValueError as error:
        raise WrongInput(f"{path} was written by another version of danlu or is damaged: {one_line(error)}") from None


def in_current_format(stored: dict[str, Any], path: Path) -> dict[str, Any]:
    """Convert the content of danlu.json to the current format; WrongInput for a format this version does not know."""
    found = stored.get("format")
    if found not in (1, FORMAT):
        raise WrongInput(
            f"{path}: format is {found!r} (written by danlu {stored.get('danlu', 'of an unknown version')}); this "
            f"version, {__version__}, reads formats 1 to {FORMAT}: upgrade danlu to load the model"
        )
    return stored | {"format": FORMAT}


def read_table(path: Path) -> dict[str, Any]:
    """A JSON file that holds one table."""
    if not isinstance(table := durable.read_json(path), dict):
        raise WrongInput(f"{path} is damaged: it holds no table of names and values")
    return table


def read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        near = "; it is in several parts, save it as one" if path.with_name(f"{path.name}.index.json").exists() else ""
        raise WrongInput(f"{path} is missing{near}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WrongInput(f"{path} is damaged ({' '.join(str(error).split())}); save the model again") from None


def refuse_damage(folder: Path) -> None:
    """One line when a file that a model is made of is not as it was written; folders without a manifest pass."""
    if not (folder / durable.MANIFEST).is_file():
        return
    for name, facts in read_table(folder / durable.MANIFEST).items():
        if name not in READ:
            continue
        path = folder / name
        if not path.is_file():
            raise WrongInput(f"{path} is missing; save the model again")
        if path.stat().st_size != facts["bytes"] or durable.sha256(path) != facts["sha256"]:
            raise WrongInput(
                f"{path} is damaged: it is not as it was written; "
                f"save the model again, or delete {durable.MANIFEST} if you changed it yourself"
            )


def write_model_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """As `durable.write_folder`, and never in place of a folder that holds something else."""
    if folder.exists() and not (folder / durable.MANIFEST).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise WrongInput(f"{folder} exists and is no model saved by danlu; choose another place or move it away")
    durable.write_folder(folder, fill)
