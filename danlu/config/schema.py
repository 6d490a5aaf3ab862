"""The settings classes of a recipe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ModelWrapValidatorHandler, PositiveFloat, PositiveInt, ValidationError, model_validator
from pydantic_core import InitErrorDetails

import danlu.architectures
import danlu.objectives
import danlu.tasks
import danlu.tokens.kinds
import danlu.training.tracking  # noqa: F401
from danlu.config.compatibility import check_compatible
from danlu.config.start_defaults import fill_from_start
from danlu.errors import nearest
from danlu.evaluation.generation import Sampling
from danlu.evaluation.similarity import ScoredPairs
from danlu.registry import architectures, objectives, tasks, tokenizers, trackers
from danlu.settings import Settings, as_details, error_at, errors_at
from danlu.text.corpus import CorpusSettings
from danlu.tokens.kinds.byte_bpe import ByteBPE
from danlu.training.budget import Budget
from danlu.training.precision import Device, DType, Machine, resolve_machine
from danlu.training.settings import TrainingSettings


class MachineSettings(Settings):
    """Device, precision and threads."""

    device: Device = Field(default="auto", description="Where to compute; auto: a GPU if there is one.")
    dtype: DType = Field(default="auto", description="Precision; auto: bfloat16 where it was measured to be faster.")
    threads: PositiveInt | None = Field(
        default=None, description="CPU threads; default: all cores the process may use."
    )

    def resolve(self) -> Machine:
        """Resolve "auto" on this machine.

        Raises:
            WrongInput: if the device does not exist.
        """
        return resolve_machine(self.dtype, self.threads, self.device)


class ModelRecipe(Settings):
    """One model to pre-train."""

    start: str | None = Field(
        default=None,
        description="A model folder (danlu or Hugging Face) whose weights initialise the model. Objective, "
        "architecture and tokenizer are then those of the folder unless the recipe sets them.",
    )
    objective: objectives.choice() = Field(description="The pre-training objective.")  # type: ignore[valid-type]
    architecture: architectures.choice() = Field(description="The architecture.")  # type: ignore[valid-type]
    training: TrainingSettings = Field(default=TrainingSettings(), description="How the model is trained.")
    embeddings: str | None = Field(
        default=None,
        description="Initialise the token embeddings from an earlier model of the recipe or a saved model (a folder); "
        "token by token if the vocabularies differ.",
    )
    prompts: list[str] = Field(
        default_factory=list,
        description="Texts to continue during and after training, or to rewrite after training by a model that "
        "rewrites text.",
    )
    sampling: Sampling = Field(default=Sampling(), description="How the prompts are continued.")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_start(cls, data: Any) -> Any:
        return fill_from_start(data) if isinstance(data, dict) and isinstance(data.get("start"), str) else data

    @model_validator(mode="after")
    def _check_compatible(self) -> ModelRecipe:
        if reason := check_compatible(self.objective, self.architecture):
            raise ValueError(reason)
        if self.start is not None and self.embeddings is not None:
            raise ValueError("start already provides the embeddings; remove either embeddings or start")
        length, context = self.objective.required_context, self.architecture.context
        if length > context:
            raise ValueError(f"objective.unit_tokens {length} exceeds architecture.context {context}")
        return self


class TaskRecipe(Settings):
    """One task to fine-tune a model for, compared with random weights and the baselines of the task.

    If there are dev rows, the learning rate and the number of steps are chosen on them, separately for pre-trained and
    random weights; otherwise those of the recipe are used.
    """

    model: str = Field(description="Name of the model in the recipe; for `danlu finetune` a model folder.")
    task: tasks.choice() = Field(description="The task.")  # type: ignore[valid-type]
    training: TrainingSettings = Field(
        TrainingSettings(),
        description="How each model is trained. A time budget is divided among all trainings of the task. "
        "`validations` and `patience` need dev rows; by default there is a validation after each epoch.",
    )
    learning_rates: list[PositiveFloat] = Field(
        default_factory=list,
        description="Learning rates to choose from by the headline metric on the dev rows. Default: that of the "
        "optimizer, a third of it and three times it. A single rate is used as it is. Each rate adds two trainings.",
    )
    seeds: PositiveInt = Field(5, description="Seeds, each with its own training rows, order and new weights.")
    first_seed: int = Field(0, ge=0, description="The first seed.")

    @model_validator(mode="after")
    def _check_seed(self) -> TaskRecipe:
        if self.training.seed:
            raise ValueError("training.seed: each training of a task has its own seed; set first_seed instead")
        return self


class FinetuneRecipe(TaskRecipe):
    """Fine-tuning outside a run. `model` is a folder."""

    machine: MachineSettings = Field(MachineSettings(), description="Device, precision and threads.")
    language: Literal["en", "zh"] = Field("en", description="Language of the report.")


class EvaluationSettings(Settings):
    """How the models are evaluated on the test split."""

    stride: PositiveInt = Field(
        default=128,
        description="Positions scored per window after the first. Smaller values give more context and take longer.",
    )
    ngram: PositiveInt = Field(default=5, description="Order of the Kneser-Ney n-gram baseline.")
    documents: bool = Field(default=False, description="Also save the bits of each test document.")
    similarity: dict[str, ScoredPairs] = Field(
        default_factory=dict,
        description="Tables of text pairs with human scores, by names of your choice; the scores are compared with the "
        "similarities of each model's embeddings by rank correlation.",
    )


Trained = TypeVar("Trained", ModelRecipe, TaskRecipe)


def check_names(recipe: dict[str, Any]) -> Iterator[InitErrorDetails]:
    """Report models and tasks whose names cannot be folder names, and tasks of models that do not exist."""
    models, tasks = ({}, {})
    if isinstance(recipe.get("models"), dict):
        models = recipe["models"]
    if isinstance(recipe.get("tasks"), dict):
        tasks = recipe["tasks"]
    for section, named in (("models", models), ("tasks", tasks)):
        for name in map(str, named):
            if not name.replace("-", "_").isidentifier():
                message = f"the name {name!r} must be letters, digits, - and _ (it becomes a folder)"
                yield error_at((section, name), message)
    for name, task in tasks.items():
        model = task.get("model") if isinstance(task, dict) else task.model if isinstance(task, TaskRecipe) else None
        if isinstance(model, str) and models and model not in models:
            message = f"the recipe has no model {model!r}; {nearest(model, models)}"
            yield error_at(("tasks", str(name), "model"), message)


def fill_tokenizer(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe with a tokenizer: if it has none, that of the first saved model from which a model starts."""
    models = recipe.get("models")
    if recipe.get("tokenizer") is not None or not isinstance(models, dict):
        return recipe
    for model in models.values():
        start = (
            model.get("start") if isinstance(model, dict) else model.start if isinstance(model, ModelRecipe) else None
        )
        if isinstance(start, str):
            return recipe | {"tokenizer": {"name": "file", "path": start}}
    return recipe


