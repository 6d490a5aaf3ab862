"""The run directory: the recipe, the finished stages, the pinned inputs and the journal of a run."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from danlu.config.loading import dump_recipe, first_difference, parse_yaml, to_builtin_types
from danlu.config.recipe_difference import recipe_difference
from danlu.durable import explain_write_errors, read_json, write_json, write_text
from danlu.errors import DirectoryTaken, WrongInput
from danlu.settings import Settings, former_names_accepted
from danlu.training.journal import Journal


def stage_file(run: Path, stage: str, suffix: str = "json") -> Path:
    """Return the file of a stage in a run directory."""
    return run / "stages" / f"{stage}.{suffix}"


def is_finished(run: Path, stage: str) -> bool:
    """Return whether a stage has finished. The directory need not exist, and its name may be invalid."""
    return os.path.exists(stage_file(run, stage))


def read_recorded_recipe(file: Path, kind: type[Settings]) -> Any:
    """Read the resolved recipe in a file; settings of an earlier version get their current names."""
    found = to_builtin_types(parse_yaml(file.read_text("utf-8"), str(file)))
    try:
        with former_names_accepted():
            return kind.model_validate(found).model_dump(mode="json")
    except ValidationError:
        return found  # no longer a valid recipe: returned unchanged, so that the comparison names the difference


def abbreviate_digests(text: str) -> str:
    """Shorten the SHA-256 digests in a message to their first 12 digits."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1...", text)


class RunDirectory:
    """The directory of a run, used by one process at a time. Every finished stage has a file in `stages/`.

    Opening it writes the recipe, or checks that it is the one that the run was started with.
    """

    def __init__(self, path: Path, recipe: Settings):
        self.path = path
        self._existed = os.path.exists(path)
        self._new = False
        with explain_write_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path / ".lock", thread_local=False)
        try:
            self._acquire_lock(recipe)
            self._write_or_check_recipe(recipe)
            self.journal = Journal(path / "metrics.jsonl")
        except BaseException:
            self._lock.release()
            raise
        self._journal_end = 0
        self.seconds = 0.0
        """Working time of the stages requested so far, in all processes."""

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()

    @contextmanager
    def discard_if_refused(self) -> Iterator[None]:
        """Remove a new run directory if the block raises WrongInput, and raise it again.

        The directory of a run that was started before is left unchanged.
        """
        try:
            yield
        except WrongInput:
            if self._new:
                self.close()
                self._discard()
            raise

    def _discard(self) -> None:
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        if not self._existed:
            self.path.rmdir()

    def _acquire_lock(self, recipe: Settings) -> None:
        """Lock the run directory until `close`; the system also releases the lock if the process is killed.

        Raises WrongInput if it is in use, namely DirectoryTaken if by a run with another recipe.
        """
        try:
            with explain_write_errors(self.path):
                self._lock.acquire(blocking=False)
        except Timeout:
            message = f"{self.path} is in use by another run; wait for it, or choose another directory with --out"
            if (self.path / "recipe.yaml").exists() and (difference := self._recipe_difference(recipe)):
                raise DirectoryTaken(message, f"the recipe changed since: {difference}") from None
            raise WrongInput(message) from None

    def _write_or_check_recipe(self, recipe: Settings) -> None:
        """Write the resolved recipe, or check that it is the one that the run was started with."""
        file = self.path / "recipe.yaml"
        if not file.exists():
            if any(p.name not in (".lock", ".recipe.yaml.new") for p in self.path.iterdir()):
                message = f"{self.path} is not a run directory and not empty; choose another one with --out"
                raise DirectoryTaken(message, "it is not a run directory and not empty")
            self._new = True
            write_text(file, dump_recipe(recipe))
            return
        if difference := self._recipe_difference(recipe):
            raise self._changed("the recipe", difference)

    def _recipe_difference(self, recipe: Settings) -> str | None:
        """Describe how a recipe differs from the one that the run was started with."""
        recorded = read_recorded_recipe(self.path / "recipe.yaml", type(recipe))
        return recipe_difference(recorded, recipe.model_dump(mode="json"))

    def file(self, stage: str, suffix: str = "json") -> Path:
        """Return the file of a stage and create its folder."""
        path = stage_file(self.path, stage, suffix)
        with explain_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def is_finished(self, stage: str) -> bool:
        return is_finished(self.path, stage)

    @property
    def journal_end(self) -> int:
        """Offset in the journal, in bytes, at which the records of the current stage start."""
        return self._journal_end

    def stage(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the facts of a stage, from its file if it has finished before, otherwise by doing its work.

        Stages are requested in the same order every time, so journal records after the last finished stage belong to
        interrupted work.
        """
        file = self.file(name)
        if not file.exists():
            cut_off = self.file(f"{name}.cut_off")  # the time that interrupted processes spent on the stage
            before = read_json(cut_off)["seconds"] if cut_off.exists() else 0.0
            start = time.perf_counter()
            try:
                facts = work()
            except BaseException:
                with suppress(OSError, WrongInput):  # a full disk: the first error is the one to report
                    write_json(cut_off, {"seconds": before + time.perf_counter() - start})
                raise
            spent = before + time.perf_counter() - start
            write_json(file, {"facts": facts, "journal_bytes": self.journal.position(), "seconds": spent})
            cut_off.unlink(missing_ok=True)
        done = read_json(file)
        self.journal.require(done["journal_bytes"])
        self._journal_end = done["journal_bytes"]
        self.seconds += done["seconds"]
        return done["facts"]

    def record_once(self, name: str, choose: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the facts recorded under `name`; on the first call, record the measurement or choice of `choose`."""
        file = self.file(name)
        if not file.exists():
            write_json(file, choose())
        return read_json(file)

    def pin(self, name: str, facts: dict[str, Any], subject: str) -> dict[str, Any]:
        """Record facts about an input of the run, such as its hash, on the first call, and check them on later calls.

        Raises DirectoryTaken if `facts` differ from those of the first call. The message starts with `subject`, which
        names the input and its recipe key if it has one.
        """
        found = self.record_once(name, lambda: facts)
        self.require_unchanged(subject, found, facts)
        return found

    def require_unchanged(self, subject: str, before: Any, now: Any) -> None:
        """Raise DirectoryTaken with the first difference between two sets of facts."""
        if difference := first_difference(before, now):
            raise self._changed(subject, difference)

    def _changed(self, subject: str, difference: str) -> DirectoryTaken:
        """Return the error for an input of the run that is not the one that the run was started with."""
        named = abbreviate_digests(difference)
        message = (
            f"{subject} changed since the run in {self.path} was started: {named}; "
            "restore it, or choose another directory with --out"
        )
        return DirectoryTaken(message, f"{subject} changed since: {named}")

    def close(self) -> None:
        self.journal.close()
        self._lock.release()
