"""One training step. Its gradients do not depend on how the step is split into micro-batches."""

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
    """Build the micro-batches of a step.

    Args:
        objective: the objective, which builds the examples.
        samples: the training data.
        first: number of the first unit.
        units: number of units.
        each: units per micro-batch.
        progress: the fraction of training that is done.
        capacity: pad streams to a multiple of it, as `pack` does.
    """
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
    """Count the positions of all streams, without padding."""
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

    sums: dict[str, float]  # sums over targets, in nats for cross-entropies
    counts: dict[str, int]  # numbers of targets
    weights: Mapping[str, float]  # weights of the terms in the total loss; 1 if not given

    @property
    def terms(self) -> dict[str, float]:
        """The mean loss per target of each term that has targets."""
        return {k: self.sums[k] / n for k, n in self.counts.items() if n}

    @property
    def loss(self) -> float:
        """The weighted sum of the terms that have targets; 0 if none has."""
        return sum(self.weights.get(k, 1.0) * v for k, v in self.terms.items())


def accumulate(
    model: nn.Module,
    objective: Objective,
    batches: Sequence[Batch],
    machine: Machine,
    seed: int,
    progress: float = 1.0,
) -> Losses:
    """Accumulate the gradients of a step: for each term the weighted sum, divided by its targets in the whole step.

    At the end, parameters without a gradient get a zero gradient (see `Network.forward`).

    Args:
        model: the network.
        objective: its objective.
        batches: the micro-batches of the step.
        machine: device and dtype.
        seed: seed of dropout, from which a seed for each micro-batch is derived.
        progress: the fraction of training that is done.
    """
    total, weights = total_counts(objective, batches), objective.term_weights(progress)
    detached: list[dict[str, Tensor]] = []
    for i, batch in enumerate(batches):
        torch.manual_seed(seed * 4096 + i)
        with machine.autocast():
            terms: dict[str, Tensor] = model(batch.to(torch.device(machine.device)))
        shares = [weights.get(k, 1.0) * v / max(total[k], 1) for k, v in terms.items()]
        loss = torch.stack(shares).sum()
        if loss.requires_grad:  # False if the loss depends on no trainable weight, as in an empty batch
            loss.backward()
        detached.append({k: v.detach() for k, v in terms.items()})
    model(None)[""].backward()
    return Losses(sum_terms(detached, objective), total, weights)


def sum_terms(losses: Sequence[Mapping[str, Tensor]], objective: Objective) -> dict[str, float]:
    """Sum the terms of micro-batches in float64, with a single synchronisation with the device."""
    sums = dict.fromkeys(objective.terms, 0.0)
    names = [k for terms in losses for k in terms]
    if names:
        values = torch.stack([v for terms in losses for v in terms.values()]).cpu().double().tolist()
        for name, value in zip(names, values, strict=True):
            sums[name] += value
    return sums


@torch.no_grad()
def measure(model: nn.Module, objective: Objective, batches: Sequence[Batch], machine: Machine) -> Losses:
    """Return the losses of batches in evaluation mode, with the term weights of the end of training."""
    was_training = model.training
    model.eval()
    losses = []
    for batch in batches:
        with machine.autocast():
            losses.append(model(batch.to(torch.device(machine.device))))
    model.train(was_training)
    return Losses(sum_terms(losses, objective), total_counts(objective, batches), objective.term_weights(1.0))
