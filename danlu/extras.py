"""Libraries of an extra (`pip install 'danlu[EXTRA]'`): imported when used, asked for in one line when absent."""

from __future__ import annotations

import importlib
import importlib.util
from importlib import metadata
from types import ModuleType

from danlu.errors import WrongInput


def require(module: str, extra: str, purpose: str) -> None:
    """As `need`, without importing it: for what is used only after long work."""
    try:
        there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        raise missing(module, extra, purpose)


def missing(module: str, extra: str, purpose: str) -> WrongInput:
    return WrongInput(f"{purpose} needs {module}; install it with: pip install 'danlu[{extra}]'")


def need(module: str, extra: str, purpose: str) -> ModuleType:
    """The module, or WrongInput with the command that installs it; `purpose` is what it is needed for."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise missing(module, extra, purpose) from None


def installed(library: str) -> str | None:
    """The version of a library, None where it is not there."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
