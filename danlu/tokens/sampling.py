"""A bounded sample of texts that depends on the set of texts, not on their order."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable


def sample_texts(texts: Iterable[str], limit: int) -> list[str]:
    """Return the texts in the order of their hashes, as many as fit in `limit` UTF-8 bytes, but at least one.

    Holds at most `limit` bytes and one text in memory.
    """
    held: list[tuple[int, str]] = []  # a heap with the largest hash on top
    size, limit_key = 0, 1 << 128  # the smallest hash dropped so far; the sample has no text with this or a larger one
    for text in texts:
        data = text.encode()
        key = int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "big")
        if key >= limit_key:
            continue
        heapq.heappush(held, (-key, text))
        size += len(data)
        while size > limit and len(held) > 1:
            largest, dropped = heapq.heappop(held)
            size, limit_key = size - len(dropped.encode()), -largest
    return [text for _, text in sorted(held, reverse=True)]
