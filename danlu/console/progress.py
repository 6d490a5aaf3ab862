"""Progress of a command: a live line on a terminal, plain lines elsewhere; all of it on stderr."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from danlu.console.reporter import TrainingLines
from danlu.console.training_text import TrainingSpeed, record_text
from danlu.training.plan import Plan


class Progress:
    """`say` prints a line that stays; `watch` shows the state of a training."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.live = (
            Live(console=self.console, refresh_per_second=4, transient=True) if self.console.is_terminal else None
        )
        self._speed = TrainingSpeed()
        self._lines = TrainingLines(self.say)

    def __enter__(self) -> Progress:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def say(self, line: str) -> None:
        if self.live:
            self.live.update(Text(""))
        self.console.print(line, markup=False)

    def watch(self, record: dict[str, Any], plan: Plan) -> None:
        if self.live is None:
            self._lines(record, plan)
        elif record["kind"] == "train":
            if line := self._speed.line(record, plan):
                self.live.update(Text(line))
        elif line := record_text(record, plan):
            self.say(line)
