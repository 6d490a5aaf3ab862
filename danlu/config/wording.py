"""The lines about a text and the recipe that is drafted for it, in English.

They are also comments in the drafted recipe. The console has the same lines in Chinese (`danlu/console/draft_text.py`).
"""

from __future__ import annotations

LINES = {
    "text": "text       {source}: {files} ({kinds})",
    "builtin": "text       {source}",
    "encodings": "encodings  {encodings}",
    "corpus": "documents  {count:,}, {size} of text; one for each {layout}",
    "scripts": "scripts    {shares} of the letters",
    "no_letters": "no letters",
    "rejected": "left out   {documents}: {reasons}",
    "labels": "labels     {path} has a column {column!r}: the recipe says how to fine-tune for it",
    "tokenizer": "tokenizer  {entries:,} entries, learnt from this text",
    "model": "{name:10s} {objective}, {layers} of width {width}, {time}; {use}",
    "continues_text": "continues text",
    "fills_blanks": "fills blanks, embeds texts",
    "shadowed": "recipe     the shipped {name!r}; for your own text of that name: danlu run ./{name}",
    "or": " or ",
    "comma": ", ",
    "kind": "{n:,} {kind}",
    "rejected_reason": "{n:,} {reason}",
    "file": "{n:,} file",
    "files": "{n:,} files",
    "document": "{n:,} document",
    "documents": "{n:,} documents",
    "layer": "{n:,} layer",
    "layers": "{n:,} layers",
}

LAYOUTS = {"paragraphs": "paragraph (blank lines between them)", "jsonl": "line of .jsonl", "row": "row of a table"}
"""What the corpus calls a layout -> what a document is, where that is not the same word."""


class Wording:
    """The words of these lines: English, unless a class below it says otherwise."""

    def line(self, key: str, **values: object) -> str:
        return LINES[key].format(**values)

    def layout(self, name: str) -> str:
        return LAYOUTS.get(name, name)

    def script(self, name: str) -> str:
        return name

    def reason(self, text: str) -> str:
        """Why a document was rejected, alone or with its name before it."""
        return text

    def size(self, text: str) -> str:
        """An amount of bytes, as `size` writes it."""
        return text


ENGLISH = Wording()
