"""docs/reference/matrix.md: compatibility and properties of objectives and architectures, from the registries."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from danlu.config.compatibility import Pair, build_variants, compatibility_matrix, variants
from danlu.hf_heads import Head
from danlu.objective import Objective
from danlu.registry import Registry, architectures, objectives, tasks

ORDERS = {
    "causal": "itself and earlier positions",
    "full": "all positions of its sequence",
    "pointwise": "only itself",
    "any": "whatever the objective defines, such as a prefix or a random permutation",
}
"""The positions that a position attends to, see `danlu/batch.py`."""

ROLES = ("backbone", "decoder")
NONE = "–"

INTRODUCTION = """\
# Compatibility of objectives and architectures

`danlu matrix` prints the first table. There are four attention orders, which define the positions that a position
attends to:

{orders}

An objective lists the attention orders that it needs in `needs`, an architecture those that it supports in `offers`. An
architecture that supports `any` supports every order. All settings are in the [recipe reference](recipe.md);
[CONTRIBUTING](../../CONTRIBUTING.md) shows how to add an objective or an architecture.
"""

PAIRS = """\
## Objectives and architectures

"yes": compatible under all settings of the architecture. A setting: compatible only with that setting. "no": a recipe
with this pair is refused before any text is read, for the reason given below the table. Objectives have their default
settings.
"""

OBJECTIVES = """\
## Properties of each objective

