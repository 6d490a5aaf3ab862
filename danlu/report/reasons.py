"""Why a document or file is missing: the reasons in the results as phrases."""

from __future__ import annotations

import re

from danlu.report.phrases import Phrase, Text, word

PATTERNS = {
    r"no (?:field|column) (?P<name>.+)": "data.no_field",
    r"(?:field|column) (?P<name>.+) is not text": "data.field_not_text",
    r"shorter than (?P<n>\d+) characters": "data.shorter",
    r"not (?P<name>[A-Z][A-Za-z0-9-]+)": "data.not_valid",
}
"""Reasons with a value in them, and their keys."""


def reason_text(reason: str) -> Text:
    """Return the phrase for a reason; one without a translation stays as it is."""
    for pattern, key in PATTERNS.items():
        if found := re.fullmatch(pattern, reason):
            return Phrase(key, found.groupdict())
    return word("reason", reason)
