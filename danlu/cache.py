"""A cache of folders that are built once and reused, such as corpora and token shards."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from danlu import durable

CACHE_SETTING = "the environment variable DANLU_CACHE"

_verified: set[Path] = set()
"""Folders whose hashes this process has already checked."""


def cache_root() -> Path:
    """Return the root of the cache: `$DANLU_CACHE` if set, otherwise `danlu` in the XDG cache directory."""
    if configured := os.environ.get("DANLU_CACHE"):
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "danlu"


def key_hash(key: dict[str, Any]) -> str:
    """Return the first 16 hex digits of the SHA-256 of `key` as canonical JSON."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cached_folder(kind: str, key: dict[str, Any], fill: Callable[[Path], None]) -> Path:
    """Return the folder `<kind>-<hash of key>` of the cache; `fill` writes its files if it is missing or damaged.

    Concurrent processes wait for each other and get the same complete folder. The hashes of an existing folder are
    checked once per process.
    """
    folder = cache_root() / f"{kind}-{key_hash(key)}"
    if folder in _verified and folder.is_dir():
        return folder
    with durable.explain_write_errors(folder, CACHE_SETTING):
        folder.parent.mkdir(parents=True, exist_ok=True)
        # the operating system releases the lock even if the process is killed
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not folder.is_dir() or durable.damage(folder):
                durable.write_folder(folder, fill, CACHE_SETTING)
    _verified.add(folder)
    return folder
