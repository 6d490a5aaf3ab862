"""Sentinels: special tokens that stand for blanks, named as in T5 (Raffel et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, takewhile
from typing import TYPE_CHECKING

from danlu.errors import WrongInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def sentinel_token(number: int) -> str:
    """Return the token of a sentinel, numbered from 0."""
    return f"<extra_id_{number}>"


def sentinel_ids(special: Mapping[str, int]) -> tuple[int, ...]:
    """Return the ids of the sentinels among special tokens {token: id}, in the order of their numbers."""
    names = takewhile(lambda name: name in special, map(sentinel_token, count()))
    return tuple(special[name] for name in names)


def add_sentinels(inner: Tokenizer, needed: int) -> Tokenizer:
    """Return a copy with sentinels 0 .. needed - 1. Raises WrongInput if one of them is an ordinary token."""
    from tokenizers import AddedToken, Tokenizer

    extended = Tokenizer.from_str(inner.to_str())
    known = {token.content for token in extended.get_added_tokens_decoder().values() if token.special}
    for name in map(sentinel_token, range(needed)):
        if name not in known and extended.token_to_id(name) is not None:
            raise WrongInput(
                f"tokenizer: {name!r} is an ordinary token, learnt from the text, and cannot be a special token as well"
            )
    # with lstrip, transformers drops the space in "is <extra_id_0>": it belongs to the tokens that fill the blank
    new = [AddedToken(sentinel_token(k), special=True, normalized=False, lstrip=True) for k in range(needed)]
    extended.add_special_tokens(new)
    return extended
