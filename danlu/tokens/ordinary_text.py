"""Tokenizers of others: text that reads like a special token stays text.

That a text is not searched for special tokens is not enough where the model has them among its own pieces: a unigram
model with `<s>` finds it in the text as it finds any piece.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from danlu.errors import WrongInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer

AROUND = ("{}", "a{}a", " {} ", "a {}")
"""Texts that a special token is tried in."""


def unknown_of(inner: Tokenizer) -> str | None:
    """The token that a model gives for what it does not know."""
    model = json.loads(inner.to_str())["model"]
    if (number := model.get("unk_id")) is not None:
        return model["vocab"][number][0]
    return model.get("unk_token")


def spelled(inner: Tokenizer) -> list[str]:
    """The special tokens that a text of their letters gives; the unknown token may come from any text."""
    special = {i: token.content for i, token in inner.get_added_tokens_decoder().items() if token.special}
    own = set(special) - {inner.token_to_id(unknown_of(inner) or "")}
    found = []
    for content in special.values():
        encodings = inner.encode_batch([text.format(content) for text in AROUND], add_special_tokens=False)
        if any(own.intersection(encoding.ids) for encoding in encodings):
            found.append(content)
    return found


def keep_text_ordinary(inner: Tokenizer, where: Path) -> None:
    """Part text behind the first character of what reads like one of its special tokens; a tokenizer that never gives
    them is left as it is. WrongInput where that does not help (a special token of one character)."""
    from tokenizers import Regex, pre_tokenizers

    inner.encode_special_tokens = True
    if not (found := spelled(inner)):
        return
    pattern = "|".join(f"{re.escape(content[0])}(?={re.escape(content[1:])})" for content in sorted(found))
    apart = pre_tokenizers.Split(Regex(pattern), "isolated")
    # last, so that what comes before it (a mark at the start of each part) is not done to the parts
    inner.pre_tokenizer = (  # pyright: ignore[reportAttributeAccessIssue]
        apart if inner.pre_tokenizer is None else pre_tokenizers.Sequence([inner.pre_tokenizer, apart])
    )
    if left := spelled(inner):
        raise WrongInput(f"{where}: raw text becomes its special token {left[0]!r}; take another tokenizer")
