"""How an objective makes its examples must not change while a model is trained."""

from __future__ import annotations

from danlu.durable import read_json, write_json
from danlu.errors import WrongInput
from danlu.objective import Objective
from danlu.runs.directory import RunDirectory


def pin_example_version(run: RunDirectory, name: str, objective: Objective) -> None:
    """Pin `Objective.example_version` of the model `name` until its training has finished.

    Version 1 is not recorded, so that trainings without a record, such as those of earlier versions of danlu, have it.

    Raises:
        WrongInput: if the training has checkpoints of another version.
    """
    if run.is_finished(f"pretrain/{name}"):
        return
    stage, checkpoints = f"examples/{name}", run.path / "checkpoints" / name
    recorded = read_json(run.file(stage))["version"] if run.is_finished(stage) else 1
    version = objective.example_version
    if recorded == version:
        return
    if any(checkpoints.glob("step-*")):
        raise WrongInput(
            f"models.{name}.objective: {objective.name} makes other examples than in the version of danlu that started "
            f"this training; delete {checkpoints} to train the model again, or choose another directory with --out"
        )
    write_json(run.file(stage), {"version": version})
