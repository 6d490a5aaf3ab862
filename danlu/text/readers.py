"""Open the sources that a recipe names."""

from __future__ import annotations

import difflib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from danlu.durable import sha256
from danlu.errors import WrongInput, nearest, refuse_url
from danlu.extras import require
from danlu.text.account import Account, FileCount
from danlu.text.compressed import suffix
from danlu.text.digit_captions import DigitCaptions
from danlu.text.documents import Document, Rejected
from danlu.text.encodings import encoding_of
from danlu.text.formats import AUTO, FORMATS, Format, Prose, Reading, SourceCode
from danlu.text.layout import find_layout
from danlu.text.lines import Line
from danlu.text.pydocs import Pydocs
from danlu.text.sentence_pairs import SentencePairs
from danlu.text.skipped_files import HIDDEN, SkippedFile, why_skipped
from danlu.text.source import Source
from danlu.text.text_fields import choose_fields

log = logging.getLogger(__name__)

NO_TEXT_FIELD = "no field of text"

NAMED = ", ".join(kind for kind, reader in FORMATS.items() if not isinstance(reader, SourceCode))

SUPPORTED = f"supported: {NAMED} and source code such as .py, each also with .gz or .zst"


@dataclass
class Files(Source):
    """Text files in any of the supported formats."""

    paths: list[Path]
    documents_as: str
    """How prose is divided into documents; "auto" detects it."""
    fields: tuple[str, ...]
    """Fields of a record, or columns of a table, that hold the text; none if they are found in each file."""
    skipped: list[SkippedFile] = field(default_factory=list)
    """The other files of the folders, which are not read."""
    _account: Account | None = None

    def identity(self) -> dict[str, Any]:
        kinds = {suffix(p) for p in self.paths}
        libraries = sorted({FORMATS[kind].library for kind in kinds} - {""})
        return {
            "files": {str(p): _hash(p) for p in self.paths},
            "skipped": {str(s.path): [s.bytes, s.reason] for s in self.skipped},
            "libraries": {library: version(library) for library in libraries},
        }

    @cached_property
    def _layout(self) -> str:
        prose = [p for p in self.paths if isinstance(FORMATS[suffix(p)], Prose)]
        return find_layout(prose, _lines_of) if prose and self.documents_as == "auto" else self.documents_as

    def has_plain_text(self) -> bool:
        return any(FORMATS[suffix(path)].prose for path in self.paths)

    def layout(self) -> str:
        kinds, reading = sorted({suffix(p) for p in self.paths}), Reading(layout=self._layout)
        return " and ".join(dict.fromkeys(FORMATS[kind].layout(reading) for kind in kinds))

    def facts(self) -> dict[str, Any]:
        formats = Counter(suffix(p) for p in self.paths)
        found = [(p, encoding_of(p)) for p in self.paths if not FORMATS[suffix(p)].binary]
        not_utf8 = [f"{path} ({encoding})" for path, encoding in found if encoding != "utf-8"]
        if not_utf8:
            more = f" and {len(not_utf8) - 3} more" if len(not_utf8) > 3 else ""
            log.info("files in encodings other than UTF-8: %s%s", ", ".join(not_utf8[:3]), more)
        return {"formats": dict(formats), "encodings": dict(Counter(encoding for _, encoding in found))}

    def account(self) -> dict[str, Any] | None:
        return None if self._account is None else self._account.facts()

    def documents(self) -> Iterator[Document | Rejected]:
        self._account = account = Account(self.skipped, bool(self.fields))
        for path in self.paths:
            kind = FORMATS[suffix(path)]
            count = account.open(path, kind.note(path))
            for record in self._read(path, kind, count):
                count.add(record)
                yield record

    def _read(self, path: Path, kind: Format, count: FileCount) -> Iterator[Document | Rejected]:
        records = kind.sample(path)
        if records is None:
            return kind.read(path, Reading(layout=self._layout))
        count.choice = choose_fields(records)
        if self.fields:
            return kind.read(path, Reading(self.fields, self._layout))
        if count.choice.found and not count.choice.text:
            hint = f"text_field: known: {', '.join(count.choice.found)}"
            return iter([Rejected(NO_TEXT_FIELD, str(path), hint, whole=True, fields=count.choice.found)])
        return kind.read(path, Reading(count.choice.text or ("text",), self._layout, alternatives=True))


