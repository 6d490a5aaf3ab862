"""docs/reference/matrix.md: what goes with what, and what each objective and architecture is, from the registries."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from danlu import traits
from danlu.recipes.matrix import Pair, matrix, offered, variants
from danlu.registry import Registry, architectures, objectives
from danlu.traits import bounds_of, sentinels_of, token_head, weights_of, windows_of

ORDERS = {
    "causal": "what came before",
    "full": "both sides",
    "pointwise": "itself alone",
    "any": "what any order says",
}
"""What a position sees, by the names of the waist."""

ROLES = ("backbone", "decoder")
NONE = "–"

INTRODUCTION = """\
# What goes with what

`danlu matrix` prints the first table. How a position sees the others of its text has four names:

{orders}

Objectives say in `needs` what their models must see, architectures in `offers` what theirs do; `any` is enough for all.
The settings of each are among [what a recipe can say](recipe.md); [CONTRIBUTING](../../CONTRIBUTING.md) shows how to
add one.
"""

PAIRS = """\
## Objectives and architectures

Yes: under all settings of the architecture. A setting: under that one only. No: a recipe with the two is refused
before any text is read, for the reason below the table. An objective stands here with its own settings.
"""

OBJECTIVES = """\
## What each objective is

Terms are the names of its losses, with their weight where it is not 1. Bounds: it is told where words or sentences
begin. Units: what one example is made of. Has besides: traits of the
[table below](#what-an-objective-may-have-besides); head own, where a head of its own stands before the vocabulary, and
head none, where it predicts no tokens; sentinels that the tokenizer gets for it; how many windows of text make one
example where it is not one.
"""

STREAMS = """\
## What each objective lays out

Its streams, and what each position (inputs, labels) or each sequence (marks) of them carries. A label or mark of a
term's name counts its targets.
"""

TRAITS = """\
## What an objective may have besides

From `danlu/traits.py`.
"""

ARCHITECTURES = """\
## What each architecture offers

By role, under each setting that changes it. An objective that needs a decoder goes with those that have one.
"""

EXEMPTIONS = """\
## Exempt from the conformance suite

What an objective or architecture says in `exempt` that it cannot do; the suite asks for all else.
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
    found = {(pair.objective, pair.architecture): pair for pair in matrix()}
    rows = [[f"`{o}`", *(answer(found[o, a]) for a in architectures)] for o in objectives]
    reasons: dict[tuple[str, ...], list[str]] = {}
    for objective in objectives:
        refused = [found[objective, a].reason.partition("; ") for a in architectures if not found[objective, a].allowed]
        for why in dict.fromkeys(why for why, *_ in refused):
            lacks = (rest for first, _, rest in refused if first == why and rest)
            reasons.setdefault((why.removeprefix(objective), *lacks), []).append(objective)
    said = [f"- What{why} ({code(names)}): {'; '.join(lacks)}." for (why, *lacks), names in reasons.items()]
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
    head = ["", "terms", "its models see", "continues text", "bounds", "units", "has besides"]
    rows = [[label, *traits_of(objective)] for name in objectives for label, objective in ways(name)]
    return [OBJECTIVES, *table(head, rows)]


def traits_of(objective: Any) -> list[str]:
    weights = weights_of(objective, 1.0)
    terms = [f"`{t}`" + (f" × {weights[t]:g}" if weights.get(t, 1.0) != 1 else "") for t in objective.terms]
    needs = [f"{role}: {' and '.join(sorted(objective.needs[role]))}" for role in ROLES if role in objective.needs]
    besides = [f"`{name}`" for name, members in protocols().items() if has(objective, members)]
    besides += [f"head {token_head(objective)}"] if token_head(objective) != "model" else []
    besides += [f"{sentinels_of(objective)} sentinels"] if sentinels_of(objective) else []
    besides += [f"{windows_of(objective):g} windows"] if windows_of(objective) != 1 else []
    return [
        ", ".join(terms),
        "; ".join(needs),
        "yes" if objective.continues_text else "no",
        ", ".join(sorted(bounds_of(objective))) or NONE,
        "its own" if hasattr(objective, "units") else "windows of text",
        ", ".join(besides) or NONE,
    ]


def has(objective: Any, members: Sequence[str]) -> bool:
    """Whether it has all of them; one that is no method must also say something (an empty set says nothing)."""
    return all(bool(getattr(objective, member, False)) for member in members)


def protocols() -> dict[str, tuple[str, ...]]:
    """What danlu.traits describes, with the names of the members of each."""
    return {
        name: tuple(m for m in (*inspect.get_annotations(cls), *vars(cls)) if not m.startswith("_"))
        for name, cls in sorted(vars(traits).items())
        if inspect.isclass(cls) and cls.__module__ == traits.__name__ and getattr(cls, "_is_protocol", False)
    }


def traits_section() -> list[str]:
    rows = [
        [f"`{name}`", code(members), " ".join((getattr(traits, name).__doc__ or "").split())]
        for name, members in protocols().items()
    ]
    return [TRAITS, *table(["", "members", ""], rows)]


def streams_section() -> list[str]:
    rows = []
    for name in objectives:
        for label, objective in ways(name):
            rows += [[label, *cells] for cells in streams_of(objective)]
    return [STREAMS, *table(["", "stream", "inputs", "labels", "marks"], rows)]


def streams_of(objective: Any) -> list[list[str]]:
    return [
        [f"`{name}`", carried(fields.inputs), carried(fields.labels), carried(fields.marks)]
        for name, fields in objective.fields.items()
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
        for settings, models in offered(name):
            offers = [", ".join(sorted(models[role].offers)) if role in models else NONE for role in ROLES]
            rows.append([f"`{name}`", setting(settings) or NONE, *offers])
    return [ARCHITECTURES, *table(["", "with", *ROLES], rows)]


def exemptions_section() -> list[str]:
    kinds: tuple[Registry, ...] = (objectives, architectures)
    rows = [
        [f"{kind.kind} `{name}`", what, why]
        for kind in kinds
        for name in kind
        for what, why in sorted(getattr(kind[name], "exempt", {}).items())
    ]
    return [EXEMPTIONS, *table(["", "what", "why"], rows)]


def matrix_page() -> str:
    orders = "\n".join(f"- `{name}`: {meaning}" for name, meaning in ORDERS.items())
    parts = [INTRODUCTION.format(orders=orders), *pairs_section(), *architectures_section(), *objectives_section()]
    return "\n".join([*parts, *traits_section(), *streams_section(), *exemptions_section()])
