"""Draft a recipe for a text, with settings that depend on its size, its scripts and the time budget."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from danlu.config.corpus_survey import CorpusSurvey, pluralise, survey_corpus
from danlu.config.loading import load_recipe, parse_draft, shipped_recipes
from danlu.config.recipe_difference import recipe_difference
from danlu.config.recipe_template import DraftSettings, format_time, render_recipe
from danlu.config.schema import Recipe
from danlu.config.wording import ENGLISH, Wording
from danlu.durable import explain_write_errors, write_text
from danlu.errors import WrongInput, refuse_url
from danlu.text.compressed import suffix
from danlu.tokens.kinds.byte_bpe import ByteBPE
from danlu.training.budget import parse_budget

DEFAULT_BUDGET = "9min"
"""Time for all trainings; with reading, evaluation and export about ten minutes on two cores."""

ENCODER_SHARE = 4 / 9  # of the time budget

Language = Literal["auto", "en", "zh"]
YAML_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class ModelSize:
    """Size of the two models for time budgets up to `max_seconds`."""

    max_seconds: float
    decoder_layers: int
    encoder_layers: int
    width: int
    heads: int


MODEL_SIZES = (
    ModelSize(45 * 60, 2, 1, 256, 4),  # tuned: LOG.md, "Which size for five minutes?" and "An encoder that pays"
    ModelSize(3 * 3600, 4, 2, 256, 4),
    ModelSize(float("inf"), 6, 4, 384, 6),
)

VOCABULARY_SIZES = ((1e6, 2048), (4e6, 4096), (40e6, 8192), (float("inf"), 16384))
"""(maximum bytes of text, entries). Chinese text gets twice as many entries, since it has thousands of characters."""


@dataclass(frozen=True)
class Draft:
    """A drafted recipe."""

    text: str  # commented YAML
    recipe: Recipe  # the same, parsed
    survey: CorpusSurvey  # the text that it was drafted for

    def select(self, model: str, budget: str | None) -> Draft:
        """Return the draft reduced to one model, which gets all of a time budget; unchanged if it has no such model."""
        if model not in self.recipe.models:
            return self
        recipe = self.recipe.model_copy(update={"models": {model: self.recipe.models[model]}})
        return replace(self, recipe=recipe if budget is None else recipe.with_time(parse_time_budget(budget)))

    def plan(self, wording: Wording = ENGLISH) -> list[str]:
        """Describe what will be trained, as lines to print."""
        tokenizer = self.recipe.tokenizer
        trained = isinstance(tokenizer, ByteBPE)
        lines = [wording.line("tokenizer", entries=tokenizer.size)] if trained else []
        for name, model in self.recipe.models.items():
            architecture = model.architecture
            lines.append(
                wording.line(
                    "model",
                    name=name,
                    objective=model.objective.name,
                    layers=pluralise(architecture.layers, "layer", wording),
                    width=architecture.width,
                    time=format_time(model.training.budget.amount),
                    use=wording.line("continues_text" if model.objective.continues_text else "fills_blanks"),
                )
            )
        return lines


def draft_recipe(
    source: str | Path,
    budget: str = DEFAULT_BUDGET,
    language: Language = "auto",
    corpus: Mapping[str, Any] | None = None,
) -> Draft:
    """Draft a commented recipe for a text. The same text and arguments give the same draft.

    Args:
        source: a file, a folder or `builtin:pydocs`.
        budget: time for all trainings together.
        language: language of the report; "zh" also doubles the vocabulary. "auto" is "zh" for Chinese text.
        corpus: settings of the corpus, such as {"text_field": "body"}.

    Raises:
        WrongInput: if there is no text to train on.
    """
    seconds = parse_time_budget(budget)
    survey = survey_corpus(normal_source(source), corpus)
    chinese = survey.chinese if language == "auto" else language == "zh"
    model_size = next(s for s in MODEL_SIZES if seconds <= s.max_seconds)
    entries = next(entries for limit, entries in VOCABULARY_SIZES if survey.bytes <= limit) * (2 if chinese else 1)
    settings = DraftSettings(
        vocabulary=entries,
        decoder_layers=model_size.decoder_layers,
        encoder_layers=model_size.encoder_layers,
        width=model_size.width,
        heads=model_size.heads,
        decoder_seconds=seconds * (1 - ENCODER_SHARE),
        encoder_seconds=seconds * ENCODER_SHARE,
        language="zh" if chinese else "en",
    )
    text = render_recipe(survey, settings)
    return Draft(text, parse_draft(text), survey)


def normal_source(source: str | Path) -> str:
    """Return a source in one spelling: `texts/` and `./texts` are `texts`."""
    name = str(source)
    refuse_url(name, "the text")
    return name if name.startswith("builtin:") else str(Path(name))


def parse_time_budget(budget: str) -> float:
    """Return the seconds of a time budget.

    Raises:
        WrongInput: if it is not a time.
    """
    try:
        parsed = parse_budget(budget)
    except ValueError as error:
        raise WrongInput(f"--budget: {error}") from None
    if parsed.unit != "seconds":
        raise WrongInput(f"--budget: {budget!r} is not a time such as 4min")
    return parsed.amount


def is_text(name: str) -> bool:
    """Whether `danlu run NAME` refers to a text: an existing path that is neither YAML, nor
    the name of a recipe, nor a run directory."""
    if name.startswith("builtin:"):
        return True
    path = Path(name).expanduser()
    is_run = (path / "recipe.yaml").is_file() and (path / "metrics.jsonl").is_file()
    return not is_recipe(name) and path.exists() and not is_run


def is_recipe(name: str) -> bool:
    """Whether a name is that of a YAML file or a shipped recipe."""
    return name in shipped_recipes() or Path(name).suffix.lower() in YAML_SUFFIXES


def shadowing_note(name: str, wording: Wording = ENGLISH) -> list[str]:
    """Return a line to print if a shipped recipe has the same name as an existing file or folder."""
    if name in shipped_recipes() and Path(name).exists():
        return [wording.line("shadowed", name=name)]
    return []


def run_name(source: str) -> str:
    """Return the name of a run on a text: that of the folder or file, without suffixes."""
    if source.startswith("builtin:"):
        return source.removeprefix("builtin:")
    path = Path(source).expanduser()
    if path.is_dir():
        return path.resolve().name or "text"
    name = path.stem if path.suffix.lower() != suffix(path) else path.name
    return Path(name).stem


def check_run_folder(folder: Path, source: str) -> None:
    """Raise WrongInput if the run directory is inside the text, where the next run would read it as text."""
    text = Path(source).expanduser()
    if not source.startswith("builtin:") and text.is_dir() and text.resolve() in folder.resolve().parents:
        raise WrongInput(
            f"{folder} is inside the text {source}, so the next run would read it as text; "
            "choose a folder outside of it with --out"
        )


def draft_difference(draft: Draft, path: Path) -> str | None:
    """Describe how the recipe in the file `path` differs from the draft; None if it does not."""
    try:
        old = load_recipe(str(path)).model_dump(mode="json")
    except WrongInput as error:
        return f"it is no longer a valid recipe ({str(error).splitlines()[0]})"
    return recipe_difference(old, draft.recipe.model_dump(mode="json"))


def write_draft(draft: Draft, path: Path) -> bool:
    """Write the recipe to `path`; return False if the file already has the same recipe.

    Raises:
        WrongInput: if the file has a different recipe; changes by hand are never overwritten.
    """
    if path.exists():
        if difference := draft_difference(draft, path):
            raise WrongInput(
                f"{path} exists and differs from the recipe that would be written: {difference}; "
                f"run the existing one with: {shlex.join(['danlu', 'run', str(path)])}, or choose another name with "
                "--out"
            )
        return False
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, draft.text)
    return True
