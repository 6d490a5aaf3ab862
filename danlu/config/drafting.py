"""A recipe for a text that has none: settings by its size, its scripts and the time there is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from danlu.config.corpus_survey import Findings, counted, look
from danlu.config.loading import first_difference, load_recipe, parse_draft, shipped
from danlu.config.recipe_template import Choices, commented, time
from danlu.config.schema import Recipe
from danlu.config.wording import ENGLISH, Wording
from danlu.durable import explain_disk, write_text
from danlu.errors import WrongInput
from danlu.text.compressed import suffix
from danlu.training.budget import parse_budget

TIME = "9min"
"""Of training; with reading, evaluation and export about ten minutes on two cores."""

ENCODER_SHARE = 4 / 9

Language = Literal["auto", "en", "zh"]
YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Size:
    """Layers of the two models and their width, for trainings of up to `seconds` in all."""

    seconds: float
    decoder: int
    encoder: int
    width: int
    heads: int


SIZES = (
    Size(45 * 60, 2, 1, 256, 4),  # tuned: LOG.md, "Which size for five minutes?" and "An encoder that pays"
    Size(3 * 3600, 4, 2, 256, 4),
    Size(float("inf"), 6, 4, 384, 6),
)

VOCABULARIES = ((1e6, 2048), (4e6, 4096), (40e6, 8192), (float("inf"), 16384))
"""(bytes of text, entries); twice as many where Han characters dominate, of which there are thousands."""


@dataclass(frozen=True)
class Draft:
    """A recipe as commented YAML and as what it says, and what it was made for."""

    text: str
    recipe: Recipe
    findings: Findings

    def plan(self, wording: Wording = ENGLISH) -> list[str]:
        """What will be trained, for people."""
        entries = getattr(self.recipe.tokenizer, "size", None)
        lines = [wording.line("tokenizer", entries=entries)] if entries else []
        for name, model in self.recipe.models.items():
            shape = model.architecture
            lines.append(
                wording.line(
                    "model",
                    name=name,
                    objective=model.objective.name,
                    layers=counted(shape.layers, "layer", wording),
                    width=shape.width,
                    time=time(model.training.budget.amount),
                    use=wording.line("continues_text" if model.objective.continues_text else "fills_blanks"),
                )
            )
        return lines


def draft_recipe(source: str | Path, budget: str = TIME, language: Language = "auto") -> Draft:
    """Inspect a text and draft a recipe for it. The same text and arguments give the same draft.

    Args:
        source: a file, a folder or `builtin:pydocs`.
        budget: time for all training together.
        language: of the report; "zh" also means a larger vocabulary. "auto" is "zh" if Han characters dominate.

    Raises:
        WrongInput: if there is no text to train on.
    """
    seconds = time_of(budget)
    findings = look(str(source))
    chinese = findings.chinese if language == "auto" else language == "zh"
    chosen = next(s for s in SIZES if seconds <= s.seconds)
    entries = next(entries for limit, entries in VOCABULARIES if findings.bytes <= limit) * (2 if chinese else 1)
    choices = Choices(
        vocabulary=entries,
        decoder_layers=chosen.decoder,
        encoder_layers=chosen.encoder,
        width=chosen.width,
        heads=chosen.heads,
        decoder_seconds=seconds * (1 - ENCODER_SHARE),
        encoder_seconds=seconds * ENCODER_SHARE,
        language="zh" if chinese else "en",
    )
    text = commented(findings, choices)
    return Draft(text, parse_draft(text), findings)


def time_of(budget: str) -> float:
    """Seconds; WrongInput for what is no time."""
    try:
        found = parse_budget(budget)
    except ValueError as error:
        raise WrongInput(f"--budget: {error}") from None
    if found.unit != "seconds":
        raise WrongInput(f"--budget: {budget!r} is not a time such as 4min")
    return found.amount


def is_text(name: str) -> bool:
    """Whether `danlu run NAME` means a text and not a recipe: what is no .yaml, no shipped name, and is there."""
    if name.startswith("builtin:"):
        return True
    return not is_recipe(name) and Path(name).expanduser().exists()


def is_recipe(name: str) -> bool:
    return name in shipped() or Path(name).suffix.lower() in YAML


def shadowed(name: str, wording: Wording = ENGLISH) -> list[str]:
    """A line when a shipped recipe hides a file or folder of the same name."""
    if name in shipped() and Path(name).exists():
        return [wording.line("shadowed", name=name)]
    return []


def run_name(source: str) -> str:
    """What a run on this text is called: the folder's or file's name, without the endings that say the format."""
    if source.startswith("builtin:"):
        return source.removeprefix("builtin:")
    path = Path(source).expanduser()
    if path.is_dir():
        return path.resolve().name or "text"
    name = path.stem if path.suffix.lower() != suffix(path) else path.name
    return Path(name).stem


def refuse_inside(folder: Path, source: str) -> None:
    """A run inside the text it reads would be read as text the next time."""
    text = Path(source).expanduser()
    if not source.startswith("builtin:") and text.is_dir() and text.resolve() in folder.resolve().parents:
        raise WrongInput(
            f"{folder} would lie inside the text {source} and be read as text the next time; "
            "choose a folder outside of it with --out"
        )


def write_draft(draft: Draft, path: Path) -> bool:
    """Write the recipe to `path`, or find the same one there (False). WrongInput when another one is there: what you
    changed by hand is never overwritten."""
    if path.exists():
        old = load_recipe(str(path)).model_dump(mode="json")
        if difference := first_difference(old, draft.recipe.model_dump(mode="json")):
            raise WrongInput(
                f"{path} is there already and is kept, but differs from what would be written now: {difference}; "
                f"run it as it is with: danlu run {path}, or choose another place with --out"
            )
        return False
    with explain_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, draft.text)
    return True
