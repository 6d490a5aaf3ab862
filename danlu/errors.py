"""Errors that end a command in one line, each kind with its exit code, and the warning about renamed settings."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DanluError(Exception):
    """Ends the command with one line for the user and the exit code `code`."""

    code = 1


class WrongInput(DanluError):
    """Wrong input: the message says what is wrong, where, and what to do."""

    code = 2


class Stopped(DanluError):
    """The run was stopped on request; its state is saved and the same command resumes it."""

    code = 75


class RenamedKey(FutureWarning):
    """A setting is given under its former name, which the next version will not accept."""


def nearest(wrong: str, known: Iterable[str]) -> str:
    """Name the known word closest to `wrong`, or all of them when none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