class Recipe(Settings):
    """A whole run, from raw text to models, tasks and the report."""

    corpus: CorpusSettings = Field(description="The text.")
    tokenizer: tokenizers.choice() = Field(default=ByteBPE(), description="The tokenizer.")  # type: ignore[valid-type]
    models: dict[str, ModelRecipe] = Field(min_length=1, description="The models to pre-train, by name.")
    tasks: dict[str, TaskRecipe] = Field(default_factory=dict, description="The tasks to fine-tune for, by name.")
    evaluation: EvaluationSettings = Field(default=EvaluationSettings(), description="How the models are evaluated.")
    machine: MachineSettings = Field(default=MachineSettings(), description="Device, precision and threads.")
    track: trackers.choice() | None = Field(  # type: ignore[valid-type]
        default=None, description="Also send the metrics to another program, such as tensorboard."
    )
    language: Literal["en", "zh"] = Field(default="en", description="Language of the report and of the messages.")

    @model_validator(mode="before")
    @classmethod
    def _fill_tokenizer(cls, data: Any) -> Any:
        return fill_tokenizer(data) if isinstance(data, dict) else data

    @model_validator(mode="wrap")
    @classmethod
    def _collect_errors(cls, data: Any, handler: ModelWrapValidatorHandler[Recipe]) -> Recipe:
        """Check names and references between models and tasks, and report their errors together with all others."""
        problems = list(check_names(data)) if isinstance(data, dict) else []
        try:
            recipe = handler(data)
        except ValidationError as error:
            raise errors_at(cls.__name__, [*problems, *as_details(error)]) from None
        problems = problems or list(recipe._incompatible())
        if problems:
            raise errors_at(cls.__name__, problems)
        return recipe

    def _incompatible(self) -> Iterator[InitErrorDetails]:
        """Report settings that are valid by themselves but incompatible with the rest of the recipe."""
        for name, model in self.models.items():
            if message := self._check_embeddings(name, model):
                yield error_at(("models", name, "embeddings"), message)
            if problem := self._check_references(name, model):
                yield error_at(("models", name, "objective", problem[0]), problem[1])
            if self.evaluation.similarity and not model.objective.reads_tokens:
                message = f"{name!r} is trained by {model.objective.name}, which reads no text; leave similarity out"
                yield error_at(("evaluation", "similarity"), message)
        for name, task in self.tasks.items():
            model = self.models[task.model]
            if incompatibility := task.task.check(model.objective, model.architecture, repr(task.model)):
                yield error_at(("tasks", name, *incompatibility.place), incompatibility.sentence)

    def _earlier_models(self, name: str) -> list[str]:
        """Return the names of the models before this one in the recipe."""
        names = list(self.models)
        return names[: names.index(name)]

    def _check_embeddings(self, name: str, model: ModelRecipe) -> str | None:
        """Return a message if the source of the embeddings does not exist or has another width."""
        source, earlier = model.embeddings, self._earlier_models(name)
        if source is None or (source not in self.models and Path(source).is_dir()):
            return None
        if source not in earlier:
            return f"{source!r} is neither an earlier model nor a folder; {nearest(source, earlier)}"
        widths = [self.models[key].architecture.embedding_dim for key in (source, name)]
        if widths[0] != widths[1]:
            return (
                f"the embeddings of {source} have width {widths[0]}, those of {name} {widths[1]}; set the same "
                "architecture.width for both, or embedding_width where there is one"
            )
        return None

    def _check_references(self, name: str, model: ModelRecipe) -> tuple[str, str] | None:
        """Return (setting, message) if a model that the objective refers to is not an earlier one, or reads no text."""
        earlier = self._earlier_models(name)
        for setting, reference in model.objective.referenced_models().items():
            if reference not in earlier:
                advice = nearest(reference, earlier) if earlier else f"{name} is the first model"
                return setting, f"{reference!r} is not an earlier model; {advice}"
            if not (other := self.models[reference].objective).reads_tokens:
                return setting, f"{reference!r} is trained by {other.name}, which reads no text; name one that does"
        return None

    def with_time(self, seconds: float) -> Recipe:
        """Return the recipe with its time budgets scaled to a total of `seconds`. Other budgets are unchanged.

        Raises:
            ValueError: if the recipe has no time budget.
        """
        trained = [*self.models.values(), *self.tasks.values()]
        total = sum(each.training.budget.amount for each in trained if each.training.budget.unit == "seconds")
        if not total:
            raise ValueError("this recipe has no time budget to scale; set models.NAME.training.budget instead")

        def scale(section: Trained) -> Trained:
            budget: Budget = section.training.budget.scaled(seconds / total)
            return section.model_copy(update={"training": section.training.model_copy(update={"budget": budget})})

        return self.model_copy(
            update={
                "models": {k: scale(v) for k, v in self.models.items()},
                "tasks": {k: scale(v) for k, v in self.tasks.items()},
            }
        )
