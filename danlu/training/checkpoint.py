"""Checkpoints of weights, optimizer state and training state, written atomically."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from danlu.architectures.former_names import with_current_names
from danlu.durable import damage, read_json, write_folder, write_json
from danlu.errors import WrongInput
from danlu.training.optimizers import load_state_tensors, state_tensors
from danlu.training.weight_average import Average
from danlu.training.weights import write_weights

KEEP = 2
"""Number of most recent checkpoints to keep."""

WEIGHTS, AVERAGE, OPTIMIZER = "weights.safetensors", "average.safetensors", "optimizer.safetensors"


@dataclass(frozen=True)
class TrainingState:
    """The progress of training, without tensors."""

    step: int = 0  # finished steps
    tokens: int = 0  # positions trained on
    journal_bytes: int = 0  # length of metrics.jsonl
    seconds: float = 0.0  # training time, summed over all processes of the run
    best_step: int | None = None  # step of the best validation
    best_loss: float | None = None  # loss of the best validation

    def with_validation(self, step: int, loss: float) -> TrainingState:
        """Return the state after a validation; if it is the best so far, its step and loss are recorded."""
        if self.best_loss is None or loss < self.best_loss:
            return replace(self, best_step=step, best_loss=loss)
        return self


class Checkpoints:
    """The checkpoints of one model; the last two and the best are kept."""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def steps(self) -> list[int]:
        return sorted(int(p.name.removeprefix("step-")) for p in self.folder.glob("step-*"))

    def save(
        self,
        state: TrainingState,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        average: Average | None = None,
    ) -> None:
        """Write a checkpoint, and delete all but the last `KEEP` and the best one."""

        def fill(folder: Path) -> None:
            write_weights(folder / WEIGHTS, model.state_dict())
            write_weights(folder / OPTIMIZER, state_tensors(model, optimizers))
            if average is not None:
                write_weights(folder / AVERAGE, average.weights)
            write_json(folder / "position.json", asdict(state))

        self.folder.mkdir(parents=True, exist_ok=True)
        write_folder(self.path(state.step), fill)
        keep = {*self.steps()[-KEEP:], state.best_step}
        for step in self.steps():
            if step not in keep:
                shutil.rmtree(self.path(step))

    def newest(self, warn: list[str]) -> TrainingState | None:
        """Return the state of the newest undamaged checkpoint; None if there are no checkpoints.

        A message for each damaged checkpoint that is skipped is appended to `warn`.

        Raises:
            WrongInput: if all checkpoints are damaged.
        """
        damaged = []
        for step in reversed(self.steps()):
            if not (problem := damage(self.path(step))):
                return TrainingState(**read_json(self.path(step) / "position.json"))
            damaged.append(problem)
            warn.append(f"damaged checkpoint skipped: {problem}")
        if damaged:
            raise WrongInput(
                f"every checkpoint in {self.folder} is damaged ({damaged[0]}); delete the folder to train again"
            )
        return None

    def _checked_path(self, step: int) -> Path:
        if problem := damage(self.path(step)):
            raise WrongInput(f"{problem}; choose another folder with --out to train again")
        return self.path(step)

    def load_weights(self, step: int, model: nn.Module) -> None:
        """Load the weights that were validated at a step: the moving average if there is one."""
        folder = self._checked_path(step)
        validated = folder / (AVERAGE if (folder / AVERAGE).exists() else WEIGHTS)
        model.load_state_dict(read_state(validated))

    def load(
        self,
        state: TrainingState,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        average: Average | None = None,
    ) -> None:
        """Load weights, optimizer state and the moving average to resume training from `state`."""
        folder = self._checked_path(state.step)
        model.load_state_dict(read_state(folder / WEIGHTS))
        load_state_tensors(model, optimizers, read_state(folder / OPTIMIZER))
        if average is not None:
            for name, value in read_state(folder / AVERAGE).items():
                average.weights[name].copy_(value)


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file; weight names of earlier versions are converted to the current ones."""
    return with_current_names(load_file(path))
