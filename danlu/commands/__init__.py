"""The command line: one file per command; heavy modules are imported when a command runs."""

from danlu.commands.main import main

__all__ = ["main"]
