"""Pre-training one model of the recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from danlu.architectures import Network, build_network
from danlu.errors import WrongInput
from danlu.evaluation.generation import Sampling, generate
from danlu.evaluation.text_to_text import BLANK, rewrite_many
from danlu.interop import load_model
from danlu.config.schema import ModelRecipe
from danlu.runs.preflight import check_prompts, check_terms, measurable
from danlu.runs.embedding_transfer import transfer_embeddings
from danlu.runs.prepare_data import Data
from danlu.runs.directory import RunDirectory
from danlu.runs.unit_source import RunSource
from danlu.runs.warm_start import describe_transfer, initialise_from
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.checkpoint import Checkpoints
from danlu.training.samples import Samples, RowSamples, WindowSamples
from danlu.training.loop import Job, chosen_step, train
from danlu.training.training_options import apply_training_options
from danlu.training.plan import Plan, capacity_of, make_plan, operations_of, units_of
from danlu.training.precision import Machine
from danlu.training.step import Losses, measure, micro_batches, total_counts

pass
from danlu.batch import Batch

VALIDATION_SEED = 1_000_000_007
"""Masks and other samples of validation are the same at every validation and differ from training's."""

TEST_SEED = 1_000_000_009
TEST_WINDOWS = 16
"""In a batch of the test split."""

FIRST_UNITS, MICRO_UNITS = 256, 16
"""How many units of training are looked at beforehand, and how many at a time."""

Watch = Callable[[dict[str, Any], Plan], None]


