"""Open the sources that a recipe names."""

from __future__ import annotations

import difflib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from danlu.durable import sha256
from danlu.errors import WrongInput, nearest
from danlu.text.compressed import suffix
from danlu.text.digit_captions import DigitCaptions
from danlu.text.documents import Document, Rejected
from danlu.text.encodings import encoding_of
from danlu.text.formats import FORMATS, Reading
from danlu.text.layout import find_layout
from danlu.text.pydocs import Pydocs
from danlu.text.sentence_pairs import SentencePairs
from danlu.text.source import Source

log = logging.getLogger(__name__)

SUPPORTED = f"supported: {', '.join(FORMATS)}, each also with .gz or .zst"

BINARY = frozenset({".parquet"})
"""Formats that define their own encoding."""

PLAIN = ".txt"
"""The only format with several layouts."""


@dataclass
class Files(Source):
    """Text files in any of the supported formats."""

    paths: list[Path]
    documents_as: str
    """How `.txt` files are divided into documents; "auto" detects it."""
    text_field: str
    """Field of a record, or column of a table, that holds the text."""

    def identity(self) -> dict[str, Any]:
        return {"files": {str(p): _hash(p) for p in self.paths}}

    @cached_property
    def _reading(self) -> Reading:
        plain = [p for p in self.paths if suffix(p) == PLAIN]
        layout = find_layout(plain) if plain and self.documents_as == "auto" else self.documents_as
        return Reading(self.text_field, layout)

    def has_plain_text(self) -> bool:
        return any(suffix(path) == PLAIN for path in self.paths)

    def layout(self) -> str:
        kinds = sorted({suffix(p) for p in self.paths})
        return " and ".join(dict.fromkeys(FORMATS[kind].layout(self._reading) for kind in kinds))

    def facts(self) -> dict[str, Any]:
        formats = Counter(suffix(p) for p in self.paths)
        found = [(p, encoding_of(p)) for p in self.paths if suffix(p) not in BINARY]
        not_utf8 = [f"{path} ({encoding})" for path, encoding in found if encoding != "utf-8"]
        if not_utf8:
            more = f" and {len(not_utf8) - 3} more" if len(not_utf8) > 3 else ""
            log.info("files in encodings other than UTF-8: %s%s", ", ".join(not_utf8[:3]), more)
        return {"formats": dict(formats), "encodings": dict(Counter(encoding for _, encoding in found))}

    def documents(self) -> Iterator[Document | Rejected]:
        for path in self.paths:
            yield from FORMATS[suffix(path)].read(path, self._reading)


BUILTIN: dict[str, Callable[[], Source]] = {
    "builtin:pydocs": Pydocs,
    "builtin:sentence_pairs": SentencePairs,
    "builtin:digit_captions": DigitCaptions,
}


def _hash(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise WrongInput(f"{path}: cannot be read ({error.strerror})") from None


def path_not_found(path: Path, setting: str = "source") -> WrongInput:
    """Return the error for a path that does not exist, with the nearest existing name; `setting` names the path."""
    parent = next(p for p in path.absolute().parents if p.is_dir())
    wrong = path.absolute().relative_to(parent).parts[0]
    names = sorted(os.listdir(parent))
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    if close:
        right = path.with_name(close[0]) if path.absolute().parent == parent else parent / close[0]
        return WrongInput(f"{setting}: {path} does not exist; did you mean {right}?")
    listed = f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''}" or "nothing"
    return WrongInput(f"{setting}: {path} does not exist; {parent} contains: {listed}")


def files_below(top: Path) -> Iterator[Path]:
    """Yield all files below a folder except hidden ones. Links to folders are followed, each folder once.

    Raises WrongInput for a folder that cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise WrongInput(f"{error.filename}: cannot be read ({error.strerror})")

    seen = {os.path.realpath(top)}
    for folder, subfolders, files in os.walk(top, onerror=refuse, followlinks=True):
        new = {s: os.path.realpath(Path(folder, s)) for s in sorted(subfolders) if not s.startswith(".")}
        subfolders[:] = [s for s, real in new.items() if not (real in seen or seen.add(real))]
        yield from (Path(folder, f) for f in files if not f.startswith("."))


def find_files(source: str) -> list[Path]:
    """Return the file at a path, or all files in supported formats below a folder, sorted and without hidden ones."""
    path = Path(source).expanduser()
    if not path.exists():
        raise path_not_found(path)
    if path.is_file():
        if suffix(path) not in FORMATS:
            raise WrongInput(f"source: {path} is not in a supported text format; {SUPPORTED}")
        return [path]
    if not path.is_dir():
        raise WrongInput(f"source: {path} is neither a file nor a folder")
    found, others = [], Counter()
    for file in files_below(path):
        if suffix(file) in FORMATS:
            found.append(file)
        else:
            others[file.suffix or file.name] += 1
    if not found:
        seen = ", ".join(f"{n} {kind}" for kind, n in others.most_common(4))
        instead = f" (found: {seen})" if seen else ": the folder has no files"
        raise WrongInput(f"source: {path} contains no text files{instead}; {SUPPORTED}")
    return sorted(found)


def open_sources(source: str | Sequence[str], documents_as: str, text_field: str) -> list[Source]:
    """Open the named sources: one `Files` for all files and folders, and one source per built-in corpus."""
    names = [source] if isinstance(source, str) else list(source)
    if not names:
        raise WrongInput("source: is empty; name a file, a folder or builtin:pydocs")
    opened: list[Source] = []
    for name in names:
        if name.startswith("builtin:"):
            if name not in BUILTIN:
                raise WrongInput(f"source: {name} is unknown; {nearest(name, BUILTIN)}")
            opened.append(BUILTIN[name]())
    paths = [p for name in names if not name.startswith("builtin:") for p in find_files(name)]
    if paths:
        opened.append(Files(list(dict.fromkeys(paths)), documents_as, text_field))
    return opened
