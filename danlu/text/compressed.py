"""Files that may be compressed with gzip (`.gz`) or Zstandard (`.zst`), read the same way as plain ones."""

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
    """The (decompressed) bytes of a file; one that cannot be read or is damaged raises WrongInput."""
    try:
        with OPENERS.get(path.suffix.lower(), lambda p: p.open("rb"))(path) as file:
            yield cast(BinaryIO, file)
    except DAMAGED as error:
        raise WrongInput(f"{path}: damaged or cut short ({error}); fetch or compress it again") from None
    except (PermissionError, IsADirectoryError, FileNotFoundError) as error:
        raise WrongInput(f"{path}: cannot be read ({error.strerror})") from None


def suffix(path: Path) -> str:
    """The suffix that says the format, lower case: `.jsonl` of `a.JSONL` and of `a.jsonl.zst`."""
    return Path(path.stem if path.suffix.lower() in OPENERS else path.name).suffix.lower()


@contextmanager
def create_text(path: Path) -> Iterator[TextIO]:
    """A new compressed UTF-8 text file."""
    with zstd.open(path, "wt", encoding="utf-8", newline="\n") as file:
        yield cast(TextIO, file)


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a JSON-lines file that we wrote ourselves."""
    with open_bytes(path) as file:
        for line in file:
            yield json.loads(line)
