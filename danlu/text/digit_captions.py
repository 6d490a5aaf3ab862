"""`builtin:digit_captions`: short captions of handwritten digits, in English and Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from danlu.text.documents import Document, Rejected
from danlu.text.source import Source
from danlu.text.split import SPLITS

ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CHINESE = "零一二三四五六七八九"

TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "train": (
        "{english}",
        "{a} {english}",
        "{a} handwritten {english}",
        "the digit {english}",
        "the number {english}",
        "the numeral {figure}",
        "a picture of {a} {english}",
        "a small grey image of the digit {english}",
        "someone wrote {a} {english}",
        "{a} {english}, written by hand",
        "this is {a} {english}",
        "here you see the number {figure}",
        "a scan of {a} {english} in ink",
        "eight by eight pixels that show {a} {english}",
        "number {figure}",
        "it reads {english}",
        "{chinese}",
        "数字{chinese}",
        "手写的{chinese}",
        "手写数字{figure}",
        "这是{chinese}",
        "这是数字{figure}",
        "一张写着{chinese}的小图",
        "有人用笔写了一个{chinese}",
        "图中是数字{chinese}",
        "灰度图：数字{figure}",
        "一个潦草的{chinese}",
        "纸上有个{chinese}",
    ),
    "validation": (
        "a photo of {a} {english}",
        "{a} {english} on paper",
        "the figure {figure} by hand",
        "图上的{chinese}",
        "写下的数字{figure}",
    ),
    "test": (
        "a chalk drawing of {a} {english}",
        "the digit {english} on a blackboard",
        "an image with the number {figure}",
        "墨水写成的{chinese}",
        "屏幕上显示{chinese}",
        "相片中的数字{figure}",
    ),
}
"""The templates of each split. Evaluation uses templates that are not in the training split."""


def caption(template: str, digit: int) -> str:
    """Return a template filled in for a digit."""
    word = ENGLISH[digit]
    article = "an" if word[0] in "aeiou" and word != "one" else "a"
    return template.format(english=word, a=article, chinese=CHINESE[digit], figure=digit)


def captions(split: str, templates: Sequence[str] = ()) -> list[list[str]]:
    """Return the captions of each of the ten digits; `templates` replace those of the split."""
    return [[caption(template, digit) for template in templates or TEMPLATES[split]] for digit in range(len(ENGLISH))]


class DigitCaptions(Source):
    """The source `builtin:digit_captions` of a corpus: one document per caption."""

    def identity(self) -> dict[str, Any]:
        """Return all templates, which fully determine the documents."""
        return {"source": "builtin:digit_captions", "templates": {k: list(v) for k, v in TEMPLATES.items()}}

    def layout(self) -> str:
        return "caption"

    def documents(self) -> Iterator[Document | Rejected]:
        for split in SPLITS:
            for digit, written in enumerate(captions(split)):
                for number, text in enumerate(written):
                    yield Document(text, f"{split} caption {number} of {digit}")
