"""The tokenizer of a saved model: danlu's own files, and for transformers the special tokens around a text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from danlu import durable
from danlu.tokens.tokenizer import SPECIAL, TOKENIZER, TextTokenizer

FRAMES = {"causal": (("bos",), ()), "masked": (("bos",), ("eos",))}
"""By objective, the special tokens before and after a text, as the model saw whole texts in training."""


def frame(tokenizer: TextTokenizer, objective: str) -> tuple[list[int], list[int]]:
    """The ids before and after those of a text."""
    before, after = FRAMES[objective]
    return [getattr(tokenizer.vocabulary, role) for role in before], [
        getattr(tokenizer.vocabulary, role) for role in after
    ]


def post_processor(tokenizer: TextTokenizer, objective: str) -> dict[str, Any]:
    """The rule of tokenizer.json that puts those tokens around a text, where a program asks for special tokens."""
    before, after = FRAMES[objective]

    def special(role: str) -> dict[str, Any]:
        return {"SpecialToken": {"id": SPECIAL[role], "type_id": 0}}

    def text(name: str) -> list[dict[str, Any]]:
        sequence = {"Sequence": {"id": name, "type_id": 0}}
        return [*map(special, before), sequence, *map(special, after)]

    used = {role: getattr(tokenizer.vocabulary, role) for role in (*before, *after)}
    return {
        "type": "TemplateProcessing",
        "single": text("A"),
        "pair": text("A") + text("B"),
        "special_tokens": {SPECIAL[r]: {"id": SPECIAL[r], "ids": [i], "tokens": [SPECIAL[r]]} for r, i in used.items()},
    }


def save_for_transformers(tokenizer: TextTokenizer, folder: Path, objective: str) -> None:
    """`TextTokenizer.save`, and `AutoTokenizer` adds the special tokens that the model expects."""
    tokenizer.save(folder)
    content = json.loads(tokenizer.content) | {"post_processor": post_processor(tokenizer, objective)}
    durable.write_json(folder / TOKENIZER, content)


def load_tokenizer(folder: Path) -> TextTokenizer:
    """What was saved, with the content and fingerprint it had then: danlu puts special tokens around texts itself."""
    tokenizer = TextTokenizer.load(folder)
    tokenizer.inner.post_processor = None  # type: ignore[assignment]
    return tokenizer
