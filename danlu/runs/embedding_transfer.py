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
    """Return the spellings under which to look up a token in another vocabulary, the most exact first.

    They are the token itself, the token without the spaces or `##` that mark its position in a word, and the latter in
    lower case.
    """
    bare = text.strip().removeprefix("##")
    return [text, bare, bare.lower()]


def match_tokens(own: TextTokenizer, theirs: TextTokenizer) -> np.ndarray:
    """Return the id in `theirs` of each token of `own`, [size of `own`] int64; -1 if there is none.

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
            matches = (table[s] for s, table in ((text, exact), *((o, bare) for o in others)) if s in table)
            found[i] = next(matches, -1)
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

    The vectors are scaled to the root mean square of the vectors that they replace, for which the layers above were
    initialised.

    Args:
        where: name of the donor in error messages.

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
    ids = torch.from_numpy(match_tokens(own, theirs))
    found = ids >= 0
    if not found.any():
        raise WrongInput(f"{where} shares no token with this model's vocabulary; use tokenizers of the same kind")
    own_rows = torch.nn.functional.pad(found, (0, len(table) - len(found)))  # type: ignore[arg-type]
    vectors = source[ids[found]]  # type: ignore[index]
    scale = float(table[own_rows].square().mean().sqrt() / vectors.square().mean().sqrt())  # type: ignore[index]
    if not np.isfinite(scale):
        raise WrongInput(f"{where} has embeddings that are all zero")
    table[own_rows] = scale * vectors  # type: ignore[index]
    return {"matched": int(found.sum()), "tokens": len(found), "scale": scale}
