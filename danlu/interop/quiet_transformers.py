"""Import transformers on demand and silence it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from danlu.errors import WrongInput


@contextmanager
def quiet_transformers() -> Iterator[ModuleType]:
    """Yield the transformers module, without progress bars or warnings inside the block."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import transformers
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
        raise WrongInput("transformers is not installed; install it with: pip install 'danlu[hf]'") from None
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield transformers
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
