"""Checks of one model before it trains: its prompts, its held-out splits, the terms of its objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import shorten

from danlu.batch import Batch
from danlu.config.schema import ModelRecipe
from danlu.errors import WrongInput
from danlu.evaluation.text_to_text import BLANK, encoder_input, rewrites
from danlu.objective import Objective
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.step import total_counts

PROMPT_CHARACTERS = 40
"""Characters of an invalid prompt that the error message shows."""


def check_prompts(name: str, recipe: ModelRecipe, tokenizer: TextTokenizer) -> None:
    """Raise WrongInput, with its key, for a prompt that the model cannot rewrite.

    A model that continues text accepts every prompt.
    """
    if not rewrites(recipe.objective):
        return
    for number, prompt in enumerate(recipe.prompts):
        parts = [tokenizer.encode(part) for part in BLANK.split(prompt)]
        try:
            encoder_input(recipe.objective, parts, tokenizer.vocabulary, recipe.architecture.context)
        except WrongInput as error:
            shown = shorten(prompt, PROMPT_CHARACTERS)
            raise WrongInput(f"models.{name}.prompts.{number}: {shown!r}: {error}") from None


def held_out_batches(name: str, objective: Objective, split: str, build: Callable[[], list[Batch]]) -> list[Batch]:
    """Return the batches that `build` makes of a held-out split, for the model `name`.

    Raises WrongInput, with model and split, if they cannot be built or contain no target.
    """
    try:
        batches = build()
    except WrongInput as error:
        raise WrongInput(f"models.{name}, {split} split: {error}") from None
    if not any(total_counts(objective, batches).values()):
        units = sum(len(batch.units) for batch in batches)
        raise WrongInput(
            f"models.{name}, {split} split: {objective.name} finds no target in {units} units of held-out text; its "
            "documents may be too short (one sentence each, for instance) or too few"
        )
    return batches


def terms_without_targets(objective: Objective, batches: Sequence[Batch]) -> list[str]:
    """Return the terms that have a weight at the end of a run but no target in these batches."""
    counted, weights = total_counts(objective, batches), objective.term_weights(1.0)
    return [term for term in objective.terms if not counted[term] and weights.get(term, 1.0)]


def terms_not_measured(
    name: str, objective: Objective, held_out: Sequence[Batch], first_training: Callable[[], Sequence[Batch]]
) -> list[str]:
    """Return the terms that have targets in training but not in the held-out batches.

    Raises WrongInput for a term that has none in the first batches of training either: the model would never be trained
    on that term.
    """
    missing = terms_without_targets(objective, held_out)
    if not missing:
        return []
    training = first_training()
    never = set(missing) & set(terms_without_targets(objective, training))
    for term in missing:
        if term in never:
            units = sum(len(batch.units) for batch in (*held_out, *training))
            raise WrongInput(
                f"models.{name}: {objective.name} finds no target for its term {term!r} in {units} units of text; its "
                "documents may be too short (one sentence each, for instance)"
            )
    return missing
