"""English wording of the lines about a text and its drafted recipe.

The lines are printed and are comments in the drafted recipe. Their Chinese wording is in `danlu/console/draft_text.py`.
"""

from __future__ import annotations

LINES = {
    "text": "text       {source}: {files} ({kinds})",
    "builtin": "text       {source}",
    "encodings": "encodings  {encodings}",
    "corpus": "documents  {count:,}, {size} of text; one per {layout}",
    "scripts": "scripts    {shares} of the letters",
    "no_letters": "no letters",
    "rejected": "rejected   {documents}: {reasons}",
    "labels": "labels     {path} has a column {column!r}; the recipe shows how to fine-tune on it",
    "field": "field      {path}: the text is in {field!r}",
    "more_fields": "           not read: {others}; to read them too, set corpus.text_field='[{fields}]'",
    "note": "note       {note}",
    "read": "read       {read:,} of {files:,} files, {size} of {all}",
    "not_read": "not read   {size} in {where}: {reason}",
    "not_read_rest": "not read   {size} for {n:,} further reasons",
    "lost": "WARNING    {loss}",
    "tokenizer": "tokenizer  {entries:,} entries, trained on this text",
    "model": "{name:10s} {objective}, {layers} of width {width}, {time}; {use}",
    "continues_text": "continues text",
    "fills_blanks": "fills blanks, embeds texts",
    "shadowed": "recipe     the shipped recipe {name!r}; for the text with the same name: danlu run ./{name}",
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

LAYOUT_NAMES = {
    "paragraphs": "paragraph (blank lines between them)",
    "jsonl": "line of .jsonl",
    "row": "row of a table",
}
"""Layout of the corpus -> description of a document, if it is not the same word."""


class Wording:
    """The English wording; a subclass defines that of another language."""

    def line(self, key: str, **values: object) -> str:
        """Return a line of `LINES` with its values."""
        return LINES[key].format(**values)

    def layout(self, name: str) -> str:
        """Return the description of a document of a layout."""
        return LAYOUT_NAMES.get(name, name)

    def script(self, name: str) -> str:
        """Return the name of a script."""
        return name

    def reason(self, text: str) -> str:
        """Return the reason of a rejection, with or without the name of a document before it."""
        return text

    def size(self, text: str) -> str:
        """Return a size in bytes that `format_bytes` has formatted."""
        return text


ENGLISH = Wording()
