"""Find the field of a record, or the column of a table, that holds the text.

The rule, for each file, over its first 200 records:

1. The first of `NAMES` whose values are text.
2. Otherwise the longest field of running text: strings of 20 bytes or more on average, most of which contain white
   space or Han characters.
3. Otherwise, of records with a single field, that field.

Fields such as labels, dates and identifiers are none of these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SAMPLE_RECORDS = 200

MIN_BYTES = 20
"""Mean size of the values of a field of running text."""

NAMES = (
    "text", "正文", "文本", "body", "content", "内容", "contents", "raw_content", "document", "article", "文章",
    "passage", "paragraph", "段落", "sentence", "句子", "review", "评论", "评价", "review_text", "comment", "留言",
    "message", "post", "tweet", "abstract", "摘要", "description", "story", "utterance", "原文", "txt",
)  # fmt: skip
"""Names of fields of text, the likeliest first."""

LABEL_NAMES = {"label", "labels", "class", "category", "target", "sentiment", "标签", "类别", "分类"}
"""Names of columns that hold the labels of a task."""

MAX_LABELS = 50
MAX_LABEL_LENGTH = 24

RUNNING = re.compile(r"\S\s+\S|[\u3400-\u9fff]")


@dataclass(frozen=True)
class FieldChoice:
    """The fields of a file."""

    text: tuple[str, ...] = ()
    """Fields that may hold the text, the likeliest first."""
    found: tuple[str, ...] = ()
    """All fields, in the order of the file."""
    others: tuple[str, ...] = ()
    """Further fields of running text, which are not read."""
    label: str | None = None
    """A field with the labels of a task."""


def choose_fields(records: Sequence[Mapping[str, Any]]) -> FieldChoice:
    """Return the fields of the first records of a file."""
    found = tuple(dict.fromkeys(name for record in records for name in record))
    values = {name: [r[name] for r in records if r.get(name) not in (None, "")] for name in found}
    textual = [name for name in found if _is_textual(values[name])]
    ranked = sorted((n for n in textual if _key(n) in NAMES), key=lambda name: NAMES.index(_key(name)))
    running = sorted((n for n in textual if _is_running(values[n])), key=lambda name: -_mean_bytes(values[name]))
    chosen = ranked or running[:1] or (textual if len(found) == 1 else [])
    unread = {name for record in records for name in running if record.get(name) and name != _used(record, chosen)}
    return FieldChoice(tuple(chosen), found, tuple(n for n in running if n in unread), _label(values, chosen))


def _used(record: Mapping[str, Any], chosen: Sequence[str]) -> str | None:
    """Return the field that is read of a record."""
    return next((n for n in chosen if isinstance(record.get(n), str) and record[n].strip()), None)


def likely_field(names: Sequence[str]) -> str | None:
    """Return the likeliest field of text by the names alone; None if none is known."""
    return min((n for n in names if _key(n) in NAMES), key=lambda name: NAMES.index(_key(name)), default=None)


def _key(name: str) -> str:
    return name.strip().casefold()


def _is_textual(values: Sequence[Any]) -> bool:
    """Whether most values are strings with a letter."""
    return 2 * sum(isinstance(v, str) and any(map(str.isalpha, v)) for v in values) > len(values)


def _is_running(values: Sequence[Any]) -> bool:
    running = sum(isinstance(v, str) and RUNNING.search(v) is not None for v in values)
    return 2 * running > len(values) and _mean_bytes(values) >= MIN_BYTES


def _mean_bytes(values: Sequence[Any]) -> float:
    return sum(len(str(v).encode("utf-8", "surrogatepass")) for v in values) / max(1, len(values))


def _label(values: Mapping[str, Sequence[Any]], text: Sequence[str]) -> str | None:
    """Return the field whose name, or whose few short values, are those of labels of a text."""
    rest = [name for name in values if name not in text]
    if not text:
        return None
    by_name = [name for name in rest if _key(name) in LABEL_NAMES]
    return next(iter(by_name or [name for name in rest if _few_short(values[name])]), None)


def _few_short(values: Sequence[Any]) -> bool:
    """Whether the values are names or small numbers that recur: at least ten rows for each on average."""
    if not all(isinstance(v, (str, int)) for v in values):
        return False
    distinct = {str(v) for v in values}
    short = all(len(v) <= MAX_LABEL_LENGTH for v in distinct)
    return short and 2 <= len(distinct) <= min(MAX_LABELS, len(values) // 10)
