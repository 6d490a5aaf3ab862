"""Which directory a run is written to: an earlier run with other settings is kept, and the next name is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TypeVar

from danlu.console.language import message, translated
from danlu.errors import DirectoryTaken

T = TypeVar("T")


def candidates(base: Path) -> Iterator[Path]:
    """Yield `runs/eng`, `runs/eng-2`, `runs/eng-3` and so on."""
    yield base
    for number in count(2):
        yield base.with_name(f"{base.name}-{number}")


def in_free_directory(
    work: Callable[[Path], T], base: Path, say: Callable[[str], None], strict: bool = False
) -> tuple[T, Path]:
    """Call `work` with the first directory that is new or holds the same run; return its result and the directory.

    Args:
        work: raises DirectoryTaken if the directory belongs to another run.
        base: the first directory to try.
        say: receives a line for each directory that is kept.
        strict: try only `base`, which the user has named.
    """
    for folder in candidates(base):
        try:
            return work(folder), folder
        except DirectoryTaken as taken:
            if strict:
                raise
            say(message("next.kept", folder=folder, reason=translated("taken", taken.reason)))
    raise AssertionError("there is always another name")
