"""`Objective`, the base class of pre-training objectives and of the losses of fine-tuning tasks.

The interfaces that objectives are given are defined in `danlu/objective_context.py` and re-exported here.

Shapes: T positions of a stream, k selected positions.
"""

from __future__ import annotations

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
from danlu.misspelt_members import refuse_misspelt_members
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
    """A part of a trained model that can be saved as a separate model."""

    objective: Objective
    modules: Mapping[str, str]  # name of a module in the separate model -> its name in the trained model
    size: tuple[float, float] = (1.0, 1.0)  # fractions of the width and the layers of the trained model


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
    """Base class of objectives. Instances hold settings only; `build_head` creates the trainable parameters.

    Abstract members are required. All others have a default that suits most objectives. Defining a public name that
    is almost equal to one of them raises TypeError, since it is probably misspelt.
    """

    if TYPE_CHECKING:  # declared by each class as `name: Literal["..."] = "..."`
        name: str

    optional_hf_heads: ClassVar[Mapping[Head, str]] = {}
    """Values of `hf_head` that require certain settings, with these settings in the syntax of a recipe."""

    model_references: ClassVar[tuple[str, ...]] = ()
    """Settings (dotted paths) that hold the name of an earlier model of the recipe, or None."""

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
        """The terms of the loss. Each is also the name of the label or sequence label that defines its targets."""

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
        """Create the trainable parameters of the objective; `nn.Module()` if it has none."""

    @abstractmethod
    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of each term, summed (not averaged) over its targets."""

    # Data

    @property
    def boundaries(self) -> frozenset[str]:
        """The kinds of boundaries ("word", "sentence") that `example` requires of the sample."""
        return frozenset()

    @property
    def num_sentinels(self) -> int:
        """Number of sentinel tokens that the vocabulary must have."""
        return 0

    @property
    def files(self) -> tuple[Path, ...]:
        """Files from which units are built, in addition to the corpus. Resuming a run requires unchanged files."""
        return ()

    @property
    def required_libraries(self) -> Mapping[str, str]:
        """Optional Python modules that training or `judge` requires, each with the extra that installs it."""
        return {}

    @property
    def units_per_example(self) -> float:
        """Mean number of windows of text in an example."""
        return 1.0

    @property
    def required_context(self) -> int:
        """Length in tokens of the longest sequence; 0 if sequences adapt to the context of the model."""
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
        """Whether units are rows returned by `units` instead of windows of the text."""
        return type(self).units is not Objective.units

    @property
    def class_labels(self) -> frozenset[str]:
        """Names (as in `terms`) of integer labels that are not token ids, such as classes and clusters."""
        return frozenset()

    def class_labels_of(self, stream: str) -> frozenset[str]:
        """Return the names (as in its sequences) of the class labels of one stream."""
        scope = label_scope(stream)
        return frozenset(name.removeprefix(scope) for name in self.class_labels if name.startswith(scope))

    @property
    def reads_tokens(self) -> bool:
        """Whether any stream has tokens as input. A model of images alone has no vocabulary."""
        return any("token" in spec.inputs for spec in self.streams.values())

    # Loss

    def term_weights(self, progress: float) -> Mapping[str, float]:
        """Return the weights of terms when the fraction `progress` of training is done; missing terms have weight 1."""
        return {}

    def is_cross_entropy(self, term: str) -> bool:
        """Whether a term is a sum of cross-entropies: its targets are integers, not floats."""
        for name, spec in self.streams.items():
            for label, declared in (*spec.labels.items(), *spec.sequence_labels.items()):
                if label_scope(name) + label == term:
                    return np.dtype(declared[0] if isinstance(declared, tuple) else declared).kind != "f"
        raise KeyError(f"{term!r} is not a label of any stream")

    def count_targets(self, batch: Batch) -> dict[str, int]:
        """Count the targets of each term in a micro-batch; terms without targets count 0."""
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
        """The vectors from which token logits are computed."""
        return LogitsFrom.HIDDEN_STATES

    def check_architecture(self, models: Mapping[str, Any], name: str) -> str | None:
        """Check requirements other than attention orders.

        Args:
            models: the models of the architecture, by role.
            name: name of the architecture.

        Returns:
            One sentence that says which setting to change; None if all requirements are met.
        """
        return None

    def referenced_models(self) -> dict[str, str]:
        """Return the earlier models of the recipe that the objective uses: {setting: model name}."""
        names = {setting: attrgetter(setting)(self) for setting in self.model_references}
        return {setting: name for setting, name in names.items() if name is not None}

    def submodels(self) -> Mapping[str, SubModel]:
        """Return the parts of the model that can be saved as separate models, by name; "" is the main one."""
        return {}

    @property
    def hf_head(self) -> Head | None:
        """The Hugging Face head of the trained models; None if no Hugging Face class implements it."""
        return None

    # Use of the trained model

    @property
    def origin(self) -> str:
        """How a model of this objective was trained, as the predicate of a sentence."""
        return f"was trained by {self.name!r}"

    @property
    def reading_order(self) -> str:
        """The attention order, a key of `ATTENTION_ORDERS`, in which the trained model reads a whole text.

        Fine-tuning, text embeddings and generation use it. It is the widest order that occurs in training: full for
        objectives that need "full" or "any" (masked, prefix, permutation), otherwise causal, otherwise pointwise.
        """
        return widest_order(self.needs["backbone"])

    def prompt_order(self, length: int) -> np.ndarray:
        """Return the attention key [length] of a prompt that is to be continued: that of `reading_order`."""
        return ATTENTION_ORDERS[self.reading_order](length)[0]

    def text_states(self, model: ModelAPI, head: Any, text: Stream) -> Tensor:
        """Return the states [T, any width] of complete texts from which text embeddings are pooled."""
        return model.hidden(text)

    @property
    def embeds_text(self) -> bool:
        """Whether the objective trains the mean hidden state as an embedding of the text."""
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
        """The `TextRewriter` of the trained model; None if the model does not rewrite text."""
        return self if isinstance(self, TextRewriter) else None

    @property
    def needs_blank(self) -> bool:
        """Whether the trained model rewrites only texts with a blank."""
        return self.rewriter is not None and self.rewriter.requires_blank

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Evaluate a trained model on held-out batches with metrics other than the loss.

        Returns:
            A dict with any of these keys:
            "figures": {name: metric}. A metric is a number, a dict with "value", "low" and "high", or an array [n] with
                one value for each of n independent items, whose mean is reported with a confidence interval.
            "samples": [{"given": input text, "made": output text}].
            "pictures": [{"title": text, "rows": grey levels in [0, 1], row by row from the top, None for no value}].
        """
        return {}


