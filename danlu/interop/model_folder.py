"""The files of a saved model, and checks for damage when they are read.

danlu.json       what danlu needs to rebuild the model, and which naming scheme the weights follow
model.safetensors, tokenizer.json (or tokenizer.model), tokenizer_config.json
config.json, generation_config.json, README.md    if a transformers class computes the same
manifest.json    the hash of every file when it was written
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainSerializer, PlainValidator, ValidationError
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
from danlu.tasks.predictor import predictors
from danlu.tokens.tokenizer import CONFIG as TOKENIZER_CONFIG
from danlu.tokens.tokenizer import MODEL, TOKENIZER
from danlu.tokens.vocabulary import Vocabulary

FACTS, CONFIG, WEIGHTS = "danlu.json", "config.json", "model.safetensors"
READ = (FACTS, CONFIG, WEIGHTS, TOKENIZER, MODEL, TOKENIZER_CONFIG)
"""The files that determine a model; the others may be edited by hand."""

NATIVE = "danlu"
"""The naming scheme of weights that have the names of danlu's modules."""

FORMAT = 2
"""The format of danlu.json. Format 1 has former names of settings and of modules, which are converted."""


class ModelFacts(Settings):
    """The content of danlu.json."""

    renamed: ClassVar[Mapping[str, str]] = {"head": "predictor"}

    format: Literal[2] = Field(default=FORMAT, description="Version of the format of model folders.")
    danlu: str = Field(description="Version of danlu that wrote the folder.")
    weights: str = Field(description="Naming scheme of the weights: danlu, or the name of a family of transformers.")
    objective: Annotated[
        Any, PlainValidator(saved_objective), PlainSerializer(lambda chosen: chosen.model_dump(mode="json"))
    ] = Field(description="Objective of pre-training.")
    architecture: architectures.choice() = Field(description="Architecture of the model.")  # type: ignore[valid-type]
    vocabulary: Vocabulary = Field(description="Size of the vocabulary and the ids of its special tokens.")
    predictor: predictors.choice() | None = Field(  # type: ignore[valid-type]
        default=None, description="Predictor of a fine-tuned model; null without fine-tuning."
    )
    whole: objectives.choice() | None = Field(  # type: ignore[valid-type]
        default=None,
        description=(
            "Joint objective of this model and those in subfolders, if they were trained together; null for a single "
            "model."
        ),
    )

    def network_objective(self) -> Any:
        """Return the objective that the network is built for: that of the task if the model was fine-tuned."""
        return self.objective if self.predictor is None else self.predictor.objective()


def describe_error(error: ValueError) -> str:
    """Describe the first error in danlu.json, with its key."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def read_facts(folder: Path) -> ModelFacts:
    """Read danlu.json; the content of an earlier format is converted."""
    path = folder / FACTS
    stored = convert_format(read_json_object(path), path)
    try:
        with former_names_accepted():
            return ModelFacts.model_validate(stored)
    except ValueError as error:
        raise WrongInput(
            f"{path} was written by another version of danlu or is damaged: {describe_error(error)}"
        ) from None


def convert_format(stored: dict[str, Any], path: Path) -> dict[str, Any]:
    """Convert the content of danlu.json to the current format. Raises WrongInput for an unknown format."""
    found = stored.get("format")
    if found not in (1, FORMAT):
        raise WrongInput(
            f"{path}: format is {found!r} (written by danlu {stored.get('danlu', 'of an unknown version')}); this "
            f"version, {__version__}, reads formats 1 to {FORMAT}: upgrade danlu to load the model"
        )
    return stored | {"format": FORMAT}


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that contains an object."""
    if not isinstance(content := durable.read_json(path), dict):
        raise WrongInput(f"{path} is damaged: it does not contain a JSON object")
    return content


def read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        hint = (
            "; the weights are split into several files, save them as one"
            if path.with_name(f"{path.name}.index.json").exists()
            else ""
        )
        raise WrongInput(f"{path} is missing{hint}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WrongInput(f"{path} is damaged ({' '.join(str(error).split())}); save the model again") from None


def check_integrity(folder: Path) -> None:
    """Raise WrongInput if a file differs from the manifest. A folder without a manifest is not checked."""
    if not (folder / durable.MANIFEST).is_file():
        return
    for name, facts in read_json_object(folder / durable.MANIFEST).items():
        if name not in READ:
            continue
        path = folder / name
        if not path.is_file():
            raise WrongInput(f"{path} is missing; save the model again")
        if path.stat().st_size != facts["bytes"] or durable.sha256(path) != facts["sha256"]:
            raise WrongInput(
                f"{path} is damaged: its hash differs from the manifest; "
                f"save the model again, or delete {durable.MANIFEST} if you changed it yourself"
            )


def write_model_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Write a folder in one step. Raises WrongInput rather than replace a folder with other content."""
    if folder.exists() and not (folder / durable.MANIFEST).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise WrongInput(f"{folder} exists and is not a model saved by danlu; choose another folder or move it away")
    durable.write_folder(folder, fill)
