"""One training step: the same gradients however the step is split into micro-batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from danlu.batch import Batch
from danlu.objective import Objective
from danlu.packing import pack
from danlu.training.precision import Machine
from danlu.training.samples import Samples


def micro_batches(
    objective: Objective,
    samples: Samples,
    first: int,
    units: int,
    each: int,
    progress: float,
    capacity: int | None = None,
) -> list[Batch]:
    """Pack units `first` to `first + units - 1`, `each` per micro-batch, filled up to the capacity as `pack` does."""
    packed = []
    for start in range(first, first + units, each):
        numbers = range(start, min(start + each, first + units))
        examples = [objective.example(samples.draw(n, progress)) for n in numbers]
        packed.append(pack(examples, objective.streams, numbers, capacity))
    return packed


def total_counts(objective: Objective, batches: Sequence[Batch]) -> dict[str, int]:
    """Count the targets of each term over the whole step."""
    total = dict.fromkeys(objective.terms, 0)
    for batch in batches:
        for term, n in objective.count_targets(batch).items():
            total[term] += n
    return total


def positions(batches: Sequence[Batch]) -> int:
    """Count the positions of examples; positions that only fill a stream up to its capacity do not count."""
    return sum(
        length
        for batch in batches
        for stream in batch.streams.values()
        for length, group in zip(stream.lengths, stream.group.tolist(), strict=True)
        if group < len(batch.units)
    )


@dataclass
class Losses:
    """The losses of a step or an evaluation, by term."""

    sums: dict[str, float]  # summed over targets, in nats for cross-entropies
    counts: dict[str, int]  # targets
    weights: Mapping[str, float]  # of the terms in the total loss; 1 where not given

    @property
    def terms(self) -> dict[str, float]:
        """The mean of each term that had targets."""
        return {k: self.sums[k] / n for k, n in self.counts.items() if n}

    @property
    def loss(self) -> float:
        """The weighted sum of the terms that had targets; 0 if none had."""
        return sum(self.weights.get(k, 1.0) * v for k, v in self.terms.items())


def accumulate(
    model: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    machine: Machine,
    seed: int,
    progress: float = 1.0,
) -> Losses:
    """Accumulate the gradients of a step: each term's sum over its count in the whole step, weighted; then the tie.

    Args:
        seed: of the model's own random numbers (dropout); another seed is derived for each micro-batch.
        progress: the fraction of the run that is done.
    """
    total, weights = total_counts(objective, batches), objective.term_weights(progress)
    found: list[dict[str, Tensor]] = []
    for i, batch in enumerate(batches):
        torch.manual_seed(seed * 4096 + i)
        with machine.autocast():
            terms: dict[str, Tensor] = model(batch.to(torch.device(machine.device)))
        shares = [weights.get(k, 1.0) * v / max(total[k], 1) for k, v in terms.items()]
        loss = torch.stack(shares).sum()
        if loss.requires_grad:  # False if no trainable weight took part: frozen embeddings and no position
            loss.backward()
        found.append({k: v.detach() for k, v in terms.items()})
    model(None)[""].backward()
    return Losses(summed(found, objective), total, weights)


def summed(found: Sequence[Mapping[str, Tensor]], objective: Objective) -> dict[str, float]:
    """Add up the terms of micro-batches in float64, synchronising with the device once."""
    sums = dict.fromkeys(objective.terms, 0.0)
    names = [k for terms in found for k in terms]
    if names:
        values = torch.stack([v for terms in found for v in terms.values()]).cpu().double().tolist()
        for name, value in zip(names, values, strict=True):
            sums[name] += value
    return sums


@torch.no_grad()
def measure(model: nn.Module, objective: Objective, batches: Sequence[Batch], machine: Machine) -> Losses:
    """Return the losses of batches in eval mode, weighted as at the end of a run."""
    was = model.training
    model.eval()
    found = []
    for batch in batches:
        with machine.autocast():
            found.append(model(batch.to(torch.device(machine.device))))
    model.train(was)
    return Losses(summed(found, objective), total_counts(objective, batches), objective.term_weights(1.0))
