"""Sentinels: special tokens that stand each for a blank of its own, named as T5 names them (Raffel et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, takewhile
from typing import TYPE_CHECKING

from danlu.errors import WrongInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def name_of(number: int) -> str:
    return f"<extra_id_{number}>"


def sentinels(special: Mapping[str, int]) -> tuple[int, ...]:
    """The ids of the sentinels among special tokens {token: id}, in the order of their numbers from 0."""
    names = takewhile(lambda name: name in special, map(name_of, count()))
    return tuple(special[name] for name in names)


def grown(inner: Tokenizer, wanted: int) -> Tokenizer:
    """A copy with sentinels 0 .. wanted - 1; WrongInput where the text was full of such names and taught one."""
    from tokenizers import AddedToken, Tokenizer

    made = Tokenizer.from_str(inner.to_str())
    known = {token.content for token in made.get_added_tokens_decoder().values() if token.special}
    for name in map(name_of, range(wanted)):
        if name not in known and made.token_to_id(name) is not None:
            raise WrongInput(f"tokenizer: {name!r} is a piece of its text and cannot be a special token as well")
    # "is <extra_id_0>" in transformers: the tokens that fill it bring the space
    new = [AddedToken(name_of(k), special=True, normalized=False, lstrip=True) for k in range(wanted)]
    made.add_special_tokens(new)
    return made
