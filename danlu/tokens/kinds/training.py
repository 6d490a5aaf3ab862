"""Functions shared by the tokenizer kinds that learn from text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from danlu.errors import WrongInput
from danlu.tokens.sampling import sample_texts
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

UNKNOWN = "<unk>"


ALWAYS_ACCEPTED = 1 << 16
"""Size of a vocabulary that is accepted for any text: it is a maximum, and short texts give fewer entries."""


def training_sample(texts: Iterable[str], limit: int, size: int | None = None) -> list[str]:
    """Return a deterministic sample of at most `limit` bytes.

    Raises:
        WrongInput: if there is no text to learn from, or `size` is far above what the text can give: an entry takes at
            least one byte of it.
    """
    sample = sample_texts(texts, limit)
    if not any(sample):
        raise WrongInput("tokenizer: the corpus has no text to learn from; check its source and filters")
    available = sum(len(text.encode()) for text in sample)
    if size is not None and size > max(ALWAYS_ACCEPTED, available):
        raise WrongInput(
            f"tokenizer.size: {size} entries are more than a text of {available:,} bytes can give; lower it to at most "
            f"{max(ALWAYS_ACCEPTED, available)}"
        )
    return sample


def special_tokens(unknown: bool = False) -> list[AddedToken]:
    """Return danlu's special tokens in the order of their ids, followed by the unknown token if requested."""
    from tokenizers import AddedToken

    roles = SPECIAL | ({"unk": UNKNOWN} if unknown else {})
    # with lstrip, transformers drops the space in "is <mask>": it belongs to the token that fills the mask
    return [AddedToken(token, special=True, normalized=False, lstrip=role == "mask") for role, token in roles.items()]


def split_before_special() -> Any:
    """Return a pre-tokenizer that splits text at `<`, so that no piece can equal a special token."""
    from tokenizers import pre_tokenizers

    return pre_tokenizers.Split("<", "isolated")


def wrap_tokenizer(inner: Tokenizer, kind: str, size: int | None, texts: list[str]) -> TextTokenizer:
    """Wrap a trained tokenizer with the facts about its training; `size` is the requested size."""
    facts = {
        "kind": kind,
        "size": inner.get_vocab_size(),
        "size_asked": size,
        "sample_bytes": sum(len(text.encode()) for text in texts),
    }
    return TextTokenizer(inner, facts)
