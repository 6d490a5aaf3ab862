"""Pre-training one model of the recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from danlu.architectures import Learner, build_learner
from danlu.errors import WrongInput
from danlu.evaluation.generation import Sampling, generate
from danlu.export import load_model
from danlu.recipes.schema import ModelRecipe
from danlu.stages.embeddings import take_embeddings
from danlu.stages.preparation import Data
from danlu.stages.run_directory import RunDirectory
from danlu.stages.sources import RunSource
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.checkpoint import Checkpoints
from danlu.training.draws import Draws, RowDraws, WindowDraws
from danlu.training.loop import Job, chosen_step, train
from danlu.training.outfit import fit_out
from danlu.training.plan import Plan, make_plan
from danlu.training.precision import Machine
from danlu.training.step import Losses, measure, micro_batches

VALIDATION_SEED = 1_000_000_007
"""Masks and other draws of validation are the same at every validation and differ from training's."""

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
    earlier: Mapping[str, Callable[[], Learner]] = field(default_factory=dict)
    """The trained models of this run that stand before this one, each loaded when it is asked for."""

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.run.path / "checkpoints" / self.name)

    def fresh(self, seed: int | None = None) -> Learner:
        """Random weights."""
        seed = self.recipe.training.seed if seed is None else seed
        size = self.data.tokenizer.vocabulary.size
        return build_learner(self.recipe.objective, self.recipe.architecture, size, seed)

    def untrained(self) -> Learner:
        """What stands for a trained model where nothing is trained: when a recipe is only shown."""
        return self.fresh().eval()

    def started(self) -> tuple[Learner, dict[str, Any]]:
        """The model before its first step, and facts: random weights, or with embeddings of another model, which is not
        read again once there is a checkpoint."""
        model, stage = self.fresh(), f"pretrain/{self.name}-embeddings"
        if self.recipe.embeddings is None:
            return model, {}
        if self.checkpoints.newest([]) is not None:
            return model, self.run.decide(stage, lambda: {})
        donor, theirs = self.donor(self.recipe.embeddings)
        where = f"models.{self.name}.embeddings: {self.recipe.embeddings}"
        facts = {"from": self.recipe.embeddings}
        facts |= take_embeddings(model, self.data.tokenizer, donor, theirs, where)
        if self.run.decide(stage, lambda: facts) != facts:
            raise WrongInput(f"{where} is not what the run was begun with; put it back, or choose another --out")
        return model, facts

    def donor(self, name: str) -> tuple[Learner, TextTokenizer]:
        """An earlier model of the run, or a saved one."""
        if name in self.earlier:
            return self.earlier[name](), self.data.tokenizer
        return load_model(Path(name))

    def trained(self, facts: dict[str, Any]) -> Learner:
        """The chosen weights of a finished pre-training."""
        model = self.fresh()
        self.checkpoints.load_weights(facts["chosen_step"], model)
        return model.eval()

    def draws(self, split: str, seed: int, shuffled: bool = True) -> Draws:
        """The units of a split: windows of its tokens, or what the objective makes of it."""
        objective, vocabulary = self.recipe.objective, self.data.tokenizer.vocabulary
        if hasattr(objective, "units"):
            made = objective.units(self.source, split)
            return RowDraws(made.rows, made.tokens_per_unit, vocabulary, seed, shuffled)
        context: int = self.recipe.architecture.context
        return WindowDraws(self.data.store(split), context, vocabulary, seed, shuffled)

    @property
    def source(self) -> RunSource:
        return RunSource(self.data, self.run.path / "units" / self.name, self.earlier)

    def validation(self) -> tuple[Callable[[nn.Module], Losses], int | None]:
        """Losses on held-out windows, always the same; and the bytes they stand for when they are the whole split."""
        draws = self.draws("validation", VALIDATION_SEED)
        wanted = max(1, round(self.recipe.training.validation_tokens / draws.tokens_per_unit))
        units = min(wanted, draws.units)
        each = max(1, int(self.recipe.training.micro_batch_tokens / draws.tokens_per_unit))
        batches = micro_batches(self.recipe.objective, draws, 0, units, each, 1.0)
        size = self.data.store("validation").bytes if units == draws.units else None

        def validate(model: nn.Module) -> Losses:
            return measure(model, self.recipe.objective, batches, self.machine)

        return validate, size

    def sampler(self) -> Callable[[nn.Module], list[dict[str, Any]]] | None:
        """The first prompt continued, for objectives that continue text."""
        if not self.recipe.objective.continues_text or not self.recipe.prompts:
            return None
        return lambda model: [continued(self, model, self.recipe.prompts[0], self.recipe.sampling)]

    def work(self) -> dict[str, Any]:
        """Train to the end; the facts of the training."""
        model, embeddings = self.started()
        model.to(self.machine.device)
        fit_out(model, self.recipe.training)
        draws = self.draws("train", self.recipe.training.seed)
        validate, size = self.validation()
        objective, settings = self.recipe.objective, self.recipe.training
        stage = f"pretrain/{self.name}"
        plan = Plan.of(
            self.run.decide(
                f"{stage}-plan",
                lambda: make_plan(settings, model, objective, draws, self.machine, validate).facts(),
            )
        )
        job = Job(
            stage, model, objective, draws, settings, plan, self.checkpoints, self.run.journal, self.run.journal_end,
            validate, self.sampler(), self.watch, self.stop, judged_facts(objective.continues_text, size),
        )  # fmt: skip
        position = train(job)
        final = validate(model)
        return {
            "parameters": sum(p.numel() for p in model.parameters()),
            "steps": position.step,
            "planned_steps": plan.steps,
            "tokens": position.tokens,
            "epochs": position.step * plan.step_units / draws.units,
            "seconds": position.seconds,
            "tokens_per_second": position.tokens / position.seconds,
            "best_step": position.best_step,
            "chosen_step": chosen_step(settings, position),
            "validation": {"loss": final.loss, "terms": final.terms, "targets": final.counts},
            **({"embeddings": embeddings} if embeddings else {}),
        }


def judged_facts(continues_text: bool, size: int | None) -> Callable[[Losses], dict[str, Any]]:
    """Bits per byte for each validation, where they are defined: a model that continues text, on the whole split."""

    def facts(losses: Losses) -> dict[str, Any]:
        if not continues_text or size is None or len(losses.sums) != 1:
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


def decoded_example(job: Pretraining) -> list[dict[str, Any]]:
    """What the objective makes of one unit: tokens and, where there is a target, the target, in readable pieces."""
    draws = job.draws("train", job.recipe.training.seed)
    tokenizer = job.data.tokenizer
    shown = []
    objective = job.recipe.objective
    for stream, sequences in objective.example(draws.draw(0, 0.0)).items():
        for seq in sequences[:1]:
            label, known = next(iter(seq.labels.items()), ("", None))
            ids = seq.inputs["token"][:60]
            known = np.full(len(ids), -1) if known is None else known[: len(ids)]
            name = str if label in getattr(objective, "numbers", ()) else tokenizer.token
            targets = [readable_target(y, name) for y in known]
            shown.append({"stream": stream, "tokens": [tokenizer.token(int(i)) for i in ids], "targets": targets})
    return shown


def readable_target(label: Any, name: Callable[[int], str]) -> str | None:
    """The target of one position: a number as it is, an integer by its name, several side by side; None for none."""
    values = np.atleast_1d(label)
    if values.dtype.kind == "f":
        found = [f"{value:.2f}" for value in values if not np.isnan(value)]
    else:
        found = [name(int(value)) for value in values if value >= 0]
    return " ".join(found) if found else None
