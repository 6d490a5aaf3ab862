"""Smaller models of the same architecture."""

from __future__ import annotations

from math import gcd
from typing import Any

from danlu.architecture import Architecture


def nearest_even(size: float) -> int:
    """Return the nearest even number, at least 2."""
    return max(2, 2 * round(size / 2))


def scale_architecture(architecture: Architecture, width: float, layers: float) -> Architecture:
    """Scale the width and the number of layers of an architecture by fractions, with unchanged embeddings.

    The number of heads is scaled and their width kept if the scaled number is an integer; otherwise the width of the
    heads changes too. The feed-forward width is scaled with the width. An architecture without `embedding_width` keeps
    its width, since that is also the width of the embeddings.
    """
    given: dict[str, Any] = architecture.model_dump()
    changed: dict[str, Any] = {}
    if "layers" in given:
        changed["layers"] = max(1, round(given["layers"] * layers))
    if "embedding_width" not in given:
        return type(architecture).model_validate(given | changed)
    before: int = given["width"]
    changed["width"] = nearest_even(before * width)
    if "heads" in given:
        heads = max(1, round(given["heads"] * width))
        changed["heads"] = heads
        if given.get("head_dim") is None:
            exact = heads == given["heads"] * width
            head_dim = before // given["heads"] if exact else nearest_even(changed["width"] / heads)
            changed["width"] = heads * head_dim
        if given.get("kv_heads"):
            changed["kv_heads"] = gcd(heads, given["kv_heads"])
    if given.get("ffn_dim"):
        changed["ffn_dim"] = max(1, round(given["ffn_dim"] * changed["width"] / before))
    embeddings = given["embedding_width"] or before
    changed["embedding_width"] = None if embeddings == changed["width"] else embeddings
    return type(architecture).model_validate(given | changed)
