"""What an objective may have besides `danlu.waist.Objective`, and how the rest of the house reads that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from danlu.published_heads import Head
from danlu.registry import objectives
from danlu.tokens.vocabulary import Vocabulary
from danlu.waist import Batch, Objective, Parts, Source, Stream, Units, scope_of


class Numbered(Protocol):
    """What an objective has besides of whose integer labels some are numbers of something else than tokens; they have
    the names that its terms have."""

    numbers: frozenset[str]


class Weighted(Protocol):
    """What an objective has besides whose terms do not all weigh 1 in the loss."""

    def weights(self, progress: float) -> Mapping[str, float]:
        """The weight of each term, 1 where not given, when `progress` (0 .. 1) of the run is done."""
        ...


class FillsBlanks(Protocol):
    """What an objective has besides whose trained model can say what stands at a masked position."""

    def blank_logits(self, model: Parts, parts: Any, hidden: Tensor) -> Tensor:
        """Hidden states of masked positions [k, width] -> logits [k, vocabulary]."""
        ...


class ReadsTexts(Protocol):
    """What an objective has besides of whose model more than the backbone reads a text."""

    def states(self, model: Parts, parts: Any, text: Stream) -> Tensor:
        """[T, any width]: what is known of a whole text at each position, in the order that `needs` says of the
        backbone; embeddings of texts are made of it."""
        ...


@runtime_checkable
class Rewrites(Protocol):
    """What an objective has besides whose trained model reads one text and writes another. A blank of the text is
    where it is parted: texts of k blanks come as k + 1 parts."""

    def read(self, parts: Sequence[np.ndarray], vocabulary: Vocabulary) -> np.ndarray:
        """The ids that the backbone is given for a text; WrongInput where it must have blanks and has none."""
        ...

    def begin(self, vocabulary: Vocabulary) -> np.ndarray:
        """The ids that the decoder is given before it writes."""
        ...

    def allowed(self, vocabulary: Vocabulary) -> frozenset[int]:
        """The special tokens that it may write, besides eos, which ends it."""
        ...

    def written(self, parts: Sequence[np.ndarray], made: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
        """The ids of the text that comes of what it wrote (eos left out)."""
        ...


class HasRewriter(Protocol):
    """What an objective has besides that is made of others, one of which says how its model rewrites text."""

    rewriter: Rewrites | None


class NeedsBlank(Protocol):
    """What an objective has besides that rewrites texts (`Rewrites`) and refuses one without a blank."""

    needs_blank: ClassVar[bool]


class HasUnits(Protocol):
    """What an objective has besides whose units are no windows of the text: pairs of lines, counts, images."""

    def units(self, source: Source, split: str) -> Units:
        """A pure function of the source; `Draw.row` then gives one of them."""
        ...


@dataclass(frozen=True)
class Part:
    """A model of its own inside a trained one, which can be saved alone: the objective it then has; modules, whose
    weights it has, {its name for a module: the whole's}; size, its shares of the whole's width and layers."""

    objective: Any
    modules: Mapping[str, str]
    size: tuple[float, float] = (1.0, 1.0)


class ReadsFiles(Protocol):
    """What an objective has besides whose units come from files of its own; a run goes on with the same files only."""

    files: tuple[Path, ...]


class HasModelsWithin(Protocol):
    """What an objective has besides that trains several models at once, each of some use alone."""

    def models_within(self) -> Mapping[str, Part]:
        """By name, "" for the chief one."""
        ...


class NamesModels(Protocol):
    """What an objective has besides that makes its units with earlier models of the run."""

    names_models: ClassVar[tuple[str, ...]]
    """The settings that hold the name of a model that stands earlier in the recipe, or None."""


class Choosy(Protocol):
    """What an objective has besides that asks more of the models, by role, than an order of attention."""

    def refuses(self, models: Mapping[str, Any], name: str) -> str | None:
        """One sentence that says what to set, when they lack it."""
        ...


class EmbedsText(Protocol):
    """What an objective has besides that is to give a text one vector, the mean of its hidden states: its models are
    measured by such vectors too (danlu.evaluation.text_vectors)."""

    embeds_text: bool


class Published(Protocol):
    """What an objective has besides whose models, once trained, a class of transformers computes. It is said by the
    class of the objective, whatever its settings, and the parts have the weights that families of that head name."""

    published_head: ClassVar[Head]


class Judged(Protocol):
    """What an objective has besides that can be said of a trained model in other words than its loss."""

    def judge(self, model: Parts, parts: Any, batches: Iterable[Batch], source: Source) -> dict[str, Any]:
        """On held-out batches (already where the model is): {"figures": {name: number, {"value", "low", "high"}, or an
        array [n] of one value for each of n independent items, whose mean is shown with its bootstrap interval},
        "samples": [{"given": text, "made": text}], "pictures": [{"title": text, "rows": [[0 .. 1]]}]}, each where there
        is any; a picture's rows are grey levels from the top, None where it is to show nothing."""
        ...


def bounds_of(objective: Objective) -> frozenset[str]:
    """The kinds of bounds ("word", "sentence") that an objective draws: what its `bounds` says, none without."""
    return getattr(objective, "bounds", frozenset())


def numbers_of(objective: Objective) -> frozenset[str]:
    """The labels whose integers are no tokens (classes, clusters): what its `numbers` says, none without."""
    return getattr(objective, "numbers", frozenset())


def files_of(objective: Objective) -> tuple[Path, ...]:
    """The files beside the corpus that an objective reads: what its `files` says, none without."""
    return getattr(objective, "files", ())


def numbers_in(objective: Objective, stream: str) -> frozenset[str]:
    """Those that a stream may carry, by the names that its sequences have for them."""
    scope = scope_of(stream)
    return frozenset(name.removeprefix(scope) for name in numbers_of(objective) if name.startswith(scope))


def rewriter_of(objective: Any) -> Rewrites | None:
    """What says how an objective's trained model rewrites text: what its `rewriter` names, itself without one; None for
    a model that does not."""
    found = getattr(objective, "rewriter", objective)
    return found if isinstance(found, Rewrites) else None


def needs_blank(objective: Any) -> bool:
    """Whether a text must have a blank for the trained model to rewrite it: what the `needs_blank` of its rewriter
    says, no without."""
    return getattr(rewriter_of(objective), "needs_blank", False)


def models_within(objective: Objective) -> Mapping[str, Part]:
    """What an objective's `models_within` says, none without."""
    found = getattr(objective, "models_within", None)
    return found() if found else {}


def models_named(objective: Objective) -> dict[str, str]:
    """{setting: name} of the earlier models of the recipe that an objective uses (`NamesModels`)."""
    settings = getattr(objective, "names_models", ())
    return {setting: name for setting in settings if (name := attrgetter(setting)(objective)) is not None}


def token_head(objective: Objective) -> Literal["model", "own", "none"]:
    """What an objective's `token_head` says, "model" without: of what it makes token logits. model: of hidden states
    [T, width]; own: of what a head of its own has made as wide as the embeddings; none: it predicts no tokens."""
    return getattr(objective, "token_head", "model")


def published_head(objective: Any) -> Head | None:
    """The head that an objective's models, or those of a class of objectives, have in transformers: what its
    `published_head` says, None without."""
    return getattr(objective, "published_head", None)


def published_with(head: Head) -> list[str]:
    """The names of the registered objectives whose models have that head in transformers."""
    return [name for name in objectives if published_head(objectives[name]) == head]


def name_of(objective: Any) -> str:
    """What sentences call an objective."""
    return getattr(objective, "name", type(objective).__name__)


def sentinels_of(objective: Objective) -> int:
    """How many sentinels of the vocabulary an objective needs: what its `sentinels` says, none without."""
    return getattr(objective, "sentinels", 0)


def reads_tokens(objective: Objective) -> bool:
    """Whether any of its streams holds text: a model of images alone has no vocabulary and can do nothing with one."""
    return any("token" in fields.inputs for fields in objective.fields.values())


def in_nats(objective: Objective, term: str) -> bool:
    """Whether a term is a sum of cross-entropies: its targets are whole numbers, and not measurements."""
    for name, fields in objective.fields.items():
        for label, declared in (*fields.labels.items(), *fields.marks.items()):
            if scope_of(name) + label == term:
                return np.dtype(declared[0] if isinstance(declared, tuple) else declared).kind != "f"
    raise KeyError(f"{term!r} is no label or mark of any stream")


def orders(found: frozenset[str]) -> str:
    """Orders of attention in a sentence."""
    return " and ".join(sorted("free to read in any order" if order == "any" else order for order in found))


def unmet(objective: Objective, offers: Mapping[str, frozenset[str]], name: str) -> str | None:
    """One sentence when the orders that an architecture offers, by role, are not those that the objective needs."""
    for role, needed in objective.needs.items():
        offered, what = offers.get(role), "an architecture" if role == "backbone" else f"a {role}"
        if offered is None:
            return f"{name_of(objective)} needs {what} that is {orders(needed)}; {name} has none"
        if "any" not in offered and (lacking := needed - offered):
            held = ", ".join(sorted(offered))
            return f"{name_of(objective)} needs {what} that is {orders(lacking)}; {name} offers {held}"
    return None


def refusal(objective: Objective, models: Mapping[str, Any], name: str) -> str | None:
    """One sentence when the models of an architecture, by role, cannot honour what the objective needs."""
    sentence = unmet(objective, {role: model.offers for role, model in models.items()}, name)
    if sentence is None and hasattr(objective, "refuses"):
        return objective.refuses(models, name)  # type: ignore[attr-defined]
    return sentence


def weights_of(objective: Objective, progress: float) -> Mapping[str, float]:
    """What the terms weigh when `progress` (0 .. 1) of the run is done: what an objective's `weights` says, 1 each
    without."""
    found = getattr(objective, "weights", None)
    return found(progress) if found else {}


def windows_of(objective: Objective) -> float:
    """How many windows' worth of positions an example has: what an objective that makes one example of several units
    says in `windows`, 1 without."""
    return float(getattr(objective, "windows", 1))
