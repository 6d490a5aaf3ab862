"""What the kinds that learn from text share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from danlu.errors import WrongInput
from danlu.tokens.sampling import sample_texts
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

UNKNOWN = "<unk>"


def chosen_texts(texts: Iterable[str], limit: int) -> list[str]:
    """A deterministic sample of at most `limit` bytes; WrongInput when there is nothing to learn from."""
    chosen = sample_texts(texts, limit)
    if not any(chosen):
        raise WrongInput("tokenizer: there is no text to learn from; check the corpus")
    return chosen


def special_tokens(unknown: bool = False) -> list[AddedToken]:
    """danlu's special tokens in the order of their ids, with the unknown token last where a kind has one."""
    from tokenizers import AddedToken

    roles = SPECIAL | ({"unk": UNKNOWN} if unknown else {})
    # "is <mask>" in transformers: the token that fills it brings the space
    return [AddedToken(token, special=True, normalized=False, lstrip=role == "mask") for role, token in roles.items()]


def apart_from_special() -> Any:
    """A pre-tokenizer that parts text at `<`, so that no piece can read like a special token."""
    from tokenizers import pre_tokenizers

    return pre_tokenizers.Split("<", "isolated")


def finished(inner: Tokenizer, kind: str, asked: int | None, texts: list[str]) -> TextTokenizer:
    facts = {
        "kind": kind,
        "size": inner.get_vocab_size(),
        "size_asked": asked,
        "sample_bytes": sum(len(text.encode()) for text in texts),
    }
    return TextTokenizer(inner, facts)
