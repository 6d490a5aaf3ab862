"""Every objective and task with every architecture, ready to run on toy data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import examples
import numpy as np
import pytest
import torch
from toy_language import TOPICAL, VOCABULARY, ToySamples, ToySource

import danlu.architectures
import danlu.objectives
import danlu.tasks  # noqa: F401  (the three fill the registries)
from danlu.architectures import Network, build_network
from danlu.architectures.network import models_of
from danlu.batch import Batch, Example, Seq
from danlu.config.compatibility import variants
from danlu.packing import pack
from danlu.registry import architectures, objectives, tasks
from danlu.tasks.task import Task, TaskRows
from danlu.tokens.kinds.byte_bpe import ByteBPE
from danlu.training.precision import Machine
from danlu.training.samples import RowSamples, Samples


def with_settings(name: str, settings: Mapping[str, Any]) -> str:
    """Return `name`, or `name:key=value` for a variant that one setting selects."""
    return ":".join([name, *(f"{key}={value}" for key, value in settings.items() if isinstance(value, str))])


def split_settings(words: list[str]) -> dict[str, str]:
    return dict(word.split("=") for word in words if "=" in word)


MACHINE = Machine("cpu", "float32", 1)

PRETRAINED = {"full": "masked", "causal": "causal"}
"""A pre-training objective for each attention order in which tasks are tested."""

LEARNABLE = [f"objective:{with_settings(name, s)}" for name in objectives for s, _ in variants(objectives, name)] + [
    f"task:{name}:{order}" for name in tasks for order in PRETRAINED
]
"""Ids of everything that declares streams and terms."""

VARIANTS = [with_settings(name, settings) for name in architectures for settings, _ in variants(architectures, name)]
"""Every architecture, with each value of a setting that changes the attention orders it offers."""

PLAIN = ("objective:causal", "objective:masked:unit=span")
"""The objectives preferred for architectures."""

WITH_A_TRANSFORMER = (*PLAIN, "objective:image_text")
"""Objectives that the quick pairs train with a Transformer: the plain ones, and one that few other networks learn."""

PAIRS = [(learnable, architecture) for learnable in LEARNABLE for architecture in VARIANTS]


@dataclass(frozen=True)
class Pair:
    """An objective (or the objective of a task) with its toy data, and an architecture."""

    objective: Any
    architecture: Any
    samples: Samples
    vocabulary_size: int

    def examples(self, count: int, first: int = 0) -> list[Example]:
        return [self.objective.example(self.samples.draw(n, 0.0)) for n in range(first, first + count)]

    def pack(self, some: list[Example]) -> Batch:
        return pack(some, self.objective.streams, range(len(some)))

    def network(self, seed: int = 0) -> Network:
        """Build in float64 and away from the initial weights, where blocks are the identity and would hide leaks."""
        model = build_network(self.objective, self.architecture, self.vocabulary_size, seed).double()
        noise = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.3 * torch.randn(parameter.shape, generator=noise, dtype=torch.float64)
        return model.eval()


def toy_draws(objective: Any, folder: Path) -> Samples:
    """Return samples of the toy language (with topics, for objectives that distinguish texts), or the units that an
    objective makes from them."""
    if objective.embeds_text:
        return ToySamples(vocabulary=TOPICAL)
    if not objective.has_own_units:
        return ToySamples()
    made = objective.units(ToySource(folder), "train")
    return RowSamples(made.rows, made.tokens_per_unit, VOCABULARY, seed=0)


def architecture_of(name: str, **changed: Any) -> Any:
    """`name`, or `name:key=value` for one of its variants."""
    name, *variant = name.split(":")
    settings = examples.example_of("architecture", name, examples.ARCHITECTURES) | changed
    return architectures.validate(settings | split_settings(variant))


def pair_of(learnable: str, architecture: str, folder: Path, **changed: Any) -> Pair:
    """Build a pair; `changed` are settings of the architecture, `folder` takes the files of a task."""
    kind, name, *order = learnable.split(":")
    chosen = architecture_of(architecture, **changed)
    if kind == "objective":
        objective = objectives.validate(examples.example_of(kind, name, examples.OBJECTIVES) | split_settings(order))
        samples: Any = toy_draws(objective, folder)
        return Pair(objective, chosen, samples, samples.vocabulary.size)
    task, rows = toy_task(name, folder)
    tokenizer = ByteBPE(size=300).train([str(text) for text in task.inputs(rows.train)])
    encoded = task.encode(rows.train, rows, tokenizer)
    samples = RowSamples(encoded, 10.0, tokenizer.vocabulary, seed=0)
    return Pair(task.objective(rows, pretrained(order[0])), chosen, samples, tokenizer.vocabulary.size)


def toy_task(name: str, folder: Path) -> tuple[Task, TaskRows]:
    """Return a task and its rows, written as files to the folder."""
    settings = examples.example_of("task", name, examples.TASKS)
    examples.labelled_toy_rows(folder)
    settings["rows"] = {key: str(folder / file) for key, file in settings["rows"].items()}
    task: Any = tasks.validate(settings)
    return task, task.read()


def pretrained(order: str) -> Any:
    """Return a pre-training objective that reads in this order."""
    return objectives.validate(examples.example_of("objective", PRETRAINED[order], examples.OBJECTIVES))


@cache
def needs_of_task(name: str, order: str) -> Mapping[str, frozenset[str]]:
    """The attention orders that the objective of a task needs, by role."""
    with TemporaryDirectory() as folder:
        task, rows = toy_task(name, Path(folder))
    return task.objective(rows, pretrained(order)).needs


@cache
def fits(learnable: str, architecture: str) -> bool:
    """Whether the architecture meets the needs. True where that cannot be determined, so that the tests fail with a
    message."""
    kind, name, *order = learnable.split(":")
    try:
        chosen = architecture_of(architecture)
        if kind == "task":
            return honours(needs_of_task(name, order[0]), chosen)
        settings = examples.example_of(kind, name, examples.OBJECTIVES) | split_settings(order)
        needs = objectives.validate(settings).needs
    except AssertionError:
        return True
    return honours(needs, chosen)


def honours(needs: Mapping[str, frozenset[str]], architecture: Any) -> bool:
    """Whether every role exists and offers the orders that it needs."""
    offers = {role: model.offers for role, model in models_of(architecture).items()}
    return all(role in offers and ("any" in offers[role] or need <= offers[role]) for role, need in needs.items())


def first_fitting(learnables: Iterable[str], architectures: Iterable[str]) -> tuple[str, str] | None:
    return next(((one, other) for one in learnables for other in architectures if fits(one, other)), None)


def representatives() -> list[tuple[str, str]]:
    """One pair for every objective and task, with a Transformer where compatible, and one for every architecture."""
    of_learnables = [first_fitting([one], ("transformer", *VARIANTS)) for one in LEARNABLE]
    of_architectures = [first_fitting((*PLAIN, *LEARNABLE), [other]) for other in VARIANTS]
    return sorted({pair for pair in (*of_learnables, *of_architectures) if pair})


def quick_pairs() -> list[tuple[str, str]]:
    """The pairs that `make test` runs: one for every objective and task, covering every architecture.

    Each architecture but the Transformer goes to the first objective that fits it and has none yet, those that fit
    the fewest objectives first.
    """
    fitting = {one: [learnable for learnable in LEARNABLE if fits(learnable, one)] for one in VARIANTS}
    chosen: dict[str, str] = {}
    left_over = []
    for architecture in sorted(set(VARIANTS) - {"transformer"}, key=lambda one: (len(fitting[one]), one)):
        free = [one for one in fitting[architecture] if one not in chosen and one not in WITH_A_TRANSFORMER]
        if free:
            chosen[free[0]] = architecture
        else:
            left_over.append(first_fitting((*PLAIN, *LEARNABLE), [architecture]))
    of_learnables = [
        (one, chosen[one]) if one in chosen else first_fitting([one], ("transformer", *VARIANTS)) for one in LEARNABLE
    ]
    return sorted({pair for pair in (*of_learnables, *left_over) if pair})


QUICK = quick_pairs()

REPRESENTATIVES = sorted({*representatives(), *QUICK})


def marked(pairs: Iterable[tuple[str, str]], quick: Collection[tuple[str, str]]) -> list[Any]:
    """Parameters of a fixture or test; those not in `quick` are marked slow."""
    return [pytest.param(pair, marks=() if pair in quick else pytest.mark.slow, id=" x ".join(pair)) for pair in pairs]


def silent(example: Example) -> Example:
    """Return the same inputs without targets."""
    return {name: [Seq(s.inputs, s.key, s.query) for s in seqs] for name, seqs in example.items()}


def targets(value: Any) -> int:
    """Count the targets in a label."""
    array = np.asarray(value)
    return int((~np.isnan(array)).sum() if array.dtype.kind == "f" else (array >= 0).sum())
