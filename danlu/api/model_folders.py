"""Find the model that a verb needs: in a model folder, a run directory or the folder of a task of a run."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from danlu.console.language import message
from danlu.errors import WrongInput, refuse_url
from danlu.interop.model_folder import CONFIG, FACTS, ModelFacts, read_facts


@dataclass(frozen=True)
class Use:
    """What a model is needed for."""

    rank: Callable[[ModelFacts, Path], int | None]
    """The preference for a model: the lowest rank is chosen; None if the model cannot be used."""
    need: str  # completes "no model of RUN ..."


def _generates(facts: ModelFacts, folder: Path) -> int | None:
    able = facts.predictor is None and (facts.objective.continues_text or facts.objective.rewriter is not None)
    return 0 if able else None


def _fills(facts: ModelFacts, folder: Path) -> int | None:
    return 0 if facts.predictor is None and facts.objective.fills_blanks else None


def _predicts(facts: ModelFacts, folder: Path) -> int | None:
    return None if facts.predictor is None else 0


def _scores_text(facts: ModelFacts, folder: Path) -> int | None:
    if facts.predictor is not None:
        return None
    return 0 if facts.objective.continues_text else 1 if facts.objective.fills_blanks else None


def _reads_text(facts: ModelFacts, folder: Path) -> int | None:
    """Encoders first: they read a text from both sides."""
    if not facts.objective.reads_tokens:
        return None
    return 2 * (facts.predictor is not None) + bool(facts.objective.continues_text)


def _trains(facts: ModelFacts, folder: Path) -> int | None:
    return None if facts.predictor is not None else _reads_text(facts, folder)


def _continues_training(facts: ModelFacts, folder: Path) -> int | None:
    return None if facts.predictor is not None else 0


def _exports(facts: ModelFacts, folder: Path) -> int | None:
    """First those that a Hugging Face class implements, then the fine-tuned ones, whose error says what to do."""
    return 2 if facts.predictor is not None else 0 if (folder / CONFIG).is_file() else 1


GENERATE = Use(_generates, "continues or rewrites text")
FILL = Use(_fills, "fills blanks")
PREDICT = Use(_predicts, "is fine-tuned; fine-tune one with danlu finetune")
EVALUATE = Use(_scores_text, "continues text or fills blanks")
EMBED = Use(_reads_text, "reads text")
FINETUNE = Use(_trains, "reads text")
PRETRAIN = Use(_continues_training, "is a pre-trained one")
EXPORT = Use(_exports, "can be exported")


def model_folders(path: Path) -> list[Path]:
    """Return the model folders in a folder: itself, or those of a run, of its tasks, or of one task, sorted by name."""
    if is_model(path):
        return [path]
    if path.name == "model" and path.is_dir() and not is_model(path):
        path = path.parent
    single = [path / "model"] if is_model(path / "model") else []
    return single or [f for pattern in ("model/*", "tasks/*/model") for f in sorted(path.glob(pattern)) if is_model(f)]


def is_model(folder: Path) -> bool:
    """Whether a folder is that of a model, danlu's own or a Hugging Face one."""
    hidden = folder.name.startswith(".") and folder.name not in (".", "..")
    return not hidden and ((folder / FACTS).is_file() or (folder / CONFIG).is_file())


def choose_model(path: str | Path, use: Use, say: Callable[[str], None] | None = None, name: str | None = None) -> Path:
    """Return the model folder that suits a use.

    Args:
        path: a model folder, which is returned as it is; a run directory; or RUN/tasks/NAME.
        use: what the model is needed for.
        say: receives a line that names the chosen model if several suit.
        name: the model of the run to prefer.

    Raises:
        WrongInput: if there is no model, or none that suits.
    """
    refuse_url(str(path), "the model")
    folder = Path(path).expanduser()
    if is_model(folder) or not folder.is_dir():
        if not folder.exists() and (hint := similar_folder(folder)):
            raise WrongInput(f"{folder} is not a folder; give the folder of a saved model; {hint}")
        return folder
    found = model_folders(folder)
    if not found and is_run(folder):
        raise WrongInput(f"{folder} has no finished model yet; run its recipe to the end first")
    ranks = {model: rank for model in found if (rank := _rank(model, use)) is not None}
    if found and not ranks:
        names = ", ".join(map(str, found))
        raise WrongInput(f"no model of {folder} {use.need}; it has: {names}")
    if not ranks:
        return folder  # the error of a folder without a model
    ordered = sorted(ranks, key=lambda model: (model.name != name, ranks[model]))
    if len(ordered) > 1 and ordered[0].name != name and say is not None:
        say(message("next.chosen", model=ordered[0], others=message("list.comma").join(map(str, ordered[1:]))))
    return ordered[0]


def _rank(model: Path, use: Use) -> int | None:
    """Return the rank of a model. One without danlu.json, or with a damaged one, is kept for its own error message."""
    try:
        return use.rank(read_facts(model), model) if (model / FACTS).is_file() else 0
    except WrongInput:
        return 9


def suitable(model: Path, use: Use) -> bool:
    """Whether a model folder suits a use."""
    return _rank(model, use) is not None


def is_run(folder: Path) -> bool:
    """Whether a folder is a run directory, or that of a task of a run."""
    return (folder / "recipe.yaml").is_file() or (folder / "model").is_dir()


def similar_folder(path: Path) -> str | None:
    """Return a hint at the folder that was probably meant."""
    parent = path.parent
    names = [p.name for p in parent.iterdir() if p.is_dir()] if parent.is_dir() else []
    close = difflib.get_close_matches(path.name, sorted(names), n=1, cutoff=0.6)
    return f"did you mean {parent / close[0]}?" if close else None


def other_model(folder: Path | None, use: Use) -> Path | None:
    """Return another model of the run of a model folder that suits a use."""
    if folder is None:
        return None
    parents = [p for p in folder.absolute().parents if (p / "recipe.yaml").is_file()]
    for run in parents[:1]:
        found = [model for model in model_folders(run) if _rank(model, use) == 0]
        if found:
            # as the user writes the path
            above = len(folder.absolute().parts) - len(run.parts)
            return Path(*folder.parts[: len(folder.parts) - above]) / found[0].relative_to(run)
    return None
