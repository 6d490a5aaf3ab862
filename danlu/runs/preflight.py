"""What would end a run once it has trained, told before it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import shorten

from danlu.errors import WrongInput
from danlu.evaluation.text_to_text import BLANK, rewrites, source_of
from danlu.config.schema import ModelRecipe
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.step import total_counts

pass
from danlu.batch import Batch
from danlu.objective import Objective

SHOWN = 40
"""Characters of a prompt that is refused."""


def check_prompts(name: str, recipe: ModelRecipe, tokenizer: TextTokenizer) -> None:
    """WrongInput, with its place, for a prompt that the model could not rewrite; a model that continues text takes any
    prompt."""
    if not rewrites(recipe.objective):
        return
    for number, prompt in enumerate(recipe.prompts):
        parts = [tokenizer.encode(part) for part in BLANK.split(prompt)]
        try:
            source_of(recipe.objective, parts, tokenizer.vocabulary, recipe.architecture.context)
        except WrongInput as error:
            raise WrongInput(f"models.{name}.prompts.{number}: {shorten(prompt, SHOWN)!r}: {error}") from None


def measurable(name: str, objective: Objective, split: str, make: Callable[[], list[Batch]]) -> list[Batch]:
    """The batches of a held-out split that `make` gives; WrongInput, with model and split, where they cannot be made or
    hold nothing to be told."""
    try:
        batches = make()
    except WrongInput as error:
        raise WrongInput(f"models.{name}, {split} split: {error}") from None
    if not any(total_counts(objective, batches).values()):
        units = sum(len(batch.units) for batch in batches)
        raise WrongInput(
            f"models.{name}, {split} split: {objective.name} finds nothing to learn in {units} units of held-out "
            "text; its documents may be too short for it (such as one sentence each), or too few"
        )
    return batches


def without_targets(objective: Objective, batches: Sequence[Batch]) -> list[str]:
    """The terms that weigh something at the end of a run and for which these batches ask nothing."""
    counted, weights = total_counts(objective, batches), objective.term_weights(1.0)
    return [term for term in objective.terms if not counted[term] and weights.get(term, 1.0)]


def check_terms(
    name: str,
    objective: Objective,
    held_out: Sequence[Batch],
    first: Callable[[], Sequence[Batch]],
    say: Callable[[str], None],
) -> None:
    """WrongInput for a term that neither the held-out batches nor the `first` ones of training ask for: the model would
    be called what it was not trained for. A term that is only not held out is said."""
    missing = without_targets(objective, held_out)
    if not missing:
        return
    batches = first()
    never = set(missing) & set(without_targets(objective, batches))
    for term in missing:
        if term in never:
            units = sum(len(batch.units) for batch in (*held_out, *batches))
            raise WrongInput(
                f"models.{name}: {objective.name} finds nothing to learn for its term {term!r} in {units} units of "
                "text; its documents may be too short for it (such as one sentence each)"
            )
        say(f"{name:10s} {term} is trained but not measured: the held-out units ask for none of it")
