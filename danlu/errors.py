"""Errors that end a command with a one-line message and an exit code, and the warning about renamed settings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class DanluError(Exception):
    """Base class of errors that are printed as one line, without a traceback."""

    code = 1
    """Exit code of the command."""


class WrongInput(DanluError):
    """Error in the user's input; the message says what is wrong, where, and what to do."""

    code = 2


class DirectoryTaken(WrongInput):
    """The run directory belongs to a run with another recipe or input, or holds other files.

    `reason` says so without the name of the directory.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Stopped(DanluError):
    """The run was stopped on request; its state is saved and the same command resumes it."""

    code = 75


class RenamedKey(FutureWarning):
    """Warning that a setting is given under its former name, which the next version will not accept."""


def refuse_url(name: str, subject: str) -> None:
    """Raise WrongInput if the name of a file or folder is the address of a web page; `subject` is what it names."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", name) and not re.match(r"[A-Za-z]:/", name):
        raise WrongInput(
            f"{subject} is the address {name}, and danlu downloads nothing; download it and give the file or folder"
        )


def nearest(wrong: str, known: Iterable[str], kind: str = "known") -> str:
    """Suggest the known name closest to `wrong`, or list all known names, after `kind`, if none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"{kind}: {', '.join(names)}"
