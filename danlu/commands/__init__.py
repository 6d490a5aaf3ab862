"""One file a verb; heavy parts are imported when a verb runs."""

from danlu.commands.main import main

__all__ = ["main"]