@dataclass
class Pretraining:
    """One model of a recipe in a run."""

    run: RunDirectory
    name: str
    recipe: ModelRecipe
    data: Data
    machine: Machine
    watch: Watch
    stop: Callable[[], bool]
    earlier: Mapping[str, Callable[[], Network]] = field(default_factory=dict)
    """The trained models of this run that stand before this one, each loaded when it is asked for."""
    start: dict[str, Any] | None = None
    """What `warm_start.pin_checkpoint` found, where training goes on from a saved model."""
    say: Callable[[str], None] = lambda line: None

    @property
    def vocabulary_size(self) -> int:
        """Of the model, which may be padded beyond its tokenizer's where it is a saved one."""
        return self.start["vocabulary_size"] if self.start else self.data.tokenizer.vocabulary.size

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.run.path / "checkpoints" / self.name)

    def fresh(self, seed: int | None = None) -> Network:
        """Random weights."""
        seed = self.recipe.training.seed if seed is None else seed
        return build_network(self.recipe.objective, self.recipe.architecture, self.vocabulary_size, seed)

    def untrained(self) -> Network:
        """What stands for a trained model where nothing is trained: when a recipe is only shown."""
        return self.fresh().eval()

    def started(self) -> tuple[Network, dict[str, Any]]:
        """The model before its first step, and facts: random weights, or with embeddings of another model, which is not
        read again once there is a checkpoint."""
        model, stage = self.fresh(), f"pretrain/{self.name}-embeddings"
        if self.recipe.embeddings is None:
            return model, {}
        if self.checkpoints.newest([]) is not None:
            return model, self.run.record_once(stage, dict)
        donor, theirs = self.donor(self.recipe.embeddings)
        where = f"models.{self.name}.embeddings: {self.recipe.embeddings}"
        facts = {"from": self.recipe.embeddings}
        facts |= transfer_embeddings(model, self.data.tokenizer, donor, theirs, where)
        return model, self.run.pin(stage, facts, where)

    def donor(self, name: str) -> tuple[Network, TextTokenizer]:
        """An earlier model of the run, or a saved one."""
        if name in self.earlier:
            return self.earlier[name](), self.data.tokenizer
        return load_model(Path(name))

    def trained(self, facts: dict[str, Any]) -> Network:
        """The chosen weights of a finished pre-training."""
        model = self.fresh()
        self.checkpoints.load_weights(facts["chosen_step"], model)
        return model.eval()

    def samples(self, split: str, seed: int, shuffled: bool = True) -> Samples:
        """The units of a split: windows of its tokens, or what the objective makes of it."""
        objective, vocabulary = self.recipe.objective, self.data.tokenizer.vocabulary
        if (made := objective.units(self.source, split)) is not None:
            return RowSamples(made.rows, made.tokens_per_unit, vocabulary, seed, shuffled)
        context: int = self.recipe.architecture.context
        return WindowSamples(self.data.store(split), context, vocabulary, seed, shuffled, objective.units_per_example)

    @property
    def source(self) -> RunSource:
        return RunSource(self.data, self.run.path / "units" / self.name, self.earlier)

    def checked(self) -> tuple[Callable[[nn.Module], Losses], int | None]:
        """What `validation` gives; WrongInput for what would end the run when its training is done: a prompt that
        cannot be rewritten, a held-out split that cannot be measured."""
        check_prompts(self.name, self.recipe, self.data.tokenizer)
        found = self.validation()
        self.test_batches()
        return found

    def test_batches(self) -> list[Batch]:
        """The whole test split, always the same."""
        objective, samples = self.recipe.objective, self.samples("test", TEST_SEED, shuffled=False)
        each = max(1, round(TEST_WINDOWS / objective.units_per_example))
        return measurable(
            self.name, objective, "test", lambda: micro_batches(objective, samples, 0, samples.units, each, 1.0)
        )

    def validation(self) -> tuple[Callable[[nn.Module], Losses], int | None]:
        """Losses on held-out windows, always the same; and the bytes they stand for when every token of the split but
        the first of each document is predicted once, and no text is lost in its tokens."""
        samples = self.samples("validation", VALIDATION_SEED)
        wanted = max(1, round(self.recipe.training.validation_tokens / samples.tokens_per_unit))
        units = min(wanted, samples.units)
        each = max(1, int(self.recipe.training.micro_batch_tokens / samples.tokens_per_unit))
        capacity = capacity_of(self.recipe.training, self.samples("train", self.recipe.training.seed), self.machine)
        objective = self.recipe.objective
        batches = measurable(
            self.name,
            objective,
            "validation",
            lambda: micro_batches(objective, samples, 0, units, each, 1.0, capacity),
        )
        check_terms(self.name, objective, batches, self.first_batches, self.say)
        store = self.data.store("validation")
        every_token = sum(total_counts(objective, batches).values()) == store.tokens - store.documents
        whole = objective.continues_text and every_token and self.data.exact

        def validate(model: nn.Module) -> Losses:
            return measure(model, objective, batches, self.machine)

        return validate, store.bytes if whole else None

    def first_batches(self) -> list[Batch]:
        """Units that training begins with, drawn as in the middle of the run."""
        samples = self.samples("train", self.recipe.training.seed)
        return micro_batches(self.recipe.objective, samples, 0, min(FIRST_UNITS, samples.units), MICRO_UNITS, 0.5)

    def sampler(self) -> Callable[[nn.Module], list[dict[str, Any]]] | None:
        """The first prompt continued, for objectives that continue text."""
        if not self.recipe.objective.continues_text or not self.recipe.prompts:
            return None
        return lambda model: [continued(self, model, self.recipe.prompts[0], self.recipe.sampling)]

    def work(self) -> dict[str, Any]:
        """Train to the end; the facts of the training."""
        validate, size = self.checked()
        model, embeddings = self.started()
        start = self.start
        if start is not None:
            transfer = initialise_from(model, start, self.name)
            for line in describe_transfer(self.name, transfer):
                self.say(line)
            start = start | transfer
        model.to(self.machine.device)
        samples = self.samples("train", self.recipe.training.seed)
        operations = operations_of(
            model, self.recipe.objective, samples, *units_of(self.recipe.training, samples), self.machine
        )
        apply_training_options(model, self.recipe.training)
        objective, settings = self.recipe.objective, self.recipe.training
        stage = f"pretrain/{self.name}"
        plan = Plan.of(
            self.run.record_once(
                f"{stage}-plan",
                lambda: make_plan(settings, model, objective, samples, self.machine, validate).facts(),
            )
        )
        job = Job(
            stage, model, objective, samples, settings, plan, self.checkpoints, self.run.journal, self.run.journal_end,
            validate, self.sampler(), self.watch, self.stop, judged_facts(size),
        )  # fmt: skip
        position = train(job)
        final = validate(model)
        return {
            "start": start,
            "parameters": sum(p.numel() for p in model.parameters()),
            "steps": position.step,
            "planned_steps": plan.steps,
            "tokens": position.tokens,
            "epochs": position.step * plan.step_units / samples.units,
            "seconds": position.seconds,
            "tokens_per_second": position.tokens / position.seconds,
            "operations": position.step * operations,
            "best_step": position.best_step,
            "chosen_step": chosen_step(settings, position),
            "validation": {"loss": final.loss, "terms": final.terms, "targets": final.counts},
            **({"embeddings": embeddings} if embeddings else {}),
        }


def judged_facts(size: int | None) -> Callable[[Losses], dict[str, Any]]:
    """Bits per byte for each validation, where they are defined: by the bytes that `validation` gives."""

    def facts(losses: Losses) -> dict[str, Any]:
        if size is None or len(losses.sums) != 1:
            return {}
        return {"bits_per_byte": sum(losses.sums.values()) / math.log(2) / size}

    return facts


def continued(job: Pretraining, model: Any, prompt: str, sampling: Sampling) -> dict[str, Any]:
    """A prompt and what the model makes of it."""
    tokenizer, context = job.data.tokenizer, job.recipe.architecture.context
    ids = tokenizer.encode(prompt)
    new = generate(model, ids, tokenizer.vocabulary, sampling, context, job.machine)
    stream = tokenizer.stream()
    text = "".join(stream.add(int(i)) for i in new)  # without the half of a character that may stand at the end
    return {"prompt": prompt, "text": text, "settings": str(sampling)}


def rewritten(job: Pretraining, model: Any, text: str, sampling: Sampling) -> dict[str, str]:
    """A text and what the model makes of it, as a sample of a judgement."""
    tokenizer, context = job.data.tokenizer, job.recipe.architecture.context
    parts = [tokenizer.encode(part) for part in BLANK.split(text)]
    made = rewrite_many(model, [parts], tokenizer.vocabulary, sampling, context, job.machine)[0]
    return {"given": text, "made": tokenizer.decode(made)}