objectives.base = Objective


def with_hf_head(head: Head) -> list[str]:
    """Return the names of the registered objectives whose models have that Hugging Face head."""
    return [name for name in objectives if head in (objectives[name].hf_head, *objectives[name].optional_hf_heads)]  # type: ignore[attr-defined]


def settings_with_hf_head(head: Head) -> list[str]:
    """Return the objectives with that Hugging Face head in the syntax of a recipe, with the settings it requires."""
    required = {name: objectives[name].optional_hf_heads.get(head) for name in with_hf_head(head)}  # type: ignore[attr-defined]
    return [name if settings is None else f"{{name: {name}, {settings}}}" for name, settings in required.items()]


def former_reading_order(objective: Objective) -> str:
    """Return the order in which versions of danlu without `reading_order` fine-tuned a model."""
    return "full" if "full" in objective.needs["backbone"] else "causal"


def widest_order(orders: Iterable[str]) -> str:
    """Return the attention order among `orders` in which positions attend to most others; "any" counts as full."""
    available = {"full" if order == "any" else order for order in orders}
    return next(order for order in ("full", "causal", "pointwise") if order in available)


def describe_orders(orders: frozenset[str]) -> str:
    """Return attention orders as the predicate of a sentence."""
    return "attention in any order" if "any" in orders else f"{' and '.join(sorted(orders))} attention"


def unmet_needs(objective: Objective, offers: Mapping[str, frozenset[str]], name: str) -> str | None:
    """Compare the attention orders that an objective needs with those that an architecture offers, by role.

    Returns:
        One sentence about the first order that is missing; None if all are offered.
    """
    for role, needed in objective.needs.items():
        offered, what = offers.get(role), "an architecture" if role == "backbone" else f"a {role}"
        if offered is None:
            return f"{objective.name} needs {what} with {describe_orders(needed)}; {name} has none"
        if "any" not in offered and (lacking := needed - offered):
            supported = ", ".join(sorted(offered))
            return f"{objective.name} needs {what} with {describe_orders(lacking)}; {name} offers {supported}"
    return None


def incompatibility(objective: Objective, models: Mapping[str, Any], name: str) -> str | None:
    """Return, in one sentence, why the models of an architecture do not support the objective; None if they do."""
    sentence = unmet_needs(objective, {role: model.offers for role, model in models.items()}, name)
    return sentence or objective.check_architecture(models, name)
