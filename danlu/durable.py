"""Writing files that are either complete or absent, also after a kill or a full disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from danlu.errors import WrongInput

MANIFEST = "manifest.json"


SYNCS_FOLDERS = os.name != "nt"
"""Windows cannot open a directory, and makes renames durable by itself."""


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable (a rename is not until its directory is synced)."""
    if not SYNCS_FOLDERS:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step: readers see the old file or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    with explain_disk(path):
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of a text in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise WrongInput(f"{path} is damaged ({error}); delete it and run again") from None


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_folder(folder: Path, fill: Callable[[Path], None], way: str = "--out") -> None:
    """Publish a folder in one step: `fill` writes into a fresh one, which is synced, listed with hashes and renamed.

    A folder of that name is replaced. `way` is what `explain_disk` advises.
    """
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    with explain_disk(folder, way):
        fresh.mkdir(parents=True)
        fill(fresh)
        files = sorted(p for p in fresh.rglob("*") if p.is_file())
        listed = {str(p.relative_to(fresh)): {"bytes": p.stat().st_size, "sha256": sha256(p)} for p in files}
        for path in files:
            sync_file(path)
        write_json(fresh / MANIFEST, listed)
        for sub in sorted(p for p in fresh.rglob("*") if p.is_dir()):
            sync_folder(sub)
        sync_folder(fresh)
        if folder.exists():
            shutil.rmtree(folder)
        fresh.replace(folder)
        sync_folder(folder.parent)


def damage(folder: Path) -> str | None:
    """What is wrong with a published folder, in a clause; None when every file is as it was written."""
    if not (folder / MANIFEST).is_file():
        return f"{folder} has no {MANIFEST}"
    try:
        listed = read_json(folder / MANIFEST)
    except WrongInput:
        return f"{folder / MANIFEST} is not as it was written"
    for name, facts in listed.items():
        path = folder / name
        if not path.is_file():
            return f"{path} is missing"
        if path.stat().st_size != facts["bytes"] or sha256(path) != facts["sha256"]:
            return f"{path} is not as it was written"
    return None


ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and run again, nothing saved is lost",
    errno.EDQUOT: "your disk quota is used up; free some space and run again, nothing saved is lost",
    errno.EACCES: "no permission to write there; choose another folder with {way}",
    errno.EPERM: "no permission to write there; choose another folder with {way}",
    errno.EROFS: "that file system is read-only; choose another folder with {way}",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one with {way}",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another folder with {way}",
    errno.EEXIST: "a file stands where a folder is needed; choose another folder with {way}",
}


class explain_disk:
    """Turns the operating system's refusal to write (full disk, no permission) into one line that says what to do.

    way: what the user sets to have it written elsewhere.
    """

    def __init__(self, path: Path, way: str = "--out"):
        self.path, self.way = path, way

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno in ADVICE:
            raise WrongInput(f"cannot write {self.path}: {ADVICE[error.errno].format(way=self.way)}") from None
