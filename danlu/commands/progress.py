"""What a person sees while a run goes on: a live line on a terminal, plain lines elsewhere; all of it on stderr."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

EVERY = 10.0
"""Seconds between plain lines."""


def clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02d}"


class Progress:
    """`say` prints a line that stays; `watch` shows where training is."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.live = (
            Live(console=self.console, refresh_per_second=4, transient=True) if self.console.is_terminal else None
        )
        self.shown = 0.0
        self.start: tuple[str, int, float, int] | None = None

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

    def watch(self, record: dict[str, Any], plan: Any) -> None:
        if record["kind"] == "warning":
            self.say(record["message"])
        elif record["kind"] == "validation":
            bits = f", {record['bits_per_byte']:.3f} bits per byte" if "bits_per_byte" in record else ""
            self.say(f"{record['stage']}  step {record['step']}/{plan.steps}  held-out loss {record['loss']:.4f}{bits}")
        elif record["kind"] == "sample":
            text = " ".join((record["prompt"] + record["text"]).split())
            self.say(f"{record['stage']}  sample: {text[:100]}")
        elif record["kind"] == "train":
            self.training(record, plan)

    def training(self, record: dict[str, Any], plan: Any) -> None:
        now = time.monotonic()
        if self.start is None or self.start[0] != record["stage"]:
            self.start = (record["stage"], record["step"], now, record["tokens"])
            return
        _, step, began, tokens = self.start
        rate = (record["tokens"] - tokens) / max(now - began, 1e-9)
        left = (plan.steps - record["step"]) * (now - began) / max(1, record["step"] - step)
        loss = "none" if record["loss"] is None else f"{record['loss']:.4f}"
        line = (
            f"{record['stage']}  step {record['step']}/{plan.steps}  loss {loss}  "
            f"{rate:,.0f} tokens/s  {clock(left)} left"
        )
        if self.live:
            self.live.update(Text(line))
        elif now - self.shown >= EVERY:
            self.shown = now
            self.console.print(line, markup=False)
