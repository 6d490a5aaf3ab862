"""Pre-train one model of a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from danlu.architectures import Network, build_network
from danlu.batch import Batch
from danlu.config.schema import ModelRecipe
from danlu.evaluation.generation import Sampling, generate
from danlu.evaluation.text_to_text import BLANK, rewrite_many
from danlu.interop import load_model
from danlu.runs.directory import RunDirectory
from danlu.runs.embedding_transfer import transfer_embeddings
from danlu.runs.events import (
    Emit,
    TermNotMeasured,
    TrainingPlanned,
    WeightsTransferred,
    ignore,
    never,
    training_progress,
)
from danlu.runs.judge_training import judge_pretraining
from danlu.runs.model_checks import check_prompts, held_out_batches, terms_not_measured
from danlu.runs.prepare_data import Data
from danlu.runs.unit_source import RunSource
from danlu.runs.warm_start import initialise_from
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.checkpoint import Checkpoints, TrainingState
from danlu.training.loop import Job, chosen_step, train
from danlu.training.plan import Plan, capacity_of, make_plan, operations_of, units_of
from danlu.training.precision import Machine
from danlu.training.samples import RowSamples, Samples, WindowSamples
from danlu.training.step import Losses, measure, micro_batches, total_counts
from danlu.training.sufficiency import read_log
from danlu.training.training_options import apply_training_options

VALIDATION_SEED = 1_000_000_007
"""Random draws, such as masks, are the same at every validation and differ from those of training."""

TEST_SEED = 1_000_000_009
TEST_WINDOWS = 16
"""Windows per batch of the test split."""

FIRST_UNITS, FIRST_MICRO_UNITS = 256, 16
"""Training units that are checked for targets, and units per micro-batch of the check."""


@dataclass(frozen=True)
class Validation:
    """The losses on the validation batches, which are the same every time.

    The losses give bits per byte if every token except the first of each document is predicted exactly once and the
    tokens decode exactly.
    """

    measure: Callable[[nn.Module], Losses]
    bytes: int | None  # of the split; None if the losses do not give bits per byte

    def facts(self, losses: Losses) -> dict[str, Any]:
        """Return the bits per byte, which the record of a validation holds if they are defined."""
        if self.bytes is None or len(losses.sums) != 1:
            return {}
        return {"bits_per_byte": sum(losses.sums.values()) / math.log(2) / self.bytes}


@dataclass
class Pretraining:
    """The pre-training of one model of a recipe, in a run directory."""

    run: RunDirectory
    name: str
    recipe: ModelRecipe
    data: Data
    machine: Machine
    emit: Emit = ignore
    stop: Callable[[], bool] = never
    start: dict[str, Any] | None = None  # facts of the saved model that training starts from (`pin_checkpoint`)
    earlier: Mapping[str, Callable[[], Network]] = field(default_factory=dict)  # loaders of models trained before
    checked: bool = False

    @property
    def vocabulary_size(self) -> int:
        """Size of the model's vocabulary. A saved model may have padded entries beyond those of its tokenizer."""
        return self.start["vocabulary_size"] if self.start else self.data.tokenizer.vocabulary.size

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.run.path / "checkpoints" / self.name)

    @property
    def source(self) -> RunSource:
        return RunSource(self.data, self.run.path / "units" / self.name, self.earlier)

    # Networks

    def build_network(self, seed: int | None = None) -> Network:
        """Build the network with random weights."""
        seed = self.recipe.training.seed if seed is None else seed
        return build_network(self.recipe.objective, self.recipe.architecture, self.vocabulary_size, seed)

    def build_untrained(self) -> Network:
        """Build a substitute for the trained network if nothing is trained, as in `danlu show`."""
        return self.build_network().eval()

    def load_trained(self, facts: dict[str, Any]) -> Network:
        """Load the chosen weights of a finished pre-training."""
        model = self.build_network()
        self.checkpoints.load_weights(facts["chosen_step"], model)
        return model.eval()

    def initialise(self) -> tuple[Network, dict[str, Any]]:
        """Build and initialise the network; return it with the facts of its initialisation for results.json.

        It gets random weights, the weights of a saved model (`start`), or the token embeddings of another model
        (`embeddings`).
        """
        model = self.build_network()
        if self.start is not None:
            transfer = initialise_from(model, self.start, self.name)
            self.emit(WeightsTransferred(self.name, transfer))
            return model, {"start": self.start | transfer}
        if self.recipe.embeddings is not None:
            found = self._transfer_embeddings(model, self.recipe.embeddings)
            return model, {"start": None} | ({"embeddings": found} if found else {})
        return model, {"start": None}

    def _transfer_embeddings(self, model: Network, donor: str) -> dict[str, Any]:
        """Copy the token embeddings of another model, which is no longer read once there is a checkpoint."""
        stage = f"pretrain/{self.name}-embeddings"
        if self.checkpoints.newest([]) is not None:
            return self.run.record_once(stage, dict)
        network, tokenizer = self._donor(donor)
        where = f"models.{self.name}.embeddings: {donor}"
        found = transfer_embeddings(model, self.data.tokenizer, network, tokenizer, where)
        return self.run.pin(stage, {"from": donor} | found, where)

    def _donor(self, name: str) -> tuple[Network, TextTokenizer]:
        """Load an earlier model of the run, or a saved one."""
        if name in self.earlier:
            return self.earlier[name](), self.data.tokenizer
        return load_model(Path(name))

    # Data

    def samples(self, split: str, seed: int, shuffled: bool = True) -> Samples:
        """Return the units of a split: windows of its tokens, or the units that the objective builds."""
        objective, vocabulary = self.recipe.objective, self.data.tokenizer.vocabulary
        if (built := objective.units(self.source, split)) is not None:
            return RowSamples(built.rows, built.tokens_per_unit, vocabulary, seed, shuffled)
        context: int = self.recipe.architecture.context
        return WindowSamples(self.data.store(split), context, vocabulary, seed, shuffled, objective.units_per_example)

    def training_samples(self) -> Samples:
        return self.samples("train", self.recipe.training.seed)

    def first_batches(self) -> list[Batch]:
        """Return batches of the first training units, sampled as in the middle of the run."""
        samples = self.training_samples()
        units = min(FIRST_UNITS, samples.units)
        return micro_batches(self.recipe.objective, samples, 0, units, FIRST_MICRO_UNITS, 0.5)

    def test_batches(self) -> list[Batch]:
        """Return the batches of the whole test split, the same every time."""
        objective, samples = self.recipe.objective, self.samples("test", TEST_SEED, shuffled=False)
        size = max(1, round(TEST_WINDOWS / objective.units_per_example))
        return held_out_batches(
            self.name, objective, "test", lambda: micro_batches(objective, samples, 0, samples.units, size, 1.0)
        )

    def validation_batches(self) -> list[Batch]:
        """Return the batches of validation, the same every time."""
        objective, settings = self.recipe.objective, self.recipe.training
        samples = self.samples("validation", VALIDATION_SEED)
        units = min(max(1, round(settings.validation_tokens / samples.tokens_per_unit)), samples.units)
        size = max(1, int(settings.micro_batch_tokens / samples.tokens_per_unit))
        capacity = capacity_of(settings, self.training_samples(), self.machine)
        return held_out_batches(
            self.name, objective, "validation", lambda: micro_batches(objective, samples, 0, units, size, 1.0, capacity)
        )

    def check(self) -> None:
        """Raise WrongInput for everything that would fail after training: a prompt that cannot be rewritten, a held-out
        split that cannot be measured, a term without targets."""
        if self.checked:
            return
        check_prompts(self.name, self.recipe, self.data.tokenizer)
        objective, batches = self.recipe.objective, self.validation_batches()
        for term in terms_not_measured(self.name, objective, batches, self.first_batches):
            self.emit(TermNotMeasured(self.name, term))
        self.test_batches()
        self.checked = True

    # Training

    def validation(self) -> Validation:
        """Return the validation of this training."""
        objective, store, batches = self.recipe.objective, self.data.store("validation"), self.validation_batches()
        every_token = sum(total_counts(objective, batches).values()) == store.tokens - store.documents
        whole = objective.continues_text and every_token and self.data.exact
        return Validation(
            lambda model: measure(model, objective, batches, self.machine), store.bytes if whole else None
        )

    def sampler(self) -> Callable[[nn.Module], list[dict[str, Any]]] | None:
        """Return the function that continues the first prompt during training; None if the model does not continue
        text."""
        if not self.recipe.objective.continues_text or not self.recipe.prompts:
            return None
        return lambda model: [continue_prompt(self, model, self.recipe.prompts[0], self.recipe.sampling)]

    def train(self) -> dict[str, Any]:
        """Train the model to the end of its plan and return the facts of the training."""
        self.check()
        validation = self.validation()
        model, initialisation = self.initialise()
        model.to(self.machine.device)
        objective, settings, samples = self.recipe.objective, self.recipe.training, self.training_samples()
        operations = operations_of(model, objective, samples, *units_of(settings, samples), self.machine)
        apply_training_options(model, settings)
        plan = self._plan(model, samples, validation)
        self.emit(TrainingPlanned(self.name, plan, samples.units))
        job = self._job(model, samples, plan, validation)
        state = train(job)
        log = read_log(self.run.journal.path, job.journal_start, job.stage)
        final = validation.measure(model)
        facts = training_facts(state, plan, samples) | {
            "parameters": sum(p.numel() for p in model.parameters()),
            "operations": state.step * operations,
            "chosen_step": chosen_step(settings, state),
            "validation": {"loss": final.loss, "terms": final.terms, "targets": final.counts},
            "sufficiency": judge_pretraining(settings, plan, samples.units, state, log),
        }
        return facts | initialisation

    def _plan(self, model: Network, samples: Samples, validation: Validation) -> Plan:
        """Return the plan of the training, made once: it converts a time budget to a number of steps."""
        settings, objective = self.recipe.training, self.recipe.objective
        return Plan.of(
            self.run.record_once(
                f"pretrain/{self.name}-plan",
                lambda: make_plan(settings, model, objective, samples, self.machine, validation.measure).facts(),
            )
        )

    def _job(self, model: Network, samples: Samples, plan: Plan, validation: Validation) -> Job:
        return Job(
            stage=f"pretrain/{self.name}",
            model=model,
            objective=self.recipe.objective,
            samples=samples,
            settings=self.recipe.training,
            plan=plan,
            checkpoints=self.checkpoints,
            journal=self.run.journal,
            journal_start=self.run.journal_end,
            validate=validation.measure,
            sample=self.sampler(),
            watch=training_progress(self.emit),
            stop=self.stop,
            validation_facts=validation.facts,
        )


