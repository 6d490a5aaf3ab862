"""Detect how plain text is divided into documents: one per file, one per line, or paragraphs between blank lines.

The rule of "auto", over all files of prose together, be they `.txt`, `.md` or `.html` (the first 4 MiB of text are
examined):

1. 20 files or more: one document per file.
2. 20 blocks or more between blank lines, of at most 40 lines on average: paragraphs.
3. 20 lines or more that are not hard-wrapped: one document per line. Text is hard-wrapped if 95 % of the lines end
   before column 100 and the median line reaches 60 % of that width: line ends then do not mark sentences or documents.
4. 3 blocks or more: paragraphs.
5. 3 lines or more, and more lines than files: one document per line.
6. Otherwise one document per file.

Fine layouts are preferred because a corpus of a few huge documents can be neither split nor shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from danlu.text.lines import Line, raw_lines

ENOUGH = 20
SAMPLE_LINES = 100_000
SAMPLE_CHARACTERS = 4 << 20


@dataclass
class LayoutStatistics:
    """Statistics of a sample: number of blocks between blank lines, and the length of every line that is not blank."""

    blocks: int = 0
    lengths: list[int] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return len(self.lengths)

    @property
    def wrapped(self) -> bool:
        """Whether the text is hard-wrapped."""
        ordered = sorted(self.lengths)
        margin = ordered[len(ordered) * 95 // 100]
        return margin < 100 and ordered[len(ordered) // 2] >= 0.6 * margin and margin >= 40


LinesOf = Callable[[Path], Iterator[Line]]
"""Returns the lines of the text of a file."""


def measure_layout(files: Sequence[Path], lines_of: LinesOf = raw_lines) -> LayoutStatistics:
    """Return the statistics of the beginnings of some files."""
    statistics, budget = LayoutStatistics(), SAMPLE_CHARACTERS // len(files)
    for path in files:
        seen, inside = 0, False
        for line in islice(lines_of(path), SAMPLE_LINES):
            length = budget if line.data is None else len(line.data.decode("utf-8", "replace").rstrip())
            if not line.blank:
                statistics.blocks += not inside
                statistics.lengths.append(length)
            inside, seen = not line.blank, seen + length
            if seen >= budget:
                break
    return statistics


def find_layout(files: Sequence[Path], lines_of: LinesOf = raw_lines) -> str:
    """Return "file", "paragraphs" or "line" by the rule above."""
    if len(files) >= ENOUGH:
        return "file"
    statistics = measure_layout(files, lines_of)
    if statistics.blocks >= ENOUGH and statistics.lines <= 40 * statistics.blocks:
        return "paragraphs"
    if statistics.lines >= ENOUGH and not statistics.wrapped:
        return "line"
    if statistics.blocks >= 3 and statistics.blocks > len(files):
        return "paragraphs"
    return "line" if statistics.lines >= 3 and statistics.lines > len(files) else "file"
