"""Trackers that receive the records of a run in addition to its journal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from danlu.extras import require
from danlu.registry import trackers
from danlu.settings import Settings

Record = dict[str, Any]


class Tracker(Settings, ABC):
    """A program that displays the records of a run."""

    @abstractmethod
    def require(self) -> None:
        """Raise WrongInput if the library is not installed."""

    @abstractmethod
    def open(self, run: Path) -> Callable[[Record], None]:
        """Return a function that is called with every record of the run in that directory.

        Raises:
            WrongInput: if the library is not installed.
        """


trackers.base = Tracker


@trackers.register
class TensorBoard(Tracker):
    """TensorBoard: scalars and samples of each training run, in the folder `tensorboard` of the run directory."""

    name: Literal["tensorboard"] = "tensorboard"

    def require(self) -> None:
        require("tensorboard", "track", "track: tensorboard")

    def open(self, run: Path) -> Writers:
        self.require()
        return Writers(run / "tensorboard")


class Writers:
    """Writes the records of each training run to a separate event file."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.writers: dict[str, Any] = {}

    def __call__(self, record: Record) -> None:
        from torch.utils.tensorboard import SummaryWriter

        stage, step = record["stage"], record.get("step")
        if step is None:
            return
        if stage not in self.writers:  # purge_step drops records after the last checkpoint, which are repeated
            self.writers[stage] = SummaryWriter(str(self.folder / stage), purge_step=step, flush_secs=10)
        for name, value in scalars(record).items():
            self.writers[stage].add_scalar(name, value, step)
        if record["kind"] == "sample":
            self.writers[stage].add_text("sample", record["prompt"] + record["text"], step)

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()


def scalars(record: Record) -> dict[str, float]:
    """Return the metrics of a record, with the kind of record as prefix; step, tokens and times are left out."""
    left_out = ("step", "tokens", "time", "seconds")
    metrics = {k: v for k, v in record.items() if isinstance(v, int | float) and k not in left_out}
    metrics |= {f"terms/{k}": v for k, v in record.get("terms", {}).items()}
    return {f"{record['kind']}/{name}": float(value) for name, value in metrics.items()}
