"""Prevent external tokenizers from producing special tokens for raw text.

It is not enough that text is not searched for special tokens, because the model can have them among its pieces: a
unigram model with `<s>` matches it in the text like any other piece.
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
"""Texts in which each special token is tried."""


def unknown_token(inner: Tokenizer) -> str | None:
    """Return the unknown token of a model."""
    model = json.loads(inner.to_str())["model"]
    if (number := model.get("unk_id")) is not None:
        return model["vocab"][number][0]
    return model.get("unk_token")


def special_tokens_from_text(inner: Tokenizer) -> list[str]:
    """Return the special tokens that raw text produces, other than the unknown token."""
    special = {i: token.content for i, token in inner.get_added_tokens_decoder().items() if token.special}
    own = set(special) - {inner.token_to_id(unknown_token(inner) or "")}
    found = []
    for content in special.values():
        encodings = inner.encode_batch([text.format(content) for text in CONTEXTS], add_special_tokens=False)
        if any(own.intersection(encoding.ids) for encoding in encodings):
            found.append(content)
    return found


def keep_text_ordinary(inner: Tokenizer, where: Path) -> None:
    """Split text after the first character of anything that equals a special token, if the tokenizer needs it.

    Raises WrongInput if that does not help, as for a special token of one character.
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
    if left := special_tokens_from_text(inner):
        raise WrongInput(f"{where}: raw text produces its special token {left[0]!r}; use another tokenizer")
