"""The language of danlu: code and pages use the words of the field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for kind in ("py", "yaml", "toml", "j2", "md") for p in (ROOT / "danlu").rglob(f"*.{kind}"))
DOCS = sorted(p for p in (ROOT / "docs").rglob("*.md") if not p.name.startswith("glossary"))
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
OTHERS = [*(ROOT / "docs").rglob("*.yaml"), *(ROOT / "tools").rglob("*.py")]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS, *NOTEBOOKS, *OTHERS]

REPLACED = {
    r"foretell\w*|foretold": "predict",
    r"told": "printed, reported or passed",
    r"(go|goes|going|went|gone) on": "resume or continue",
    r"beg[aiu]ns? anew": "initialise",
    r"says? of": "report or describe",
    r"(has|have) besides": "also has",
    r"(nats|tokens) an?": "per",
    r"beside": "compared with, next to or in addition to",
    r"by heart": "overfit or memorise",
    r"waist": "batch or objective",
    r"learners?": "network",
    r"the house": "the package",
}
"""Words that must not occur -> what to write instead."""

ALLOWED = {
    "docs/theory/other-data.md": ("scalable vision learners",),
    "docs/theory/other-data.zh.md": ("scalable vision learners",),
}
"""Phrases in which such a word is right, by file: titles of papers."""


def findings(text: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """Return the line, the word and its replacement for each occurrence; words may be separated by a line break."""
    for phrase in allowed:
        text = text.replace(phrase, "")
    return [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}; write: {better}"
        for pattern, better in REPLACED.items()
        for match in re.finditer(rf"\b(?:{pattern})\b".replace(" ", r"[\s#>]+"), text, re.IGNORECASE)
    ]


def test_code_and_pages_use_the_words_of_the_field():
    texts = {p.relative_to(ROOT).as_posix(): p.read_text("utf-8") for p in (*SOURCES, *PAGES)}
    assert len(texts) > 300
    found = {name: findings(text, ALLOWED.get(name, ())) for name, text in texts.items()}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize("name", ALLOWED)
def test_an_allowed_phrase_occurs(name):
    text = (ROOT / name).read_text("utf-8")
    assert all(phrase in text and findings(phrase) for phrase in ALLOWED[name])


@pytest.mark.parametrize(
    "line",
    ["It foretells a token.", "A run goes\n    # on.", "5 nats a token", "Tokens a second", "is told so", "Beside it"],
)
def test_a_replaced_word_is_found(line):
    (found,) = findings(f"\n{line}")
    assert found.startswith("line 2:")


def test_parts_of_words_are_not_found():
    assert findings("besides, retold, learned, going onwards, tokens and nats") == []
