"""Optional libraries (`pip install 'danlu[EXTRA]'`): imported on first use, with a one-line error if missing."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shlex
import sys
from importlib import metadata
from types import ModuleType
from urllib.parse import urlsplit
from urllib.request import url2pathname

from danlu.errors import WrongInput


def require(module: str, extra: str, purpose: str) -> None:
    """Raise WrongInput if a module is not installed, without importing it.

    Call it before a long computation that needs the module at its end.
    """
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        raise missing_library(module, extra, purpose)


def missing_library(module: str, extra: str, purpose: str) -> WrongInput:
    """Return the error for a module that is not installed, with the command that installs it."""
    return WrongInput(f"{purpose} needs {module}; install it with: {install_command(extra)}")


def install_command(extra: str) -> str:
    """Return the command that installs an extra: from the folder that danlu was installed from, if there is one."""
    try:
        origin = json.loads(metadata.distribution("danlu").read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        origin = {}
    url = urlsplit(origin.get("url", ""))
    if url.scheme != "file":
        return f"pip install 'danlu[{extra}]'"
    editable = ["-e"] if origin.get("dir_info", {}).get("editable") else []
    words = [sys.executable, "-m", "pip", "install", *editable, f"{url2pathname(url.path)}[{extra}]"]
    return shlex.join(words)


def import_optional(module: str, extra: str, purpose: str) -> ModuleType:
    """Import and return an optional module.

    Args:
        module: name of the module.
        extra: the extra of danlu that installs it.
        purpose: what the module is needed for; the subject of the error message.

    Raises:
        WrongInput: if the module is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise missing_library(module, extra, purpose) from None


def installed_version(library: str) -> str | None:
    """Return the version of a library; None if it is not installed."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
