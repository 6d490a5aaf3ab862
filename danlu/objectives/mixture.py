"""Mixtures of objectives: each unit is used by one objective, drawn at random.

After UL2 (Tay et al. 2022) and GPT-BERT (Charpentier and Samuel 2024).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Stream, StreamSpec
from danlu.hf_heads import Head
from danlu.objective import (
    LogitsFrom,
    ModelAPI,
    ModelShape,
    Objective,
    Sample,
    SubModel,
    TextRewriter,
    UnitSource,
    incompatibility,
    widest_order,
)
from danlu.registry import objectives


@objectives.register
class Mixture(Objective):
    """Train one model with several objectives; each unit of text is used by one of them, drawn by its share.

    Every objective has its own streams, terms and head. All share the embeddings and the backbone.
    """

    name: Literal["mixture"] = "mixture"
    of: dict[str, objectives.choice()] = Field(  # type: ignore[valid-type]
        min_length=1, description="The mixed objectives, by names of your choice."
    )
    shares: dict[str, float | tuple[float, float]] = Field(
        default_factory=dict,
        description=(
            "Relative frequency with which each objective is drawn; 1 if not given. A pair such as [1, 0.2] changes "
            "linearly from the start to the end of the run. The share is also the weight of the objective's terms in "
            "the loss: each term is a mean over its targets in a step, so that without the weight a rarely drawn "
            "objective would count as much as the others. Held-out text is drawn with the shares at the end of the "
            "run; an objective whose final share is 0 is not evaluated."
        ),
    )
    loss_weights: dict[str, float] = Field(
        default_factory=dict, description="Additional weight of the terms of each objective; 1 if not given."
    )

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"of": {"causal": "causal", "masked": "masked"}},)
    """The mixture that tests and the reference use as an example."""

    @model_validator(mode="after")
    def _check(self) -> Mixture:
        for key, value in (*self.shares.items(), *self.loss_weights.items()):
            if key not in self.of:
                raise ValueError(f"{key!r} is not a mixed objective; known: {', '.join(self.of)}")
            both = value if isinstance(value, tuple) else (value, value)
            if min(both) < 0 or max(both) == 0:
                raise ValueError(f"the share or weight of {key!r} must be above 0, not {value}")
        for progress, when in ((0.0, "start"), (1.0, "end")):
            if not any(self.share(key, progress) for key in self.of):
                raise ValueError(f"at the {when} of the run every share is 0; set at least one above 0")
        for key, objective in self.of.items():
            if objective.has_own_units:
                raise ValueError(f"{key!r}: {objective.name} is not trained on windows of text and cannot be mixed")
            if "." in key:
                raise ValueError(f"the name {key!r} must not contain a dot")
        return self

    # Every member of Objective is forwarded to the mixed objectives; tests/objectives/test_mixture.py checks this.

    hf_head: ClassVar[Head | None] = None  # no Hugging Face class has the heads of several objectives
    optional_hf_heads: ClassVar[Mapping[Head, str]] = {}
    model_references: ClassVar[tuple[str, ...]] = ()  # the settings of the members: `referenced_models`
    exempt: ClassVar[Mapping[str, str]] = {}

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        return {f"{key}.{stream}": spec for key, o in self.of.items() for stream, spec in o.streams.items()}

    @property
    def terms(self) -> tuple[str, ...]:
        return tuple(f"{key}.{term}" for key, o in self.of.items() for term in o.terms)

    @property
    def needs(self) -> Mapping[str, frozenset[str]]:
        roles = {role for o in self.of.values() for role in o.needs}
        return {r: frozenset().union(*(o.needs.get(r, frozenset()) for o in self.of.values())) for r in roles}

    @property
    def boundaries(self) -> frozenset[str]:
        return frozenset().union(*(o.boundaries for o in self.of.values()))

    @property
    def class_labels(self) -> frozenset[str]:
        return frozenset(f"{key}.{label}" for key, o in self.of.items() for label in o.class_labels)

    @property
    def num_sentinels(self) -> int:
        return max(o.num_sentinels for o in self.of.values())

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(path for o in self.of.values() for path in o.files))

    @property
    def required_libraries(self) -> Mapping[str, str]:
        return {module: extra for o in self.of.values() for module, extra in o.required_libraries.items()}

    @property
    def units_per_example(self) -> float:
        """The mean over the objectives, weighted by their shares in the middle of the run."""
        return sum(share * self.of[key].units_per_example for key, share in self.probabilities(0.5).items())

    @property
    def required_context(self) -> int:
        return max(o.required_context for o in self.of.values())

    @property
    def example_version(self) -> int:
        return max(o.example_version for o in self.of.values())

    def units(self, source: UnitSource, split: str) -> None:
        """Return None: units are windows of text, since `_check` refuses objectives with their own units."""

    @property
    def has_own_units(self) -> bool:
        return any(o.has_own_units for o in self.of.values())

    def term_weights(self, progress: float) -> Mapping[str, float]:
        weights = {}
        for key, share in self.probabilities(progress).items():
            inner = self.of[key].term_weights(progress)
            weight = share * self.loss_weights.get(key, 1.0)
            weights |= {f"{key}.{term}": weight * inner.get(term, 1.0) for term in self.of[key].terms}
        return weights

    def is_cross_entropy(self, term: str) -> bool:
        key, _, inner = term.partition(".")
        return self.of[key].is_cross_entropy(inner)

    def count_targets(self, batch: Batch) -> dict[str, int]:
        return {f"{k}.{term}": n for k, o in self.of.items() for term, n in o.count_targets(batch.of(k)).items()}

    @property
    def logits_from(self) -> LogitsFrom:
        kinds = {o.logits_from for o in self.of.values()}
        return next(kind for kind in LogitsFrom if kind in kinds)

    def check_architecture(self, models: Mapping[str, Any], name: str) -> str | None:
        return next((reason for o in self.of.values() if (reason := incompatibility(o, models, name))), None)

    def referenced_models(self) -> dict[str, str]:
        return {
            f"of.{key}.{setting}": name for key, o in self.of.items() for setting, name in o.referenced_models().items()
        }

    def submodels(self) -> Mapping[str, SubModel]:
        """Return no submodels: the mixed objectives share one backbone and are saved together."""
        return {}

    @property
    def origin(self) -> str:
        return f"was trained by a mixture of {', '.join(repr(o.name) for o in self.of.values())}"

    @property
    def continues_text(self) -> bool:
        return any(o.continues_text for o in self.of.values())

    @property
    def reading_order(self) -> str:
        """The widest reading order of the objectives: full for a mixture of causal and masked.

        Full attention gives the best representations of a text, since both sides of each position are visible.
        """
        return widest_order(o.reading_order for o in self.of.values())

    def prompt_order(self, length: int) -> np.ndarray:
        """Return the prompt order of the first objective that continues text."""
        first = next((o for o in self.of.values() if o.continues_text), None)
        return super().prompt_order(length) if first is None else first.prompt_order(length)

    def text_states(self, model: ModelAPI, head: Any, text: Stream) -> Tensor:
        """Return the text states of the first objective that overrides the backbone's hidden states."""
        for key, objective in self.of.items():
            if type(objective).text_states is not Objective.text_states:
                return objective.text_states(model, head[key], text)
        return super().text_states(model, head, text)

    @property
    def embeds_text(self) -> bool:
        return any(o.embeds_text for o in self.of.values())

    @property
    def fills_blanks(self) -> bool:
        return any(o.fills_blanks for o in self.of.values())

    def blank_logits(self, model: ModelAPI, head: Any, hidden: Tensor) -> Tensor:
        """Return the logits [k, vocabulary] of the first objective that fills blanks."""
        for key, objective in self.of.items():
            if objective.fills_blanks:
                return objective.blank_logits(model, head[key], hidden)
        return super().blank_logits(model, head, hidden)

    @property
    def rewriter(self) -> TextRewriter | None:
        """The rewriter of the first objective that rewrites text; None if one of the objectives continues text."""
        rewriters = (o.rewriter for o in self.of.values())
        return None if self.continues_text else next((rewriter for rewriter in rewriters if rewriter is not None), None)

    def share(self, key: str, progress: float) -> float:
        """Return the relative share of one objective when the fraction `progress` of training is done."""
        value = self.shares.get(key, 1.0)
        first, last = value if isinstance(value, tuple) else (value, value)
        return first + (last - first) * progress

    def probabilities(self, progress: float) -> dict[str, float]:
        """Return the probability with which each objective is drawn; they sum to 1."""
        shares = {key: self.share(key, progress) for key in self.of}
        return {key: share / sum(shares.values()) for key, share in shares.items()}

    def example(self, sample: Sample) -> Example:
        probabilities = self.probabilities(sample.progress)
        key = list(probabilities)[sample.rng.choice(len(probabilities), p=list(probabilities.values()))]
        return {f"{key}.{stream}": seqs for stream, seqs in self.of[key].example(sample).items()}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.ModuleDict({k: o.build_head(shape) for k, o in self.of.items()})

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        return {
            f"{k}.{term}": loss
            for k, o in self.of.items()
            for term, loss in o.losses(model, head[k], batch.of(k)).items()
        }

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Evaluate each objective on the batches with examples of it; figures are named `objective: figure`."""
        all_batches = list(batches)
        results: dict[str, Any] = {"figures": {}, "samples": [], "pictures": []}
        for key, objective in self.of.items():
            selected = [batch.of(key) for batch in all_batches]
            selected = [batch for batch in selected if any(len(stream) for stream in batch.streams.values())]
            if selected:
                judged = objective.judge(model, head[key], selected, source)
                results["figures"] |= {f"{key}: {name}": value for name, value in judged.get("figures", {}).items()}
                for kind in ("samples", "pictures"):
                    results[kind] += judged.get(kind, [])
        return {kind: value for kind, value in results.items() if value}
