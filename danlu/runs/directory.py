"""A run's folder: what it was told, which of its stages are done, and its journal."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from danlu.durable import explain_disk, read_json, write_json, write_text
from danlu.errors import WrongInput
from danlu.config.loading import dump_recipe, first_difference, parse, plain
from danlu.settings import Settings, former_names_accepted
from danlu.training.journal import Journal


def finished(run: Path, stage: str) -> bool:
    """Whether a stage is done in a directory, which need not be there nor be a name that could be."""
    return os.path.exists(run / "stages" / f"{stage}.json")


def recorded(file: Path, kind: type[Settings]) -> Any:
    """Return the resolved recipe that a file holds; settings of an earlier version get their current names."""
    found = plain(parse(file.read_text("utf-8"), str(file)))
    try:
        with former_names_accepted():
            return kind.model_validate(found).model_dump(mode="json")
    except ValidationError:
        return found  # not a recipe any more: what differs is told by comparing it as it is


def abbreviate_digests(text: str) -> str:
    """Shorten the SHA-256 digests in a message to their first 12 digits."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1...", text)


class RunDirectory:
    """Opened by one process at a time; every finished stage has a file in `stages/`."""

    def __init__(self, path: Path, recipe: Settings):
        self.path = path
        with explain_disk(path):
            path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path / ".lock", thread_local=False)
        try:
            self._hold()
            self._remember(recipe)
            self.journal = Journal(path / "metrics.jsonl")
        except BaseException:
            self._lock.release()
            raise
        self._journal_end = 0
        self.seconds = 0.0
        """What the stages asked for so far took, in whichever process each was done."""

    def _hold(self) -> None:
        """Hold the run directory until `close`; the system drops the lock when the process ends, however it ends."""
        try:
            with explain_disk(self.path):
                self._lock.acquire(blocking=False)
        except Timeout:
            raise WrongInput(
                f"{self.path} is in use by another run; wait for it or choose another folder with --out"
            ) from None

    def _remember(self, recipe: Settings) -> None:
        """Write the resolved recipe, or check that it is the one this folder was begun with."""
        file = self.path / "recipe.yaml"
        if not file.exists():
            if any(p.name not in (".lock", ".recipe.yaml.new") for p in self.path.iterdir()):
                raise WrongInput(f"{self.path} holds other things than a run; choose an empty folder with --out")
            write_text(file, dump_recipe(recipe))
            return
        self.require_unchanged("the recipe", recorded(file, type(recipe)), recipe.model_dump(mode="json"))

    def file(self, stage: str, ending: str = "json") -> Path:
        path = self.path / "stages" / f"{stage}.{ending}"
        with explain_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def finished(self, stage: str) -> bool:
        return finished(self.path, stage)

    @property
    def journal_end(self) -> int:
        """Where the records of the stage at work begin."""
        return self._journal_end

    def stage(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The facts of a stage: read when it is done, else worked out and written down.

        Stages are asked for in the same order every time, so whatever the journal holds after the last finished one
        belongs to work that was cut off.
        """
        file = self.file(name)
        if not file.exists():
            cut_off = self.file(f"{name}.cut_off")  # what earlier processes spent on it
            before = read_json(cut_off)["seconds"] if cut_off.exists() else 0.0
            start = time.perf_counter()
            try:
                facts = work()
            except BaseException:
                with suppress(OSError, WrongInput):  # a full disk: the first error says more
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
        """Return the facts recorded under `name`; on the first call, record what `choose` returns (a measurement, a
        choice)."""
        file = self.file(name)
        if not file.exists():
            write_json(file, choose())
        return read_json(file)

    def pin(self, name: str, facts: dict[str, Any], subject: str) -> dict[str, Any]:
        """Record what the run depends on (hashes of its inputs) and return it; later calls compare.

        Raises WrongInput when `facts` differ from those of the first call. The message starts with `subject`: which
        input it is, with its recipe key where it has one.
        """
        found = self.record_once(name, lambda: facts)
        self.require_unchanged(subject, found, facts)
        return found

    def require_unchanged(self, subject: str, before: Any, now: Any) -> None:
        """Raise WrongInput that names the first difference between two sets of facts."""
        if difference := first_difference(before, now):
            raise WrongInput(
                f"{subject} changed since the run in {self.path} was started: {abbreviate_digests(difference)}; "
                "restore it, or choose another directory with --out"
            )

    def close(self) -> None:
        self.journal.close()
        self._lock.release()
