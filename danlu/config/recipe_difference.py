"""Describe how a recipe differs from an earlier one, with times as the user gives them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from danlu.config.loading import first_difference
from danlu.config.recipe_template import format_time
from danlu.training.budget import parse_budget

SAME_RATIO = 1e-3
"""Budgets whose ratios differ by at most this share were scaled together: drafts round them to four digits."""


def recipe_difference(old: Any, new: Any) -> str | None:
    """Describe the first difference between two resolved recipes as `key.path was X, is Y`; None if they are equal.

    If all times were scaled together, as by `--budget`, the difference is that of their totals.
    """
    if old == new:
        return None
    before, after = dict(time_budgets(old)), dict(time_budgets(new))
    if before.keys() == after.keys() and before and before != after:
        ratios = [after[key] / before[key] for key in before]
        if len(ratios) == 1 or max(ratios) <= min(ratios) * (1 + SAME_RATIO):
            totals = [format_time(sum(times.values())) for times in (before, after)]
            if totals[0] != totals[1]:
                return f"the time for all trainings (--budget) was {totals[0]}, is {totals[1]}"
    return first_difference(with_readable_times(old, before), with_readable_times(new, after))


def time_budgets(recipe: Any) -> Iterator[tuple[tuple[str, str], float]]:
    """Yield ((section, name), seconds) of each training that has a budget in seconds."""
    for section in ("models", "tasks"):
        trainings = recipe.get(section) if isinstance(recipe, dict) else None
        for name, training in (trainings if isinstance(trainings, dict) else {}).items():
            try:
                budget = parse_budget(training["training"]["budget"])
            except (KeyError, TypeError, ValueError):
                continue  # an invalid recipe in a run directory: the difference is named as it is
            if budget.unit == "seconds":
                yield (section, name), budget.amount


def with_readable_times(recipe: Any, times: dict[tuple[str, str], float]) -> Any:
    """Return the recipe with the budgets in `times` as a user writes them, such as `2min`."""
    changed = dict(recipe) if times else recipe
    for (section, name), seconds in times.items():
        training = recipe[section][name]
        readable = training | {"training": training["training"] | {"budget": format_time(seconds)}}
        changed[section] = changed[section] | {name: readable}
    return changed
