"""Why a file of a source folder is not read, and how to convert it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from danlu.text.compressed import suffix
from danlu.text.encodings import looks_like_text

HIDDEN = "hidden"
NOT_TEXT = "not text"
NO_READER = "a format that danlu does not read"
ARCHIVE = "an archive"
UNKNOWN_SUFFIX = "text with an unknown suffix"
NOT_A_FILE = "not a regular file"
UNREADABLE = "cannot be opened"

OFFICE = "libreoffice --headless --convert-to {kind} {file}"
CONVERSIONS = {
    ".doc": OFFICE.replace("{kind}", "docx"),
    ".docm": OFFICE.replace("{kind}", "docx"),
    ".odt": OFFICE.replace("{kind}", "docx"),
    ".rtf": OFFICE.replace("{kind}", "docx"),
    ".wps": OFFICE.replace("{kind}", "docx"),
    ".ppt": OFFICE.replace("{kind}", "pdf"),
    ".pptx": OFFICE.replace("{kind}", "pdf"),
    ".odp": OFFICE.replace("{kind}", "pdf"),
    ".xls": OFFICE.replace("{kind}", "csv"),
    ".xlsx": OFFICE.replace("{kind}", "csv"),
    ".ods": OFFICE.replace("{kind}", "csv"),
    ".epub": "pandoc --to plain --output {file}.txt {file}",
    ".fb2": "pandoc --to plain --output {file}.txt {file}",
    ".tex": "pandoc --to plain --output {file}.txt {file}",
    ".org": "pandoc --to plain --output {file}.txt {file}",
    ".mobi": "ebook-convert {file} {file}.txt",
    ".azw3": "ebook-convert {file} {file}.txt",
    ".djvu": "djvutxt {file} {file}.txt",
    ".json": "jq -c '.[]' {file} > {file}l",
    ".ndjson": "mv {file} {file}.jsonl",
    ".ipynb": "jupyter nbconvert --to markdown {file}",
}
"""The command that converts a file to a format that is read, by suffix."""

UNPACKED = {".zip": "unzip", ".tar": "tar xf", ".tgz": "tar xf", ".bz2": "bunzip2", ".xz": "unxz", ".7z": "7z x",
            ".rar": "unrar x"}  # fmt: skip
"""The command that unpacks an archive, by suffix."""


@dataclass(frozen=True)
class SkippedFile:
    """A file that is not read."""

    path: Path
    bytes: int
    reason: str
    fix: str = ""
    """What the command does: "convert it with", "unpack it with" or "to read it"."""
    command: str = ""
    """The command after which it is read."""
    text: bool = False
    """Whether it is text, or may contain some."""

    @property
    def advice(self) -> str:
        """Return what to do for it to be read."""
        return f"{self.fix}: {self.command}" if self.command else ""


def why_skipped(path: Path, size: int, hidden: bool = False) -> SkippedFile:
    """Return why a file of no known format, or a hidden one, is not read."""
    ending, file = path.suffix.lower(), quote(str(path))
    if hidden:
        return SkippedFile(path, size, HIDDEN)
    if not path.is_file():
        return SkippedFile(path, size, NOT_A_FILE)
    if suffix(path) in CONVERSIONS and ending == suffix(path):
        command = CONVERSIONS[ending].format(file=file)
        return SkippedFile(path, size, NO_READER, "convert it with", command, text=True)
    if ending in UNPACKED or suffix(path) == ".tar":
        command = UNPACKED.get(ending, UNPACKED[".tar"])
        return SkippedFile(path, size, ARCHIVE, "unpack it with", f"{command} {file}", text=True)
    try:
        text = looks_like_text(path)
    except OSError:
        return SkippedFile(path, size, UNREADABLE)
    if not text:
        return SkippedFile(path, size, NOT_TEXT)
    return SkippedFile(path, size, UNKNOWN_SUFFIX, "to read it", f"mv {file} {quote(f'{path}.txt')}", text=True)
