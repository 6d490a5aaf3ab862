"""A mixture: which objective a unit trains is drawn with the unit (UL2, Tay et al. 2022; GPT-BERT, 2024)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Stream, StreamSpec
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
)
from danlu.registry import objectives


@objectives.register
class Mixture(Objective):
    """Objectives by a name of your own; each has its own streams, terms and parts and shares the model.

    shares: how often each is drawn, relative to the others (1 where not given), and how much its terms weigh in the
    loss: each is a mean over what a step drew of it, so one that is drawn seldom would otherwise weigh as much as the
    rest. Of two numbers, [1, 0.2], the first holds at the beginning of the run, the second at its end, and between them
    the share moves on a line. 0 is never: held-out text is drawn as at the end, so what is then drawn never is not
    measured either. loss_weights: what each one's terms weigh besides (1 where not given).
    """

    name: Literal["mixture"] = "mixture"
    of: dict[str, objectives.choice()] = Field(min_length=1)  # type: ignore[valid-type]
    shares: dict[str, float | tuple[float, float]] = Field(default_factory=dict)
    loss_weights: dict[str, float] = Field(default_factory=dict)

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"of": {"causal": "causal", "masked": "masked"}},)
    """What stands for it where no recipe says what to mix."""

    @model_validator(mode="after")
    def _named(self) -> Mixture:
        for key, value in (*self.shares.items(), *self.loss_weights.items()):
            if key not in self.of:
                raise ValueError(f"{key!r} is none of the mixed objectives: {', '.join(self.of)}")
            both = value if isinstance(value, tuple) else (value, value)
            if min(both) < 0 or max(both) == 0:
                raise ValueError(f"the share or weight of {key!r} must be above 0, not {value}")
        for progress, when in ((0.0, "beginning"), (1.0, "end")):
            if not any(self.share(key, progress) for key in self.of):
                raise ValueError(f"at the {when} of the run every share is 0; one must be above it")
        for key, objective in self.of.items():
            if objective.has_own_units:
                raise ValueError(f"{key!r}: {objective.name} does not learn from windows of text and cannot be mixed")
            if "." in key:
                raise ValueError(f"the name {key!r} must not hold a dot")
        return self

    # Every member of Objective is forwarded to the mixed objectives; tests/objectives/test_mixture.py compares both.

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
    def units_per_example(self) -> float:
        """The mean over what is drawn, at the middle of the run."""
        return sum(share * self.of[key].units_per_example for key, share in self.drawn(0.5).items())

    @property
    def required_context(self) -> int:
        return max(o.required_context for o in self.of.values())

    def units(self, source: UnitSource, split: str) -> None:
        """Units are windows of text: objectives with their own units are refused by `_named`."""

    @property
    def has_own_units(self) -> bool:
        return any(o.has_own_units for o in self.of.values())

    @property
    def logits_from(self) -> LogitsFrom:
        found = {o.logits_from for o in self.of.values()}
        return next(kind for kind in LogitsFrom if kind in found)

    def check_architecture(self, models: Mapping[str, Any], name: str) -> str | None:
        return next((found for o in self.of.values() if (found := incompatibility(o, models, name))), None)

    def referenced_models(self) -> dict[str, str]:
        return {
            f"of.{key}.{setting}": name for key, o in self.of.items() for setting, name in o.referenced_models().items()
        }

    def submodels(self) -> Mapping[str, SubModel]:
        """None: the parts of a mixture share one backbone and are saved together."""
        return {}

    @property
    def continues_text(self) -> bool:
        return any(o.continues_text for o in self.of.values())

    @property
    def reading_order(self) -> str:
        """By the needs of all together: one model reads in one order."""
        return super().reading_order

    def prompt_order(self, length: int) -> np.ndarray:
        """The order of the first objective that continues text."""
        first = next((o for o in self.of.values() if o.continues_text), None)
        return super().prompt_order(length) if first is None else first.prompt_order(length)

    def text_states(self, model: ModelAPI, head: Any, text: Stream) -> Tensor:
        """Those of the first objective that has more than the backbone's hidden states."""
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
        """Those of the first objective that fills blanks."""
        for key, objective in self.of.items():
            if objective.fills_blanks:
                return objective.blank_logits(model, head[key], hidden)
        return super().blank_logits(model, head, hidden)

    @property
    def rewriter(self) -> TextRewriter | None:
        """That of the first objective that rewrites text, unless one of them continues it."""
        found = (o.rewriter for o in self.of.values())
        return None if self.continues_text else next((rewriter for rewriter in found if rewriter is not None), None)

    def term_weights(self, progress: float) -> Mapping[str, float]:
        found = {}
        for key, share in self.drawn(progress).items():
            inner = self.of[key].term_weights(progress)
            weight = share * self.loss_weights.get(key, 1.0)
            found |= {f"{key}.{term}": weight * inner.get(term, 1.0) for term in self.of[key].terms}
        return found

    def share(self, key: str, progress: float) -> float:
        """How often one is drawn when `progress` of the run is done, relative to the others."""
        value = self.shares.get(key, 1.0)
        first, last = value if isinstance(value, tuple) else (value, value)
        return first + (last - first) * progress

    def drawn(self, progress: float) -> dict[str, float]:
        """How likely each is drawn; all together 1."""
        shares = {key: self.share(key, progress) for key in self.of}
        return {key: share / sum(shares.values()) for key, share in shares.items()}

    def example(self, sample: Sample) -> Example:
        drawn = self.drawn(sample.progress)
        chosen = list(drawn)[sample.rng.choice(len(drawn), p=list(drawn.values()))]
        return {f"{chosen}.{stream}": seqs for stream, seqs in self.of[chosen].example(sample).items()}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.ModuleDict({k: o.build_head(shape) for k, o in self.of.items()})

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        return {
            f"{k}.{term}": loss
            for k, o in self.of.items()
            for term, loss in o.losses(model, head[k], batch.of(k)).items()
        }

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """What each says of the batches that hold examples of it, its figures named `part: figure`."""
        listed = list(batches)
        found: dict[str, Any] = {"figures": {}, "samples": [], "pictures": []}
        for key, objective in self.of.items():
            own = [batch.of(key) for batch in listed]
            own = [batch for batch in own if any(len(stream) for stream in batch.streams.values())]
            if own:
                said = objective.judge(model, head[key], own, source)
                found["figures"] |= {f"{key}: {name}": value for name, value in said.get("figures", {}).items()}
                for what in ("samples", "pictures"):
                    found[what] += said.get(what, [])
        return {what: value for what, value in found.items() if value}
