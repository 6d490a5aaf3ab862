"""Prevent external tokenizers from producing special tokens for raw text.

Disabling the search for special tokens in text is not enough, because they can also be pieces of the model: a unigram
model with the piece `<s>` matches it like any other piece.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from danlu.errors import WrongInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONTEXTS = ("{}", "a{}a", " {} ", "a {}")
"""Templates of the texts in which each special token is tested."""


def unknown_token(inner: Tokenizer) -> str | None:
    """Return the unknown token of a model."""
    model = json.loads(inner.to_str())["model"]
    if (number := model.get("unk_id")) is not None:
        return model["vocab"][number][0]
    return model.get("unk_token")


def special_tokens_from_text(inner: Tokenizer) -> list[str]:
    """Return the special tokens that raw text produces, other than the unknown token."""
    special = {i: token.content for i, token in inner.get_added_tokens_decoder().items() if token.special}
    forbidden = set(special) - {inner.token_to_id(unknown_token(inner) or "")}
    found = []
    for content in special.values():
        encodings = inner.encode_batch([text.format(content) for text in CONTEXTS], add_special_tokens=False)
        if any(forbidden.intersection(encoding.ids) for encoding in encodings):
            found.append(content)
    return found


def prevent_special_tokens(inner: Tokenizer, where: Path) -> None:
    """Change a tokenizer so that raw text never produces special tokens.

    If necessary, text is split after the first character of anything that equals a special token. Raises WrongInput if
    this is not possible, as for a special token of one character.
    """
    from tokenizers import Regex, pre_tokenizers

    inner.encode_special_tokens = True
    if not (found := special_tokens_from_text(inner)):
        return
    pattern = "|".join(f"{re.escape(content[0])}(?={re.escape(content[1:])})" for content in sorted(found))
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    # last, so that earlier steps, such as marking the start of each piece, do not apply to the parts
    inner.pre_tokenizer = (  # pyright: ignore[reportAttributeAccessIssue]
        split if inner.pre_tokenizer is None else pre_tokenizers.Sequence([inner.pre_tokenizer, split])
    )
    if remaining := special_tokens_from_text(inner):
        raise WrongInput(f"{where}: raw text produces its special token {remaining[0]!r}; use another tokenizer")
