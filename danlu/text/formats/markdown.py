"""`.md`: one document a file."""

from __future__ import annotations

from danlu.text.formats.format import Format
from danlu.text.formats.plain_text import whole_file

FORMAT = Format((".md",), lambda reading: "file", lambda path, reading: whole_file(path))
