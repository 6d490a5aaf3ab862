"""Formats from which optional libraries extract the text: web pages, Word documents and PDF."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from danlu.extras import import_optional
from danlu.text.compressed import open_bytes
from danlu.text.documents import MAX_BYTES, TOO_LONG, Rejected
from danlu.text.encodings import encoding_of, open_utf8
from danlu.text.formats.plain_text import Extracted

NO_TEXT = "no text in the file"


class WebPage(Extracted):
    """HTML: the main text, without menus and scripts (extra `web`)."""

    suffixes: ClassVar[tuple[str, ...]] = (".html", ".htm", ".xhtml")
    module: ClassVar[str] = "trafilatura"
    library: ClassVar[str] = "trafilatura"
    extra: ClassVar[str] = "web"

    def text(self, path: Path) -> str | Rejected:
        trafilatura = import_optional(self.module, self.extra, f"{path}: reading .html")
        # a page may name its encoding itself; ours is found as for all other files
        with open_utf8(path, encoding_of(path)) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            return Rejected(TOO_LONG, str(path))
        page = _decoded(data)
        found = trafilatura.extract(page, favor_recall=True, include_comments=True, include_tables=True)
        return found or trafilatura.html2txt(page) or Rejected(NO_TEXT, str(path))


def _decoded(data: bytes) -> str | bytes:
    """Return a page as text, or as bytes if it is in an encoding that only the page itself names."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data


class WordDocument(Extracted):
    """Word documents: paragraphs and the cells of tables, in their order (extra `documents`)."""

    suffixes: ClassVar[tuple[str, ...]] = (".docx",)
    module: ClassVar[str] = "docx"
    library: ClassVar[str] = "python-docx"
    extra: ClassVar[str] = "documents"

    def text(self, path: Path) -> str | Rejected:
        docx = import_optional(self.module, self.extra, f"{path}: reading .docx")
        exceptions = import_optional("docx.opc.exceptions", self.extra, f"{path}: reading .docx")
        xml = import_optional("lxml.etree", self.extra, f"{path}: reading .docx")
        damaged = (exceptions.OpcError, xml.XMLSyntaxError, zipfile.BadZipFile, KeyError, ValueError, OSError)
        with open_bytes(path) as file:
            try:
                return "\n\n".join(_blocks(docx.Document(file), import_optional("docx.table", self.extra, "").Table))
            except damaged as error:
                return Rejected("not a Word document", str(path), _first_line(error))


def _blocks(container: Any, table: type) -> Iterator[str]:
    """Yield the paragraphs that are not blank, and the rows of tables with tabs between their cells."""
    for block in container.iter_inner_content():
        is_table = isinstance(block, table)
        lines = ["\t".join(c.text for c in row.cells) for row in block.rows] if is_table else [block.text]
        text = "\n".join(line for line in lines if line.strip())
        if text:
            yield text


class PortableDocument(Extracted):
    """PDF: the text of its pages; pages that are pictures have none (extra `documents`)."""

    suffixes: ClassVar[tuple[str, ...]] = (".pdf",)
    module: ClassVar[str] = "pypdf"
    library: ClassVar[str] = "pypdf"
    extra: ClassVar[str] = "documents"

    def text(self, path: Path) -> str | Rejected:
        pypdf = import_optional(self.module, self.extra, f"{path}: reading .pdf")
        errors = import_optional("pypdf.errors", self.extra, f"{path}: reading .pdf")
        logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of every oddity of a file that it can read
        damaged = (errors.PyPdfError, errors.DependencyError, ValueError, KeyError, TypeError, AttributeError,
                   IndexError, RecursionError, NotImplementedError)  # fmt: skip
        with open_bytes(path) as file:
            try:
                pages = [page.extract_text() for page in pypdf.PdfReader(file).pages]
            except damaged as error:
                return Rejected("not readable as PDF", str(path), _first_line(error))
        text = "\n\n".join(page.strip() for page in pages if page.strip())
        return text or Rejected(NO_TEXT, str(path), "its pages are pictures; run OCR, such as ocrmypdf")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
