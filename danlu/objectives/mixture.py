"""A mixture: which objective a unit trains is drawn with the unit (UL2, Tay et al. 2022; GPT-BERT, 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.registry import objectives
from danlu.settings import Settings
from danlu.traits import bounds_of, numbers_of, refusal, sentinels_of, token_head, windows_of
from danlu.waist import Batch, Draw, Example, Fields, ModelShape, Parts


@objectives.register
class Mixture(Settings):
    """Objectives by a name of your own; each has its own streams, terms and parts and shares the model.

    shares: how often each is drawn, relative to the others (1 where not given); of two numbers, [1, 0.2], the first
    holds at the beginning of the run, the second at its end, and between them the share moves on a line. 0 is never:
    held-out text is drawn as at the end, so what is then drawn never is not measured either. loss_weights: the weight
    of each one's terms in the loss (1 where not given).
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
            if hasattr(objective, "units"):
                raise ValueError(f"{key!r}: {objective.name} does not learn from windows of text and cannot be mixed")
            if "." in key:
                raise ValueError(f"the name {key!r} must not hold a dot")
        return self

    @property
    def bounds(self) -> frozenset[str]:
        return frozenset().union(*(bounds_of(o) for o in self.of.values()))

    @property
    def numbers(self) -> frozenset[str]:
        return frozenset(f"{k}.{label}" for k, o in self.of.items() for label in numbers_of(o))

    @property
    def token_head(self) -> str:
        heads = {token_head(o) for o in self.of.values()}
        return next(head for head in ("model", "own", "none") if head in heads)

    @property
    def windows(self) -> float:
        """In the mean over what is drawn, at the middle of the run."""
        shares = {k: self.share(k, 0.5) for k in self.of}
        return sum(shares[k] * windows_of(o) for k, o in self.of.items()) / sum(shares.values())

    @property
    def sentinels(self) -> int:
        return max(map(sentinels_of, self.of.values()))

    def refuses(self, models: Mapping[str, Any], name: str) -> str | None:
        return next((found for o in self.of.values() if (found := refusal(o, models, name))), None)

    @property
    def continues_text(self) -> bool:
        return any(o.continues_text for o in self.of.values())

    @property
    def fields(self) -> Mapping[str, Fields]:
        return {f"{k}.{s}": f for k, o in self.of.items() for s, f in o.fields.items()}

    @property
    def terms(self) -> tuple[str, ...]:
        return tuple(f"{k}.{t}" for k, o in self.of.items() for t in o.terms)

    @property
    def weights(self) -> Mapping[str, float]:
        return {
            f"{k}.{t}": self.loss_weights.get(k, 1.0) * o.weights.get(t, 1.0)
            for k, o in self.of.items()
            for t in o.terms
        }

    @property
    def needs(self) -> Mapping[str, frozenset[str]]:
        roles = {role for o in self.of.values() for role in o.needs}
        return {r: frozenset().union(*(o.needs.get(r, frozenset()) for o in self.of.values())) for r in roles}

    def share(self, key: str, progress: float) -> float:
        """How often one is drawn when `progress` of the run is done, relative to the others."""
        value = self.shares.get(key, 1.0)
        first, last = value if isinstance(value, tuple) else (value, value)
        return first + (last - first) * progress

    def example(self, draw: Draw) -> Example:
        names = list(self.of)
        shares = [self.share(k, draw.progress) for k in names]
        chosen = names[draw.rng.choice(len(names), p=[s / sum(shares) for s in shares])]
        return {f"{chosen}.{stream}": seqs for stream, seqs in self.of[chosen].example(draw).items()}

    def parts(self, shape: ModelShape) -> nn.Module:
        return nn.ModuleDict({k: o.parts(shape) for k, o in self.of.items()})

    def losses(self, model: Parts, parts: Any, batch: Batch) -> dict[str, Tensor]:
        return {
            f"{k}.{term}": loss
            for k, o in self.of.items()
            for term, loss in o.losses(model, parts[k], batch.of(k)).items()
        }
