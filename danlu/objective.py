"""The base class of everything that can be predicted.

What an objective can use of data and model is defined in `danlu/objective_context.py` and can be imported from here.
Shapes: T positions of a stream, k selected positions.
"""

from __future__ import annotations

import difflib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor, nn

from danlu.batch import (
    ATTENTION_ORDERS,
    Batch,
    Example,
    Stream,
    StreamSpec,
    has_target,
    label_scope,
)
from danlu.errors import WrongInput
from danlu.hf_heads import Head
from danlu.objective_context import LogitsFrom, ModelAPI, ModelShape, Sample, Units, UnitSource
from danlu.registry import objectives
from danlu.settings import Settings
from danlu.tokens.vocabulary import Vocabulary

__all__ = [
    "LogitsFrom",
    "ModelAPI",
    "ModelShape",
    "Objective",
    "Sample",
    "SubModel",
    "TextRewriter",
    "UnitSource",
    "Units",
    "describe_orders",
    "incompatibility",
    "unmet_needs",
    "with_hf_head",
]


@dataclass(frozen=True)
class SubModel:
    """A model inside a trained one that can be saved separately."""

    objective: Objective
    modules: Mapping[str, str]  # name of a module in the separate model -> its name in the whole
    size: tuple[float, float] = (1.0, 1.0)  # fractions of the whole's width and layers


