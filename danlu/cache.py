"""Folders that are made once and found again: corpora, token shards."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from danlu import durable

MOVED_BY = "the environment variable DANLU_CACHE"

_verified: set[Path] = set()
"""Folders whose hashes this process has already checked."""


def cache_root() -> Path:
    """`$DANLU_CACHE`, else `danlu` under the XDG cache home."""
    if chosen := os.environ.get("DANLU_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "danlu"


def key_hash(key: dict[str, Any]) -> str:
    """The first 16 hex digits of the sha256 of `key` as canonical JSON."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`; the system drops it when the process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cached_folder(kind: str, key: dict[str, Any], fill: Callable[[Path], None]) -> Path:
    """The folder `<kind>-<hash of key>` of the cache; `fill` writes its files when it is absent or damaged.

    Two processes that ask at once wait for each other and both get one whole folder. The hashes of a folder that is
    already there are checked once a process.
    """
    folder = cache_root() / f"{kind}-{key_hash(key)}"
    if folder in _verified and folder.is_dir():
        return folder
    with durable.explain_disk(folder, MOVED_BY):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(f"{folder.name}.lock")):
            if not folder.is_dir() or durable.damage(folder):
                durable.write_folder(folder, fill, MOVED_BY)
    _verified.add(folder)
    return folder
