"""From events to lines of text: what the Python functions print while they work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from danlu.console.event_text import event_lines
from danlu.console.training_text import TrainingSpeed, record_text
from danlu.runs.events import Emit, Event, TrainingProgress, ignore
from danlu.training.plan import Plan

Say = Callable[[str], None]
"""Called with every line of progress."""

Watch = Callable[[dict[str, Any], Plan], None]
"""Called with every record of a training and its plan."""

EVERY = 10.0
"""Seconds between two lines about training steps."""


def print_line(line: str) -> None:
    """Print a line of progress on stderr, so that stdout holds results only."""
    print(line, file=sys.stderr, flush=True)


class TrainingLines:
    """Says the validations, samples and warnings of trainings, and a training step every few seconds."""

    def __init__(self, say: Say, every: float = EVERY) -> None:
        self.say, self.every = say, every
        self._speed = TrainingSpeed()
        self._last = 0.0

    def __call__(self, record: dict[str, Any], plan: Plan) -> None:
        if record["kind"] != "train":
            if line := record_text(record, plan):
                self.say(line)
            return
        line, now = self._speed.line(record, plan), time.monotonic()
        if line and now - self._last >= self.every:
            self._last = now
            self.say(line)


def reporter(say: Say | None, watch: Watch | None = None, quiet: bool = False) -> Emit:
    """Return the callback of a run that says every event.

    Args:
        say: receives each line; None says nothing.
        watch: receives the records of trainings; None says them as lines, too.
        quiet: say nothing; `watch` is called all the same.
    """
    if say is None or quiet:
        return ignore if watch is None else lambda event: _forward(event, watch)
    training = watch or TrainingLines(say)

    def emit(event: Event) -> None:
        if isinstance(event, TrainingProgress):
            training(event.record, event.plan)
            return
        for line in event_lines(event):
            say(line)

    return emit


def _forward(event: Event, watch: Watch) -> None:
    if isinstance(event, TrainingProgress):
        watch(event.record, event.plan)
