"""Refuse classes that misspell a member of their base class, which Python would silently ignore."""

from __future__ import annotations

import difflib
import inspect

from danlu.settings import Settings


def refuse_misspelt_members(cls: type[Settings], base: type[Settings]) -> None:
    """Raise TypeError if a class defines a member whose name is almost equal to a member of its base class."""
    public = {name for name in vars(base) if not name.startswith("_")} | {"name"}
    inherited = {name for parent in cls.__mro__[1:] for name in vars(parent)} | cls.model_fields.keys()
    for name, value in vars(cls).items():
        if name.startswith("_"):
            continue
        known = vars(base).get(name)
        if inspect.isfunction(known) and inspect.isfunction(value):
            expected, given = (list(inspect.signature(f).parameters) for f in (known, value))
            if expected != given:
                raise TypeError(f"{cls.__name__}.{name} takes {given}, not {expected}")
        if name not in inherited and (close := difflib.get_close_matches(name, public, n=1, cutoff=0.85)):
            raise TypeError(f"{cls.__name__}.{name}: {base.__name__} has no such member; did you mean {close[0]!r}?")