class TextRewriter(ABC):
    """An objective whose trained model reads one text and writes another.

    A blank splits the text: a text with k blanks is given as k + 1 parts.
    """

    requires_blank: ClassVar[bool] = False
    """Whether a text without a blank is refused."""

    @abstractmethod
    def source_ids(self, parts: Sequence[np.ndarray], vocabulary: Vocabulary) -> np.ndarray:
        """Return the input ids of the encoder.

        Raises:
            WrongInput: if the text needs a blank and has none.
        """

    @abstractmethod
    def decoder_start(self, vocabulary: Vocabulary) -> np.ndarray:
        """Return the ids that the decoder starts from."""

    @abstractmethod
    def allowed_special_tokens(self, vocabulary: Vocabulary) -> frozenset[int]:
        """Return the special tokens that the decoder may generate, in addition to eos, which ends the text."""

    @abstractmethod
    def merge(self, parts: Sequence[np.ndarray], generated: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
        """Return the ids of the resulting text from the generated ids (without eos)."""


class Objective(Settings, ABC):
    """What a model is trained to predict. Settings only; trainable parameters are created by `build_head`.

    Abstract members are required. All others have a default that suits most objectives. A class that defines a public
    name close to one of them, but not equal to it, is refused when it is defined.
    """

    if TYPE_CHECKING:  # declared by each class as `name: Literal["..."] = "..."`
        name: str

    optional_hf_heads: ClassVar[Mapping[Head, str]] = {}
    """Values that `hf_head` has only under some settings, with these settings as a recipe writes them."""

    model_references: ClassVar[tuple[str, ...]] = ()
    """The settings (dotted paths) that hold the name of an earlier model of the recipe, or None."""

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    """Settings that change what the objective needs, one mapping for each variant."""

    exempt: ClassVar[Mapping[str, str]] = {}
    """Conformance tests that cannot apply by design: {test: reason}."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        refuse_misspelt_members(cls, Objective)

    # Required

    @property
    @abstractmethod
    def streams(self) -> Mapping[str, StreamSpec]:
        """The streams that a batch holds, by name."""

    @property
    @abstractmethod
    def terms(self) -> tuple[str, ...]:
        """The terms of the loss. Each is also the name of the label or sequence label that counts its targets."""

    @property
    @abstractmethod
    def needs(self) -> Mapping[str, frozenset[str]]:
        """The attention orders that the model must support, by role: {"backbone": {"full"}, "decoder": {"causal"}}.

        A decoder is built only for objectives that name it.
        """

    @property
    @abstractmethod
    def continues_text(self) -> bool:
        """Whether the trained model can continue a prompt from left to right."""

    @abstractmethod
    def example(self, sample: Sample) -> Example:
        """Turn a unit of the data into the sequences of an example. All randomness comes from `sample.rng`."""

    @abstractmethod
    def build_head(self, shape: ModelShape) -> nn.Module:
        """Create the trainable parameters of the objective itself; `nn.Module()` if it has none."""

    @abstractmethod
    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of each term, summed over its targets and never averaged."""

    # Data

    @property
    def boundaries(self) -> frozenset[str]:
        """The kinds of boundaries ("word", "sentence") that `example` reads from the sample."""
        return frozenset()

    @property
    def num_sentinels(self) -> int:
        """How many sentinel tokens the vocabulary must have."""
        return 0

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that units are built from, in addition to the corpus. A run resumes only with the same files."""
        return ()

    @property
    def required_libraries(self) -> Mapping[str, str]:
        """The optional Python modules that training or `judge` needs, each with the extra that installs it."""
        return {}

    @property
    def units_per_example(self) -> float:
        """How many windows of text an example consists of, on average."""
        return 1.0

    @property
    def required_context(self) -> int:
        """Length in tokens of the longest sequence, if it does not depend on the model's context."""
        return 0

    @property
    def example_version(self) -> int:
        """The version of `example`, to be increased when it makes other examples. A run resumes only with the same."""
        return 1

    def units(self, source: UnitSource, split: str) -> Units | None:
        """Return the units that the objective builds from the source, or None for windows of the text.

        Units are rows, of which `Sample.row` returns one, and a pure function of the source.
        """
        return None

    @property
    def has_own_units(self) -> bool:
        """Whether units are rows made by `units`, not windows of the text."""
        return type(self).units is not Objective.units

    @property
    def class_labels(self) -> frozenset[str]:
        """The integer labels that are not token ids (classes, clusters), by the names they have in `terms`."""
        return frozenset()

    def class_labels_of(self, stream: str) -> frozenset[str]:
        """Return the class labels of one stream, by the names they have in its sequences."""
        scope = label_scope(stream)
        return frozenset(name.removeprefix(scope) for name in self.class_labels if name.startswith(scope))

    @property
    def reads_tokens(self) -> bool:
        """Whether any stream holds text. A model of images alone has no vocabulary."""
        return any("token" in spec.inputs for spec in self.streams.values())

    # Loss

    def term_weights(self, progress: float) -> Mapping[str, float]:
        """Return the weight of each term when the fraction `progress` of the run is done; 1 where not given."""
        return {}

    def is_cross_entropy(self, term: str) -> bool:
        """Whether a term is a sum of cross-entropies: its targets are integers, not real numbers."""
        for name, spec in self.streams.items():
            for label, declared in (*spec.labels.items(), *spec.sequence_labels.items()):
                if label_scope(name) + label == term:
                    return np.dtype(declared[0] if isinstance(declared, tuple) else declared).kind != "f"
        raise KeyError(f"{term!r} is no label of any stream")

    def count_targets(self, batch: Batch) -> dict[str, int]:
        """Count the targets of every term in one micro-batch, including terms without any."""
        total = dict.fromkeys(self.terms, 0)
        for stream_name, stream in batch.streams.items():
            scope = label_scope(stream_name)
            for name, value in (*stream.labels.items(), *stream.sequence_labels.items()):
                if scope + name in total:
                    total[scope + name] += int(has_target(value).sum())
        return total

    # Model

    @property
    def logits_from(self) -> LogitsFrom:
        """What token logits are computed from."""
        return LogitsFrom.HIDDEN_STATES

    def check_architecture(self, models: Mapping[str, Any], name: str) -> str | None:
        """Return one sentence on what to set if the models, by role, lack something other than an attention order."""
        return None

    def referenced_models(self) -> dict[str, str]:
        """Return the earlier models of the recipe that the objective uses: {setting: model name}."""
        found = {setting: attrgetter(setting)(self) for setting in self.model_references}
        return {setting: name for setting, name in found.items() if name is not None}

    def submodels(self) -> Mapping[str, SubModel]:
        """Return the models that are trained together and can be saved separately, by name; "" is the main one."""
        return {}

    @property
    def hf_head(self) -> Head | None:
        """The head that the trained models have in transformers; None if no class computes the same."""
        return None

    # Use of the trained model

    @property
    def origin(self) -> str:
        """How a model of this objective was trained, as the predicate of a sentence."""
        return f"was trained by {self.name!r}"

    @property
    def reading_order(self) -> str:
        """The attention order, a key of `ATTENTION_ORDERS`, in which the trained model reads a whole text.

        Fine-tuning, text embedding and generation use it. It is the widest order that training covers: full for
        objectives that need "full" or "any" (masked, prefix, permutation), otherwise causal, otherwise pointwise.
        """
        return widest_order(self.needs["backbone"])

    def prompt_order(self, length: int) -> np.ndarray:
        """Return the keys [length] with which a prompt is read before continuation, by default in `reading_order`."""
        return ATTENTION_ORDERS[self.reading_order](length)[0]

    def text_states(self, model: ModelAPI, head: Any, text: Stream) -> Tensor:
        """Return the states [T, any width] of the positions of whole texts, from which text embeddings are pooled."""
        return model.hidden(text)

    @property
    def embeds_text(self) -> bool:
        """Whether the objective trains the mean hidden state of a text to represent it."""
        return False

    @property
    def fills_blanks(self) -> bool:
        """Whether the trained model predicts the token at a masked position."""
        return type(self).blank_logits is not Objective.blank_logits

    def blank_logits(self, model: ModelAPI, head: Any, hidden: Tensor) -> Tensor:
        """Return the logits [k, vocabulary] of masked positions from their hidden states [k, width]."""
        raise WrongInput(f"a model trained by {self.name!r} does not fill blanks")

    @property
    def rewriter(self) -> TextRewriter | None:
        """How the trained model rewrites text; None if it does not."""
        return self if isinstance(self, TextRewriter) else None

    @property
    def needs_blank(self) -> bool:
        """Whether the trained model rewrites only texts that have a blank."""
        return self.rewriter is not None and self.rewriter.requires_blank

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Measure a trained model on held-out batches, in addition to its loss.

        Returns:
            Any of {"figures": {name: a number, {"value", "low", "high"}, or an array [n] with one value for each of n
            independent items, whose mean is reported with a confidence interval}, "samples": [{"given": text, "made":
            text}], "pictures": [{"title": text, "rows": grey levels in [0, 1] from the top, None where empty}]}.
        """
        return {}


objectives.base = Objective


def refuse_misspelt_members(cls: type[Settings], base: type[Settings]) -> None:
    """Raise TypeError if a class defines a member that is almost, but not quite, one of its base class."""
    public = {name for name in vars(base) if not name.startswith("_")} | {"name"}
    inherited = {name for parent in cls.__mro__[1:] for name in vars(parent)} | cls.model_fields.keys()
    for name, value in vars(cls).items():
        if name.startswith("_"):
            continue
        known = vars(base).get(name)
        if inspect.isfunction(known) and inspect.isfunction(value):
            expected, given = (list(inspect.signature(f).parameters) for f in (known, value))
            if expected != given:
                raise TypeError(f"{cls.__name__}.{name} takes {given}, not {expected}")
        if name not in inherited and (close := difflib.get_close_matches(name, public, n=1, cutoff=0.85)):
            raise TypeError(f"{cls.__name__}.{name}: {base.__name__} has no such member; did you mean {close[0]!r}?")


def with_hf_head(head: Head) -> list[str]:
    """Return the names of the registered objectives whose models have that head in transformers."""
    return [name for name in objectives if head in (objectives[name].hf_head, *objectives[name].optional_hf_heads)]  # type: ignore[attr-defined]


def settings_with_hf_head(head: Head) -> list[str]:
    """Return the same as a recipe writes them, with the settings that the head requires."""
    required = {name: objectives[name].optional_hf_heads.get(head) for name in with_hf_head(head)}  # type: ignore[attr-defined]
    return [name if chosen is None else f"{{name: {name}, {chosen}}}" for name, chosen in required.items()]


def widest_order(orders: Iterable[str]) -> str:
    """Return the attention order among `orders` in which a position sees most of a text; "any" includes full."""
    found = {"full" if order == "any" else order for order in orders}
    return next(order for order in ("full", "causal", "pointwise") if order in found)


def describe_orders(orders: frozenset[str]) -> str:
    """Name attention orders in a sentence."""
    return "attention in any order" if "any" in orders else f"{' and '.join(sorted(orders))} attention"


def unmet_needs(objective: Objective, offers: Mapping[str, frozenset[str]], name: str) -> str | None:
    """Return one sentence if the attention orders that an architecture offers, by role, are not those it needs."""
    for role, needed in objective.needs.items():
        offered, what = offers.get(role), "an architecture" if role == "backbone" else f"a {role}"
        if offered is None:
            return f"{objective.name} needs {what} with {describe_orders(needed)}; {name} has none"
        if "any" not in offered and (lacking := needed - offered):
            supported = ", ".join(sorted(offered))
            return f"{objective.name} needs {what} with {describe_orders(lacking)}; {name} offers {supported}"
    return None


def incompatibility(objective: Objective, models: Mapping[str, Any], name: str) -> str | None:
    """Return one sentence if the models of an architecture, by role, do not support the objective; otherwise None."""
    sentence = unmet_needs(objective, {role: model.offers for role, model in models.items()}, name)
    return sentence or objective.check_architecture(models, name)
