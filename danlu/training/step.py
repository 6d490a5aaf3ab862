"""One step: batches in, one update out, the same however the step is split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from danlu.batch import Batch
from danlu.objective import Objective
from danlu.packing import pack
from danlu.training.precision import Machine
from danlu.training.samples import Draws


def micro_batches(
    objective: Objective,
    draws: Draws,
    first: int,
    units: int,
    each: int,
    progress: float,
    capacity: int | None = None,
) -> list[Batch]:
    """Units `first` .. `first + units - 1`, packed `each` at a time, and filled up as `pack` does."""
    packed = []
    for start in range(first, first + units, each):
        numbers = range(start, min(start + each, first + units))
        examples = [objective.example(draws.draw(n, progress)) for n in numbers]
        packed.append(pack(examples, objective.streams, numbers, capacity))
    return packed


def total_counts(objective: Objective, batches: Sequence[Batch]) -> dict[str, int]:
    """Targets of each term over the whole step."""
    total = dict.fromkeys(objective.terms, 0)
    for batch in batches:
        for term, n in objective.count_targets(batch).items():
            total[term] += n
    return total


def positions(batches: Sequence[Batch]) -> int:
    """Positions of examples: what a stream was filled up with belongs to none and does not count."""
    return sum(
        length
        for batch in batches
        for stream in batch.streams.values()
        for length, group in zip(stream.lengths, stream.group.tolist(), strict=True)
        if group < len(batch.units)
    )


@dataclass
class Losses:
    """Sums of nats (or of whatever a term measures) and the number of targets they are sums over."""

    sums: dict[str, float]
    counts: dict[str, int]
    weights: Mapping[str, float]

    @property
    def terms(self) -> dict[str, float]:
        """Mean of each term that had targets."""
        return {k: self.sums[k] / n for k, n in self.counts.items() if n}

    @property
    def loss(self) -> float:
        """Of the terms that had targets; 0 where none had."""
        return sum(self.weights.get(k, 1.0) * v for k, v in self.terms.items())


def accumulate(
    model: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    machine: Machine,
    seed: int,
    progress: float = 1.0,
) -> Losses:
    """Gradients of the step's loss: each term's sum over its count in the whole step, weighted, and then the tie.

    `seed` seeds what the model draws itself (dropout), anew for each micro-batch. progress: how much of the run is
    done.
    """
    total, weights = total_counts(objective, batches), objective.term_weights(progress)
    found: list[dict[str, Tensor]] = []
    for i, batch in enumerate(batches):
        torch.manual_seed(seed * 4096 + i)
        with machine.autocast():
            terms: dict[str, Tensor] = model(batch.to(torch.device(machine.device)))
        shares = [weights.get(k, 1.0) * v / max(total[k], 1) for k, v in terms.items()]
        loss = torch.stack(shares).sum()
        if loss.requires_grad:  # frozen embeddings and no position: nothing that learns has had a part in it
            loss.backward()
        found.append({k: v.detach() for k, v in terms.items()})
    model(None)[""].backward()
    return Losses(summed(found, objective), total, weights)


def summed(found: Sequence[Mapping[str, Tensor]], objective: Objective) -> dict[str, float]:
    """The terms of micro-batches added up in float64; a device is waited for once, at the end."""
    sums = dict.fromkeys(objective.terms, 0.0)
    names = [k for terms in found for k in terms]
    if names:
        values = torch.stack([v for terms in found for v in terms.values()]).cpu().double().tolist()
        for name, value in zip(names, values, strict=True):
            sums[name] += value
    return sums


@torch.no_grad()
def measure(model: nn.Module, objective: Objective, batches: Sequence[Batch], machine: Machine) -> Losses:
    """The losses of some batches without learning from them, weighted as at the end of a run."""
    was = model.training
    model.eval()
    found = []
    for batch in batches:
        with machine.autocast():
            found.append(model(batch.to(torch.device(machine.device))))
    model.train(was)
    return Losses(summed(found, objective), total_counts(objective, batches), objective.term_weights(1.0))
