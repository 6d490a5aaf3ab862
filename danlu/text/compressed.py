"""Read files that are plain or compressed with gzip (`.gz`) or Zstandard (`.zst`)."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from danlu.errors import WrongInput

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DAMAGED = (zstd.ZstdError, gzip.BadGzipFile, zlib.error, EOFError)

OPENERS: dict[str, Callable[[Path], Any]] = {".zst": lambda path: zstd.open(path, "rb"), ".gz": gzip.open}


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open the decompressed bytes of a file. Raises WrongInput if it is damaged or cannot be read."""
    try:
        with OPENERS.get(path.suffix.lower(), lambda p: p.open("rb"))(path) as file:
            yield cast(BinaryIO, file)
    except DAMAGED as error:
        raise WrongInput(f"{path}: damaged or truncated ({error}); download or compress it again") from None
    except (PermissionError, IsADirectoryError, FileNotFoundError) as error:
        raise WrongInput(f"{path}: cannot be read ({error.strerror})") from None


def suffix(path: Path) -> str:
    """Return the suffix of the format in lower case: `.jsonl` for `a.JSONL` and for `a.jsonl.zst`."""
    return Path(path.stem if path.suffix.lower() in OPENERS else path.name).suffix.lower()


@contextmanager
def create_text(path: Path) -> Iterator[TextIO]:
    """Create a UTF-8 text file compressed with Zstandard."""
    with zstd.open(path, "wt", encoding="utf-8", newline="\n") as file:
        yield cast(TextIO, file)


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a JSON-lines file written by danlu."""
    with open_bytes(path) as file:
        for line in file:
            yield json.loads(line)
