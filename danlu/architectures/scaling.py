"""A smaller model of the same make: the settings that go together are made smaller together."""

from __future__ import annotations

from math import gcd
from typing import Any

from danlu.architecture import Architecture


def even(size: float) -> int:
    """The nearest even number, at least 2."""
    return max(2, 2 * round(size / 2))


def scaled(architecture: Architecture, width: float, layers: float) -> Architecture:
    """The settings of a model with these shares of the width and of the layers, for the same embeddings.

    Heads keep their width and become fewer, and so do groups of keys; where the share of them is no whole number, they
    get another width. The feed-forward width shrinks with the width. An architecture without `embedding_width` keeps
    its width, since the embeddings have it.
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
        if given.get("head_width") is None:
            each = before // given["heads"] if heads == given["heads"] * width else even(changed["width"] / heads)
            changed["width"] = heads * each
        if given.get("kv_heads"):
            changed["kv_heads"] = gcd(heads, given["kv_heads"])
    if given.get("hidden"):
        changed["hidden"] = max(1, round(given["hidden"] * changed["width"] / before))
    embeddings = given["embedding_width"] or before
    changed["embedding_width"] = None if embeddings == changed["width"] else embeddings
    return type(architecture).model_validate(given | changed)
