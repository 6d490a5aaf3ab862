"""The cache: folders that are built once and found again, such as corpora and token shards."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

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


def cached_folder(kind: str, key: dict[str, Any], fill: Callable[[Path], None]) -> Path:
    """The folder `<kind>-<hash of key>` of the cache; `fill` writes its files when it is absent or damaged.

    Concurrent processes wait for each other and get the same complete folder. The hashes of an existing folder are
    checked once per process.
    """
    folder = cache_root() / f"{kind}-{key_hash(key)}"
    if folder in _verified and folder.is_dir():
        return folder
    with durable.explain_disk(folder, MOVED_BY):
        folder.parent.mkdir(parents=True, exist_ok=True)
        # the system drops the lock when the process ends, however it ends
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not folder.is_dir() or durable.damage(folder):
                durable.write_folder(folder, fill, MOVED_BY)
    _verified.add(folder)
    return folder
