"""A bounded sample of texts that depends on which texts there are, not on their order."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable


def sample_texts(texts: Iterable[str], limit: int) -> list[str]:
    """The texts in the order of their hashes, as many from the front as fit in `limit` UTF-8 bytes (at least one).

    Never holds more than `limit` bytes and one text.
    """
    held: list[tuple[int, str]] = []  # a heap whose top has the largest hash
    size, cut = 0, 1 << 128  # what was let go once: from there on nothing can be in the sample
    for text in texts:
        data = text.encode()
        key = int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "big")
        if key >= cut:
            continue
        heapq.heappush(held, (-key, text))
        size += len(data)
        while size > limit and len(held) > 1:
            largest, gone = heapq.heappop(held)
            size, cut = size - len(gone.encode()), -largest
    return [text for _, text in sorted(held, reverse=True)]
