"""The ways a command may end other than well, each with its exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DanluError(Exception):
    """Something to tell the user in one line; the command exits with `code`."""

    code = 1


class WrongInput(DanluError):
    """The input is at fault: the message says what is wrong, where, and the nearest right thing."""

    code = 2


class Stopped(DanluError):
    """The run was asked to stop, saved its state and can be continued by the same command."""

    code = 75


def nearest(wrong: str, known: Iterable[str]) -> str:
    """A clause naming the known words closest to `wrong`, or all of them when none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
