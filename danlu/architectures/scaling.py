"""Smaller models of the same architecture."""

from __future__ import annotations

from math import gcd
from typing import Any

from danlu.architecture import Architecture


def even(size: float) -> int:
    """Return the nearest even number, at least 2."""
    return max(2, 2 * round(size / 2))


def scaled(architecture: Architecture, width: float, layers: float) -> Architecture:
    """Return the settings of a model with fractions of the width and of the layers, for the same embeddings.

    There are fewer heads of the same width, or of another width where the fraction is not a whole number of heads. The
    feed-forward width is scaled with the width. An architecture without `embedding_width` keeps its width, since that
    is also the width of the embeddings.
    """
    given: dict[str, Any] = architecture.model_dump()
    changed: dict[str, Any] = {}
    if "layers" in given:
        changed["layers"] = max(1, round(given["layers"] * layers))
    if "embedding_width" not in given:
        return type(architecture).model_validate(given | changed)
    before: int = given["width"]
    changed["width"] = even(before * width)
    if "heads" in given:
        heads = max(1, round(given["heads"] * width))
        changed["heads"] = heads
        if given.get("head_dim") is None:
            each = before // given["heads"] if heads == given["heads"] * width else even(changed["width"] / heads)
            changed["width"] = heads * each
        if given.get("kv_heads"):
            changed["kv_heads"] = gcd(heads, given["kv_heads"])
    if given.get("ffn_dim"):
        changed["ffn_dim"] = max(1, round(given["ffn_dim"] * changed["width"] / before))
    embeddings = given["embedding_width"] or before
    changed["embedding_width"] = None if embeddings == changed["width"] else embeddings
    return type(architecture).model_validate(given | changed)