def training_facts(state: TrainingState, plan: Plan, samples: Samples) -> dict[str, Any]:
    """Return the steps, tokens, epochs, time and speed of a finished training."""
    return {
        "steps": state.step,
        "planned_steps": plan.steps,
        "tokens": state.tokens,
        "epochs": plan.epochs(samples.units, state.step),
        "seconds": state.seconds,
        "tokens_per_second": state.tokens / state.seconds,
        "best_step": state.best_step,
    }


def continue_prompt(job: Pretraining, model: Any, prompt: str, sampling: Sampling) -> dict[str, Any]:
    """Return a prompt with its continuation by the model."""
    tokenizer, context = job.data.tokenizer, job.recipe.architecture.context
    ids = tokenizer.encode(prompt)
    new = generate(model, ids, tokenizer.vocabulary, sampling, context, job.machine)
    stream = tokenizer.stream()
    text = "".join(stream.add(int(i)) for i in new)  # drops an incomplete character at the end
    return {"prompt": prompt, "text": text, "settings": str(sampling)}


def rewrite_prompt(job: Pretraining, model: Any, text: str, sampling: Sampling) -> dict[str, str]:
    """Return a text and the model's rewriting of it, for the samples of the objective metrics."""
    tokenizer, context = job.data.tokenizer, job.recipe.architecture.context
    parts = [tokenizer.encode(part) for part in BLANK.split(text)]
    rewritten = rewrite_many(model, [parts], tokenizer.vocabulary, sampling, context, job.machine)[0]
    return {"given": text, "made": tokenizer.decode(rewritten)}
