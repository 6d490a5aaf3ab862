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
    size, cut = 0, 1 << 128  # the least hash dropped so far: no text from there on can be in the sample
    for text in texts:
        data = text.encode()
        key = int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "big")
        if key >= cut:
            continue
        heapq.heappush(held, (-key, text))
        size += len(data)
        while size > limit and len(held) > 1:
            largest, dropped = heapq.heappop(held)
            size, cut = size - len(dropped.encode()), -largest
    return [text for _, text in sorted(held, reverse=True)]
