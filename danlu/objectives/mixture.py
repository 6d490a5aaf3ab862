"""A mixture: which objective a unit trains is drawn with the unit (UL2, Tay et al. 2022; GPT-BERT, 2024)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.registry import objectives
from danlu.settings import Settings
from danlu.traits import (
    Rewrites,
    bounds_of,
    numbers_of,
    refusal,
    rewriter_of,
    sentinels_of,
    token_head,
    weights_of,
    windows_of,
)
from danlu.waist import Batch, Draw, Example, Fields, ModelShape, Parts, Source


@objectives.register
class Mixture(Settings):
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
        return sum(share * windows_of(self.of[key]) for key, share in self.drawn(0.5).items())

    @property
    def sentinels(self) -> int:
        return max(map(sentinels_of, self.of.values()))

    def refuses(self, models: Mapping[str, Any], name: str) -> str | None:
        return next((found for o in self.of.values() if (found := refusal(o, models, name))), None)

    @property
    def continues_text(self) -> bool:
        return any(o.continues_text for o in self.of.values())

    @property
    def rewriter(self) -> Rewrites | None:
        """The first that rewrites text, where none continues it."""
        return None if self.continues_text else next(filter(None, map(rewriter_of, self.of.values())), None)

    @property
    def embeds_text(self) -> bool:
        return any(getattr(o, "embeds_text", False) for o in self.of.values())

    @property
    def blank_logits(self) -> Callable[[Parts, Any, Tensor], Tensor]:
        """Those of the first that fills blanks."""
        for key, objective in self.of.items():
            if hasattr(objective, "blank_logits"):
                return lambda model, parts, hidden: objective.blank_logits(model, parts[key], hidden)
        raise AttributeError("none of the mixed objectives fills blanks")

    @property
    def fields(self) -> Mapping[str, Fields]:
        return {f"{k}.{s}": f for k, o in self.of.items() for s, f in o.fields.items()}

    @property
    def terms(self) -> tuple[str, ...]:
        return tuple(f"{k}.{t}" for k, o in self.of.items() for t in o.terms)

    def weights(self, progress: float) -> Mapping[str, float]:
        found = {}
        for key, share in self.drawn(progress).items():
            inner = weights_of(self.of[key], progress)
            weight = share * self.loss_weights.get(key, 1.0)
            found |= {f"{key}.{term}": weight * inner.get(term, 1.0) for term in self.of[key].terms}
        return found

    @property
    def needs(self) -> Mapping[str, frozenset[str]]:
        roles = {role for o in self.of.values() for role in o.needs}
        return {r: frozenset().union(*(o.needs.get(r, frozenset()) for o in self.of.values())) for r in roles}

    def share(self, key: str, progress: float) -> float:
        """How often one is drawn when `progress` of the run is done, relative to the others."""
        value = self.shares.get(key, 1.0)
        first, last = value if isinstance(value, tuple) else (value, value)
        return first + (last - first) * progress

    def drawn(self, progress: float) -> dict[str, float]:
        """How likely each is drawn; all together 1."""
        shares = {key: self.share(key, progress) for key in self.of}
        return {key: share / sum(shares.values()) for key, share in shares.items()}

    def example(self, draw: Draw) -> Example:
        drawn = self.drawn(draw.progress)
        chosen = list(drawn)[draw.rng.choice(len(drawn), p=list(drawn.values()))]
        return {f"{chosen}.{stream}": seqs for stream, seqs in self.of[chosen].example(draw).items()}

    def parts(self, shape: ModelShape) -> nn.Module:
        return nn.ModuleDict({k: o.parts(shape) for k, o in self.of.items()})

    def losses(self, model: Parts, parts: Any, batch: Batch) -> dict[str, Tensor]:
        return {
            f"{k}.{term}": loss
            for k, o in self.of.items()
            for term, loss in o.losses(model, parts[k], batch.of(k)).items()
        }

    def judge(self, model: Parts, parts: Any, batches: Iterable[Batch], source: Source) -> dict[str, Any]:
        """What each says of the batches that hold examples of it, its figures named `part: figure`."""
        listed = list(batches)
        found: dict[str, Any] = {"figures": {}, "samples": [], "pictures": []}
        for key, objective in self.of.items():
            own = [batch.of(key) for batch in listed]
            own = [batch for batch in own if any(len(stream) for stream in batch.streams.values())]
            if own and hasattr(objective, "judge"):
                said = objective.judge(model, parts[key], own, source)
                found["figures"] |= {f"{key}: {name}": value for name, value in said.get("figures", {}).items()}
                for what in ("samples", "pictures"):
                    found[what] += said.get(what, [])
        return {what: value for what, value in found.items() if value}
