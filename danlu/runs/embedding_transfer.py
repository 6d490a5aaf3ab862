"""The token embeddings of one model as the start of another's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from danlu.architectures import Network
from danlu.errors import WrongInput
from danlu.tokens.tokenizer import TextTokenizer

ROLES = ("pad", "bos", "eos", "mask")


def spellings(text: str) -> list[str]:
    """How a token may be spelt in another vocabulary, the likeliest first: as it is, without the spaces and signs that
    say where in a word it stands, in small letters."""
    bare = text.strip().removeprefix("##")
    return [text, bare, bare.lower()]


def matched(own: TextTokenizer, theirs: TextTokenizer) -> np.ndarray:
    """[entries of `own`] int64: for each token the id of the same one in `theirs`, -1 where there is none. Special
    tokens go by their role; of several entries that are spelt alike, the first is taken."""
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
def take_embeddings(
    model: Network, own: TextTokenizer, donor: Network, theirs: TextTokenizer, where: str
) -> dict[str, Any]:
    """Put the donor's vectors into the token embedding of `model` and give the facts: how many of how many tokens were
    found, and the number all vectors were multiplied by so that they are on average as long as the ones they replace
    (the layers above are made for these). WrongInput, which begins with `where`, when that cannot be done."""
    if "token" not in donor.embeddings or "token" not in model.embeddings:
        raise WrongInput(f"{where} and this model do not both embed tokens")
    if donor.embedding_width != model.embedding_width:
        widths = f"{donor.embedding_width} wide, this model {model.embedding_width}"
        advice = "choose architecture.width, or embedding_width where there is one, to fit"
        raise WrongInput(f"{where} has embeddings {widths}; {advice}")
    table, source = model.embeddings["token"].weight, donor.embeddings["token"].weight
    at = torch.from_numpy(matched(own, theirs))
    there = at >= 0
    if not there.any():
        raise WrongInput(f"{where} shares no token with this model's vocabulary; choose tokenizers of one kind")
    own_rows = torch.nn.functional.pad(there, (0, len(table) - len(there)))  # type: ignore[arg-type]
    vectors = source[at[there]]  # type: ignore[index]
    scale = float(table[own_rows].square().mean().sqrt() / vectors.square().mean().sqrt())  # type: ignore[index]
    if not np.isfinite(scale):
        raise WrongInput(f"{where} has embeddings that are all zero")
    table[own_rows] = scale * vectors  # type: ignore[index]
    return {"matched": int(there.sum()), "tokens": len(there), "scale": scale}
