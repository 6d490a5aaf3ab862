"""Sinks that follow a run beside its journal, for those who watch elsewhere; the journal stays the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from danlu.extras import need
from danlu.registry import trackers
from danlu.settings import Settings

Record = dict[str, Any]


@trackers.register
class TensorBoard(Settings):
    """Scalars and samples of each stage in `tensorboard/`, for `tensorboard --logdir`."""

    name: Literal["tensorboard"] = "tensorboard"

    def open(self, run: Path) -> Writers:
        """What is told of every record of the run in that folder. WrongInput when the extra is missing."""
        need("tensorboard", "track", "track: tensorboard")
        return Writers(run / "tensorboard")


class Writers:
    """One event file a stage."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.writers: dict[str, Any] = {}

    def __call__(self, record: Record) -> None:
        from torch.utils.tensorboard import SummaryWriter

        stage, step = record["stage"], record.get("step")
        if step is None:
            return
        if stage not in self.writers:  # what an earlier process wrote beyond its last checkpoint is done again
            self.writers[stage] = SummaryWriter(str(self.folder / stage), purge_step=step, flush_secs=10)
        for name, value in scalars(record).items():
            self.writers[stage].add_scalar(name, value, step)
        if record["kind"] == "sample":
            self.writers[stage].add_text("sample", record["prompt"] + record["text"], step)

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()


def scalars(record: Record) -> dict[str, float]:
    """The numbers of a record that change over a training, below the kind of record they are of."""
    left_out = ("step", "tokens", "time", "seconds")
    found = {k: v for k, v in record.items() if isinstance(v, int | float) and k not in left_out}
    found |= {f"terms/{k}": v for k, v in record.get("terms", {}).items()}
    return {f"{record['kind']}/{name}": float(value) for name, value in found.items()}
