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
from danlu.config.compatibility import misfit
from danlu.config.start_defaults import tokenizer_of, with_start
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
        """Resolve "auto" on this machine; WrongInput for a device that does not exist."""
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
    def _as_started(cls, data: Any) -> Any:
        return with_start(data) if isinstance(data, dict) and isinstance(data.get("start"), str) else data

    @model_validator(mode="after")
    def _fit(self) -> ModelRecipe:
        if sentence := misfit(self.objective, self.architecture):
            raise ValueError(sentence)
        if self.start is not None and self.embeddings is not None:
            raise ValueError("start brings embeddings of its own; leave embeddings out, or start")
        length, context = self.objective.required_context, self.architecture.context
        if length > context:
            raise ValueError(f"objective.unit_tokens {length} is more than architecture.context {context}")
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
        description="Training of each model. A time budget is divided among all trainings of the task. `validations` "
        "and `patience` need dev rows; by default there is a validation after each epoch.",
    )
    learning_rates: list[PositiveFloat] = Field(
        default_factory=list,
        description="Learning rates to choose from by the headline metric on the dev rows. Empty: the optimizer's "
        "learning rate, a third of it and three times it. A single rate is used as it is. Each rate costs two more "
        "trainings.",
    )
    seeds: PositiveInt = Field(5, description="Seeds, each with its own training rows, order and new weights.")
    first_seed: int = Field(0, ge=0, description="The first seed.")

    @model_validator(mode="after")
    def _seeded_by_the_task(self) -> TaskRecipe:
        if self.training.seed:
            raise ValueError("training.seed: every draw of a task has its own number; give first_seed")
        return self


class FinetuneRecipe(TaskRecipe):
    """Fine-tuning outside a run; `model` is a folder."""

    machine: MachineSettings = Field(MachineSettings(), description="Where to compute.")
    language: Literal["en", "zh"] = Field("en", description="Language of the report.")


class EvaluationSettings(Settings):
    """How the models are evaluated on the test split."""

    stride: PositiveInt = Field(
        default=128, description="Positions scored per window after the first; smaller: more context and more work."
    )
    ngram: PositiveInt = Field(default=5, description="Order of the Kneser-Ney n-gram baseline.")
    documents: bool = Field(default=False, description="Also save the bits of each test document.")
    similarity: dict[str, ScoredPairs] = Field(
        default_factory=dict,
        description="Tables of text pairs with human scores, by names of your choice; the scores are compared with the "
        "similarities of each model's embeddings by rank correlation.",
    )


Part = TypeVar("Part", ModelRecipe, TaskRecipe)


def wrong_names(recipe: dict[str, Any]) -> Iterator[InitErrorDetails]:
    """Models and tasks whose names cannot be folders, and tasks of models that do not exist."""
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
        given = task.get("model") if isinstance(task, dict) else task.model if isinstance(task, TaskRecipe) else None
        if isinstance(given, str) and models and given not in models:
            message = f"{given!r} is none of the models; {nearest(given, models)}"
            yield error_at(("tasks", str(name), "model"), message)


class Recipe(Settings):
    """From raw text to models, tasks and the report."""

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
    def _as_started(cls, data: Any) -> Any:
        return tokenizer_of(data) if isinstance(data, dict) else data

    @model_validator(mode="wrap")
    @classmethod
    def _references(cls, data: Any, handler: ModelWrapValidatorHandler[Recipe]) -> Recipe:
        """Check names and references between models and tasks, and report their errors together with all others."""
        problems = list(wrong_names(data)) if isinstance(data, dict) else []
        try:
            recipe = handler(data)
        except ValidationError as error:
            raise errors_at(cls.__name__, [*problems, *as_details(error)]) from None
        problems = problems or list(recipe._incompatible())
        if problems:
            raise errors_at(cls.__name__, problems)
        return recipe

    def _incompatible(self) -> Iterator[InitErrorDetails]:
        """What is valid by itself but does not fit the rest of the recipe."""
        for name, model in self.models.items():
            if sentence := self._unfit_embeddings(name, model):
                yield error_at(("models", name, "embeddings"), sentence)
            if unfit_name := self._unfit_names(name, model):
                yield error_at(("models", name, "objective", unfit_name[0]), unfit_name[1])
            if self.evaluation.similarity and not model.objective.reads_tokens:
                message = f"{name!r} is trained by {model.objective.name}, which reads no text; leave similarity out"
                yield error_at(("evaluation", "similarity"), message)
        for name, task in self.tasks.items():
            model = self.models[task.model]
            if found := task.task.check(model.objective, model.architecture, repr(task.model)):
                yield error_at(("tasks", name, *found.place), found.sentence)

    def _before(self, name: str) -> list[str]:
        """The models that stand earlier."""
        names = list(self.models)
        return names[: names.index(name)]

    def _unfit_embeddings(self, name: str, model: ModelRecipe) -> str | None:
        """One sentence when what the embeddings are to start from is not there or of another width."""
        given, earlier = model.embeddings, self._before(name)
        if given is None or (given not in self.models and Path(given).is_dir()):
            return None
        if given not in earlier:
            return f"{given!r} is neither a model that stands earlier nor a folder; {nearest(given, earlier)}"
        widths = [self.models[key].architecture.embedding_dim for key in (given, name)]
        if widths[0] != widths[1]:
            return (
                f"the embeddings of {given} are {widths[0]} wide, those of {name} {widths[1]}; give both the same "
                "architecture.width, or embedding_width where there is one"
            )
        return None

    def _unfit_names(self, name: str, model: ModelRecipe) -> tuple[str, str] | None:
        """(setting, one sentence) when a model that the objective names does not stand earlier, or reads no text."""
        earlier = self._before(name)
        for setting, given in model.objective.referenced_models().items():
            if given not in earlier:
                advice = nearest(given, earlier) if earlier else f"{name} is the first"
                return setting, f"{given!r} is no model that stands earlier; {advice}"
            if not (other := self.models[given].objective).reads_tokens:
                return setting, f"{given!r} is trained by {other.name}, which reads no text; name one that does"
        return None

    def with_time(self, seconds: float) -> Recipe:
        """The same recipe with its time budgets scaled so that they add up to `seconds`.

        Other budgets stay as they are; ValueError when there is no time budget to scale.
        """
        parts = [*self.models.values(), *self.tasks.values()]
        total = sum(p.training.budget.amount for p in parts if p.training.budget.unit == "seconds")
        if not total:
            raise ValueError("this recipe has no time budget to scale; set models.NAME.training.budget instead")

        def scaled(part: Part) -> Part:
            budget: Budget = part.training.budget.scaled(seconds / total)
            return part.model_copy(update={"training": part.training.model_copy(update={"budget": budget})})

        return self.model_copy(
            update={
                "models": {k: scaled(v) for k, v in self.models.items()},
                "tasks": {k: scaled(v) for k, v in self.tasks.items()},
            }
        )
