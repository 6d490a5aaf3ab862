"""Atomic writes: files and folders are either complete or absent, even after a crash or on a full disk."""

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
"""False on Windows, which cannot open directories and makes renames durable without an fsync."""


def sync_folder(folder: Path) -> None:
    """Flush the entries of a directory to disk; without it, a rename may be lost in a power failure."""
    if not SYNCS_FOLDERS:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Flush the content of a file to disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the content of `path` atomically: readers see either the old content or the new one."""
    temporary = path.with_name(f".{path.name}.new")
    with explain_write_errors(path):
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8 with `write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON with `write_bytes`."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """Return the value of a JSON file; WrongInput if the file is damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise WrongInput(f"{path} is damaged ({error}); delete it and run again") from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_folder(folder: Path, fill: Callable[[Path], None], option: str = "--out") -> None:
    """Create or replace a folder atomically.

    The files are written into a temporary folder, flushed to disk and listed with their hashes in a manifest; then the
    folder is renamed.

    Args:
        folder: path of the folder.
        fill: writes the files into the temporary folder.
        option: the option that changes the path, for error messages.
    """
    temporary = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    with explain_write_errors(folder, option):
        temporary.mkdir(parents=True)
        fill(temporary)
        files = sorted(p for p in temporary.rglob("*") if p.is_file())
        manifest = {str(p.relative_to(temporary)): {"bytes": p.stat().st_size, "sha256": sha256(p)} for p in files}
        for path in files:
            sync_file(path)
        write_json(temporary / MANIFEST, manifest)
        for subfolder in sorted(p for p in temporary.rglob("*") if p.is_dir()):
            sync_folder(subfolder)
        sync_folder(temporary)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
        sync_folder(folder.parent)


def damage(folder: Path) -> str | None:
    """Describe the first file of a folder that does not match the manifest; None if all files match."""
    if not (folder / MANIFEST).is_file():
        return f"{folder} has no {MANIFEST}"
    try:
        manifest = read_json(folder / MANIFEST)
    except WrongInput:
        return f"{folder / MANIFEST} was changed after it was written"
    for name, facts in manifest.items():
        path = folder / name
        if not path.is_file():
            return f"{path} is missing"
        if path.stat().st_size != facts["bytes"] or sha256(path) != facts["sha256"]:
            return f"{path} was changed after it was written"
    return None


ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and run again, nothing saved is lost",
    errno.EDQUOT: "your disk quota is used up; free some space and run again, nothing saved is lost",
    errno.EACCES: "no permission to write there; choose another folder with {option}",
    errno.EPERM: "no permission to write there; choose another folder with {option}",
    errno.EROFS: "that file system is read-only; choose another folder with {option}",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one with {option}",
    errno.ENOTDIR: "a file exists where a folder is needed; choose another folder with {option}",
    errno.EEXIST: "a file exists where a folder is needed; choose another folder with {option}",
}


class explain_write_errors:
    """Context manager that turns write errors (full disk, no permission) into a one-line message with advice.

    Args:
        path: the file or folder that is written.
        option: the option that changes the path.
    """

    def __init__(self, path: Path, option: str = "--out"):
        self.path, self.option = path, option

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno in ADVICE:
            raise WrongInput(f"cannot write {self.path}: {ADVICE[error.errno].format(option=self.option)}") from None
