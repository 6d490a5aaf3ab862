"""Judge whether the trainings of a run were long enough, and recommend a budget that is."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from danlu.config.schema import Recipe
from danlu.results import Sufficiency
from danlu.training.budget import Budget, parse_budget
from danlu.training.checkpoint import TrainingState
from danlu.training.plan import Plan
from danlu.training.settings import TrainingSettings
from danlu.training.sufficiency import (
    FEW_STEPS,
    TrainingLog,
    finetuning_sufficiency,
    needed_budget,
    pretraining_sufficiency,
    readable_budget,
)

Advise = Callable[[str, Budget, Budget], str]
"""Given the recipe key of a training, its budget and the budget it needs: the words to add to the command."""


def judge_pretraining(
    settings: TrainingSettings, plan: Plan, units: int, state: TrainingState, log: TrainingLog
) -> dict[str, Any]:
    """Return the facts for results.json, with the time and the budget that a long enough training needs.

    Args:
        units: the units of one epoch.
        state: the end of the training.
        log: its journal.
    """
    epochs, stopped = plan.epochs(units, state.step), state.step < plan.steps
    facts = pretraining_sufficiency(state.step, epochs, plan.epoch_steps(units), log, stopped)
    needed, step = facts["needed_steps"], log.seconds_per_step
    overhead = settings.validations * log.seconds_per_validation
    return facts | {
        "seconds": needed * step + overhead,
        "budget": str(needed_budget(settings.budget, plan.bought_steps, needed, step, overhead)),
    }


def judge_finetuning(
    name: str,
    settings: TrainingSettings,
    plan: Plan,
    units: int,
    runs: int,
    pretraining: Sufficiency | None,
    advise: Advise,
) -> dict[str, Any]:
    """Return the facts for results.json, with the options that give all trainings concerned the budgets they need.

    Args:
        name: of the task.
        settings: those of the task; a time budget is shared by all its trainings.
        plan: of each training.
        units: the units of one epoch.
        runs: the number of trainings.
        pretraining: judges the pre-training of the model; None if that is unknown.
        advise: turns a needed budget into an option.
    """
    pretrained = pretraining is None or pretraining.sufficient
    facts = finetuning_sufficiency(plan.steps, plan.epochs(units), plan.epoch_steps(units), pretrained)
    step = runs * (plan.seconds_per_step or 0.0)
    needed = needed_budget(settings.budget, plan.bought_steps, facts["needed_steps"], step)
    options = [pretraining.option] if pretraining and pretraining.option and not pretrained else []
    options += [advise(f"tasks.{name}", settings.budget, needed)] if FEW_STEPS in facts["reasons"] else []
    return facts | {"budget": str(needed), "option": join_options(options)}


def join_options(options: Sequence[str]) -> str | None:
    """Return options as one text; of several `--budget`, the longest. None without any."""
    times = [option for option in options if option.startswith("--budget ")]
    longest = max(times, key=lambda option: parse_budget(shlex.split(option)[1]).amount, default=None)
    return " ".join([*([longest] if longest else []), *(o for o in options if o not in times)]) or None


def advise_on_run(recipe: Recipe) -> Advise:
    """Return the advice for `danlu run` and `danlu pretrain`, whose `--budget` is shared by all time budgets."""
    trained = [*recipe.models.values(), *recipe.tasks.values()]
    total = sum(each.training.budget.amount for each in trained if each.training.budget.unit == "seconds")

    def advise(key: str, given: Budget, needed: Budget) -> str:
        if needed.unit != "seconds":
            return f"{key}.training.budget={shlex.quote(readable_budget(needed))}"
        return f"--budget {readable_budget(needed.scaled(total / given.amount))}"

    return advise


def advise_on_finetuning(key: str, given: Budget, needed: Budget) -> str:
    """The advice for `danlu finetune`, whose `--budget` is that of its one task."""
    return f"--budget {shlex.quote(readable_budget(needed))}"


def with_option(facts: Mapping[str, Any], key: str, given: Budget, advise: Advise) -> dict[str, Any]:
    """Return the facts of a training with the option that gives it the budget that it needs."""
    if "sufficiency" not in facts:
        return dict(facts)  # recorded by an earlier version
    found = facts["sufficiency"]
    return {**facts, "sufficiency": {**found, "option": advise(key, given, parse_budget(found["budget"]))}}
