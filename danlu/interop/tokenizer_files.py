"""The tokenizer files of a saved model, with the special tokens that transformers adds to a text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from danlu import durable
from danlu.hf_heads import Head
from danlu.tokens.sentencepiece_model import SentencePiece
from danlu.tokens.tokenizer import CONFIG, TOKENIZER, TextTokenizer


def surrounding_tokens(tokenizer: TextTokenizer, head: Head) -> tuple[list[int], list[int]]:
    """Return the ids of the special tokens before and after a text."""
    before, after = ([getattr(tokenizer.vocabulary, role) for role in roles] for roles in (head.before, head.after))
    return before, after


def post_processor(tokenizer: TextTokenizer, head: Head) -> dict[str, Any]:
    """Return the section of tokenizer.json that adds those tokens to a text."""

    def special(roles: Sequence[str], kind: int = 0) -> list[dict[str, Any]]:
        return [{"SpecialToken": {"id": tokenizer.roles[role], "type_id": kind}} for role in roles]

    def text(name: str, kind: int = 0) -> list[dict[str, Any]]:
        return [{"Sequence": {"id": name, "type_id": kind}}, *special(head.after, kind)]

    first, second = special(head.before) + text("A"), special(head.before) + text("B")

    used = {role: getattr(tokenizer.vocabulary, role) for role in (*head.before, *head.after)}
    return {
        "type": "TemplateProcessing",
        "single": first,
        "pair": first + (text("B", 1) if head.pairs else second),
        "special_tokens": {
            (token := tokenizer.roles[role]): {"id": token, "ids": [i], "tokens": [token]} for role, i in used.items()
        },
    }


def save_for_transformers(tokenizer: TextTokenizer, folder: Path, head: Head, context: int) -> None:
    """Save a tokenizer so that `AutoTokenizer` returns the inputs that the model's class expects.

    It adds special tokens around a text, returns token types only if the head distinguishes the texts of a pair
    (transformers 4 adds them by default), and truncates to `context` tokens on request.
    """
    tokenizer.save(folder)
    content = json.loads(tokenizer.file[1]) | {"post_processor": post_processor(tokenizer, head)}
    durable.write_json(folder / TOKENIZER, content)
    config = durable.read_json(folder / CONFIG)
    inputs = ["input_ids", *(["token_type_ids"] if head.pairs else []), "attention_mask"]
    config |= {"model_max_length": context, "model_input_names": inputs}
    durable.write_json(folder / CONFIG, config)


def load_tokenizer(folder: Path) -> TextTokenizer:
    """Load a saved tokenizer without the post-processor for transformers, because danlu adds special tokens itself."""
    tokenizer = TextTokenizer.load(folder)
    if not isinstance(tokenizer.inner, SentencePiece):
        tokenizer.inner.post_processor = None  # type: ignore[assignment]
    return tokenizer