Terms: the terms of the loss, with weights other than 1. Needs: the attention orders that the model must support, by
role. Boundaries: the objective reads where words or sentences start. Units: what an example is built from. Overrides:
the [optional members](#optional-members-of-an-objective) that the class defines, the number of sentinel tokens that it
needs, and the number of text windows per example if it is not one.
"""

TASKS = """\
## Tasks

A model can be fine-tuned for a task if it reads text. The head is that of the transformers class that the fine-tuned
model is exported to.
"""

STREAMS = """\
## Streams of each objective

The streams of a batch, with the inputs and labels of each position and the labels of each sequence. A label with the
name of a loss term counts the targets of that term.
"""

MEMBERS = """\
## Optional members of an objective

Defined in `danlu/objective.py`; each has a default.
"""

ARCHITECTURES = """\
## Attention orders of each architecture

By role, for each setting that changes them. An objective that needs a decoder is compatible only with architectures
that have one.
"""

EXEMPTIONS = """\
## Exempt from the conformance suite

The checks that an objective or architecture lists in `exempt`, because they cannot apply to it.
"""


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [row(head), row("---" for _ in head), *map(row, rows), ""]


def code(names: Iterable[str]) -> str:
    """Names as a list, in their order."""
    return ", ".join(f"`{name}`" for name in names) or NONE


def setting(settings: Mapping[str, Any]) -> str:
    """`unit word`; of what is itself a mapping, its keys."""
    said = {key: ", ".join(value) if isinstance(value, dict) else value for key, value in settings.items()}
    return ", ".join(f"{key} {value}" for key, value in said.items())


def pairs_section() -> list[str]:
    found = {(pair.objective, pair.architecture): pair for pair in compatibility_matrix()}
    rows = [[f"`{o}`", *(answer(found[o, a]) for a in architectures)] for o in objectives]
    reasons: dict[tuple[str, ...], list[str]] = {}
    for objective in objectives:
        refused = [found[objective, a].reason.partition("; ") for a in architectures if not found[objective, a].allowed]
        for why in dict.fromkeys(why for why, *_ in refused):
            lacks = (rest for first, _, rest in refused if first == why and rest)
            reasons.setdefault((why.removeprefix(objective), *lacks), []).append(objective)
    said = [
        f"- {why.removeprefix(' needs ').capitalize()} is needed by {code(names)}; {'; '.join(lacks)}."
        for (why, *lacks), names in reasons.items()
    ]
    return [PAIRS, *table(["", *(f"`{a}`" for a in architectures)], rows), *said, ""]


def answer(pair: Pair) -> str:
    return (pair.reason.removeprefix("with ") or "yes") if pair.allowed else "no"


def ways(name: str) -> list[tuple[str, Any]]:
    """A registered objective under the settings that change what it is, those that make no difference together."""
    found: dict[Any, list[str]] = {}
    made: dict[Any, Any] = {}
    for settings, objective in variants(objectives, name):
        what = (tuple(traits_of(objective)), tuple(map(tuple, streams_of(objective))))
        found.setdefault(what, []).append(setting(settings))
        made.setdefault(what, objective)
    alone = len(found) == 1 and len(next(iter(found.values()))) > 1
    label = {what: "" if alone else " or ".join(filter(None, said)) for what, said in found.items()}
    return [(f"`{name}`" + (f", {label[what]}" if label[what] else ""), made[what]) for what in found]


def objectives_section() -> list[str]:
    head = ["", "terms", "needs", "continues text", "boundaries", "units", "overrides"]
    rows = [[label, *traits_of(objective)] for name in objectives for label, objective in ways(name)]
    return [OBJECTIVES, *table(head, rows)]


def traits_of(objective: Any) -> list[str]:
    weights = objective.term_weights(1.0)
    terms = [f"`{t}`" + (f" × {weights[t]:g}" if weights.get(t, 1.0) != 1 else "") for t in objective.terms]
    needs = [f"{role}: {' and '.join(sorted(objective.needs[role]))}" for role in ROLES if role in objective.needs]
    besides = [f"`{name}`" for name in OPTIONAL if overrides(objective, name)]
    besides += [f"{objective.num_sentinels} sentinels"] if objective.num_sentinels else []
    besides += [f"{objective.units_per_example:g} windows"] if objective.units_per_example != 1 else []
    return [
        ", ".join(terms),
        "; ".join(needs),
        "yes" if objective.continues_text else "no",
        ", ".join(sorted(objective.boundaries)) or NONE,
        "its own" if objective.has_own_units else "windows of text",
        ", ".join(besides) or NONE,
    ]


def members() -> dict[str, str]:
    """The optional members of `Objective`, each with the summary of its documentation."""
    found = {}
    for name, value in vars(Objective).items():
        function = value.fget if isinstance(value, property) else value
        if name.startswith("_") or not inspect.isfunction(function) or getattr(function, "__isabstractmethod__", False):
            continue
        found[name] = " ".join((inspect.getdoc(function) or "").split())
    return found


OPTIONAL = tuple(members())


def overrides(objective: Objective, name: str) -> bool:
    """Whether the class defines the member itself; a property must also have another value than the default."""
    if all(name not in vars(cls) for cls in type(objective).__mro__[: type(objective).__mro__.index(Objective)]):
        return False
    default = vars(Objective)[name]
    return not isinstance(default, property) or getattr(objective, name) != default.fget(objective)


def members_section() -> list[str]:
    rows = [[f"`{name}`", documentation] for name, documentation in members().items()]
    return [MEMBERS, *table(["", ""], rows)]


def streams_section() -> list[str]:
    rows = []
    for name in objectives:
        for label, objective in ways(name):
            rows += [[label, *cells] for cells in streams_of(objective)]
    return [STREAMS, *table(["", "stream", "inputs", "labels", "sequence labels"], rows)]


def streams_of(objective: Any) -> list[list[str]]:
    return [
        [f"`{name}`", carried(fields.inputs), carried(fields.labels), carried(fields.sequence_labels)]
        for name, fields in objective.streams.items()
    ]


def carried(declared: Mapping[str, Any]) -> str:
    """Names, with what they hold where it is not one whole number."""
    found = []
    for name, kind in declared.items():
        dtype, shape = kind if isinstance(kind, tuple) else (kind, ())
        number = "whole" if np.dtype(dtype).kind in "iu" else "real"
        many = " × ".join(map(str, shape))
        what = " ".join(filter(None, [many, number])) + (" numbers" if many else " number")
        found.append(f"`{name}`" + (f" ({what})" if what != "whole number" else ""))
    return ", ".join(found) or NONE


def architectures_section() -> list[str]:
    rows = []
    for name in architectures:
        for settings, models in build_variants(name):
            offers = [", ".join(sorted(models[role].offers)) if role in models else NONE for role in ROLES]
            rows.append([f"`{name}`", setting(settings) or NONE, *offers])
    return [ARCHITECTURES, *table(["", "setting", *ROLES], rows)]


def tasks_section() -> list[str]:
    rows = [
        [f"`{name}`", inspect.cleandoc(tasks[name].__doc__ or "").splitlines()[0], head_name(tasks[name].hf_head)]  # type: ignore[attr-defined]
        for name in tasks
    ]
    return [TASKS, *table(["task", "", "transformers head"], rows)]


def head_name(head: Head | None) -> str:
    return NONE if head is None else f"`{head.kind}`"


def exemptions_section() -> list[str]:
    kinds: tuple[Registry, ...] = (objectives, architectures, tasks)
    rows = [
        [f"{kind.kind} `{name}`", what, why]
        for kind in kinds
        for name in kind
        for what, why in sorted(kind[name].exempt.items())
    ]
    return [EXEMPTIONS, *table(["", "check", "reason"], rows)]


def matrix_page() -> str:
    orders = "\n".join(f"- `{name}`: {meaning}" for name, meaning in ORDERS.items())
    parts = [INTRODUCTION.format(orders=orders), *pairs_section(), *architectures_section(), *objectives_section()]
    return "\n".join([*parts, *members_section(), *streams_section(), *tasks_section(), *exemptions_section()])
