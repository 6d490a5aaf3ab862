"""Libraries of an extra (`pip install 'danlu[EXTRA]'`): imported when used, asked for in one line when absent."""

from __future__ import annotations

import importlib
from types import ModuleType

from danlu.errors import WrongInput


def need(module: str, extra: str, purpose: str) -> ModuleType:
    """The module, or WrongInput with the command that installs it; `purpose` is what it is needed for."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise WrongInput(f"{purpose} needs {module}; install it with: pip install 'danlu[{extra}]'") from None
