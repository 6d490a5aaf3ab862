"""Initialise the token embeddings of one model with those of another."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from danlu.architectures import Network
from danlu.errors import WrongInput
from danlu.tokens.tokenizer import TextTokenizer

ROLES = ("pad", "bos", "eos", "mask")


def spellings(text: str) -> list[str]:
    """Return how a token may be spelt in another vocabulary, the likeliest spelling first.

    That is unchanged, without the spaces and signs that mark its place in a word, and in lower case.
    """
    bare = text.strip().removeprefix("##")
    return [text, bare, bare.lower()]


def matched(own: TextTokenizer, theirs: TextTokenizer) -> np.ndarray:
    """Return the id in `theirs` of each token of `own`, [entries of `own`] int64; -1 if there is none.

    Special tokens are matched by role. Of several entries with the same spelling, the first is used.
    """
    if own.fingerprint == theirs.fingerprint:
        return np.arange(own.vocabulary.size)
    v, w = own.vocabulary, theirs.vocabulary
    exact: dict[str, int] = {}
    bare: dict[str, int] = {}
    for i in range(w.size):
        if i not in w.special:
            text, short, _ = spellings(theirs.token(i))
            exact.setdefault(text, i)
            bare.setdefault(short, i)
    found = np.full(v.size, -1)
    for i in range(v.size):
        if i not in v.special:
            text, *others = spellings(own.token(i))
            near = (table[s] for s, table in ((text, exact), *((o, bare) for o in others)) if s in table)
            found[i] = next(near, -1)
    for role in ROLES:
        mine, other = getattr(v, role), getattr(w, role)
        if mine is not None and other is not None:
            found[mine] = other
    return found


@torch.no_grad()
def transfer_embeddings(
    model: Network, own: TextTokenizer, donor: Network, theirs: TextTokenizer, where: str
) -> dict[str, Any]:
    """Copy the donor's token embeddings into `model`, for the tokens that both vocabularies have.

    The vectors are scaled so that their mean length is that of the vectors they replace: the layers above were
    initialised for these.

    Args:
        where: what errors call the donor.

    Returns:
        The number of matched tokens, the number of all tokens, and the scale.

    Raises:
        WrongInput: if the embeddings have different widths, share no token or are all zero.
    """
    if "token" not in donor.embeddings or "token" not in model.embeddings:
        raise WrongInput(f"{where} and this model do not both embed tokens")
    if donor.embedding_width != model.embedding_width:
        widths = f"{donor.embedding_width} wide, this model {model.embedding_width}"
        advice = "set architecture.width (or embedding_width) to match"
        raise WrongInput(f"{where} has embeddings {widths}; {advice}")
    table, source = model.embeddings["token"].weight, donor.embeddings["token"].weight
    at = torch.from_numpy(matched(own, theirs))
    there = at >= 0
    if not there.any():
        raise WrongInput(f"{where} shares no token with this model's vocabulary; use tokenizers of the same kind")
    own_rows = torch.nn.functional.pad(there, (0, len(table) - len(there)))  # type: ignore[arg-type]
    vectors = source[at[there]]  # type: ignore[index]
    scale = float(table[own_rows].square().mean().sqrt() / vectors.square().mean().sqrt())  # type: ignore[index]
    if not np.isfinite(scale):
        raise WrongInput(f"{where} has embeddings that are all zero")
    table[own_rows] = scale * vectors  # type: ignore[index]
    return {"matched": int(there.sum()), "tokens": len(there), "scale": scale}
