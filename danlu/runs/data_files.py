"""Files outside the corpus that an objective reads."""

from __future__ import annotations

from danlu.durable import sha256
from danlu.objective import Objective
from danlu.runs.directory import RunDirectory


def pin_data_files(run: RunDirectory, name: str, objective: Objective) -> None:
    """Pin the files that the objective of the model `name` reads, until its training has finished.

    If a file is missing, nothing is pinned; the objective raises the error when it reads its units.
    """
    files = objective.files
    if run.is_finished(f"pretrain/{name}") or not all(path.expanduser().is_file() for path in files):
        return
    if digests := {str(path): sha256(path.expanduser()) for path in files}:
        run.pin(f"files/{name}", digests, f"a file that models.{name}.objective reads")