def _lines_of(path: Path) -> Iterator[Line]:
    kind = FORMATS[suffix(path)]
    return kind.lines(path) if isinstance(kind, Prose) else iter(())


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
    return (path for path, hidden in _all_below(top) if not hidden)


def _all_below(top: Path) -> Iterator[tuple[Path, bool]]:
    """Yield all files as `files_below`, hidden ones too, and whether they or a folder above them are hidden."""

    def refuse(error: OSError) -> None:
        if any(part.startswith(".") for part in Path(error.filename).relative_to(top).parts):
            return
        raise WrongInput(f"{error.filename}: cannot be read ({error.strerror})")

    seen = {os.path.realpath(top)}
    for folder, subfolders, files in os.walk(top, onerror=refuse, followlinks=True):
        new = {s: os.path.realpath(Path(folder, s)) for s in sorted(subfolders)}
        subfolders[:] = [s for s, real in new.items() if not (real in seen or seen.add(real))]
        above = any(part.startswith(".") for part in Path(folder).relative_to(top).parts)
        yield from ((Path(folder, f), above or f.startswith(".")) for f in files)


def find_files(source: str) -> list[Path]:
    """Return the file at a path, or all files in supported formats below a folder, sorted and without hidden ones."""
    return list_files(source)[0]


def list_files(source: str) -> tuple[list[Path], list[SkippedFile]]:
    """Return the files of `find_files`, and all other files of the folder with the reason why they are not read."""
    refuse_url(source, "corpus.source")
    path = Path(source).expanduser()
    if not path.exists():
        raise path_not_found(path)
    if path.is_file():
        if suffix(path) not in FORMATS:
            advice = why_skipped(path, path.stat().st_size).advice
            raise WrongInput(
                f"source: {path} is not in a supported text format; {advice + '; ' if advice else ''}{SUPPORTED}"
            )
        return [path], []
    if not path.is_dir():
        raise WrongInput(f"source: {path} is neither a file nor a folder")
    found, skipped = [], []
    for file, hidden in _all_below(path):
        if not hidden and suffix(file) in FORMATS and file.exists():
            found.append(file)
        else:
            skipped.append(why_skipped(file, _size(file), hidden))
    if not found:
        kinds = Counter(s.path.suffix or s.path.name for s in skipped if s.reason != HIDDEN)
        seen = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(4))
        advice = next((f"; {s.advice}" for s in sorted(skipped, key=lambda s: -s.bytes) if s.advice), "")
        instead = f" (found: {seen})" if seen else ": the folder has no files"
        raise WrongInput(f"source: {path} contains no text files{instead}{advice}; {SUPPORTED}")
    return sorted(found), sorted(skipped, key=lambda s: s.path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _require_libraries(paths: Sequence[Path]) -> None:
    """Raise WrongInput, with the command that installs it, if the library that reads some of the files is missing."""
    first: dict[str, list[Path]] = {}
    for path in paths:
        first.setdefault(suffix(path), []).append(path)
    for kind, files in first.items():
        reader = FORMATS[kind]
        if reader.module:
            many = "1 file" if len(files) == 1 else f"{len(files):,} files"
            require(reader.module, reader.extra, f"source: reading {many} {kind}, such as {files[0]},")


def open_sources(source: str | Sequence[str], documents_as: str, text_field: str | Sequence[str]) -> list[Source]:
    """Open the named sources: one `Files` for all files and folders, and one source per built-in corpus.

    text_field: one or several fields that hold the text, or "auto".
    """
    names = [source] if isinstance(source, str) else list(source)
    if not names:
        raise WrongInput("source: is empty; name a file, a folder or builtin:pydocs")
    opened: list[Source] = []
    paths: dict[Path, None] = {}
    skipped: dict[Path, SkippedFile] = {}
    for name in names:
        if name.startswith("builtin:"):
            if name not in BUILTIN:
                raise WrongInput(f"source: {name} is unknown; {nearest(name, BUILTIN)}")
            opened.append(BUILTIN[name]())
            continue
        found, others = list_files(name)
        paths |= dict.fromkeys(found)
        skipped |= {s.path: s for s in others}
    if paths:
        _require_libraries(list(paths))
        fields = (text_field,) if isinstance(text_field, str) else tuple(text_field)
        left = [s for s in skipped.values() if s.path not in paths]
        opened.append(
            Files(list(paths), documents_as, () if fields == (AUTO,) and text_field == AUTO else fields, left)
        )
    return opened
