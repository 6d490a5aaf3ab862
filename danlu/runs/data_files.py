"""The files of their own that objectives read beside the corpus: a run goes on with the same ones only."""

from __future__ import annotations

from typing import Any

from danlu.durable import sha256
from danlu.errors import WrongInput
from danlu.runs.directory import RunDirectory
pass


def bind_files(run: RunDirectory, name: str, objective: Any) -> None:
    """Writes down the hashes of what the objective of the model `name` reads, and compares them until its training has
    ended. WrongInput for another file than the run was begun with; a missing one is the objective's to tell."""
    files = [path for path in objective.files if path.expanduser().is_file()]
    if not files or run.finished(f"pretrain/{name}"):
        return
    found = {str(path): sha256(path.expanduser()) for path in files}
    recorded = run.decide(f"files/{name}", lambda: found)
    for path, digest in found.items():
        if recorded.get(path) != digest:
            raise WrongInput(
                f"models.{name}.objective: {path} is not what {run.path} was begun with; put it back, or choose "
                "another folder with --out"
            )
