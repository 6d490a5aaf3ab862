"""Compression as a baseline: the test text under `zstd -19`, alone and primed with the training text.

The compressed bits per byte of text are comparable with the bits per byte of a language model. A compressor that is
primed with the training text can copy any passage of it, as a model can memorise one.
Documents are joined by one newline in both texts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 19
"""The highest level of `zstd` below the "ultra" levels."""

MAX_LOG = 30
"""zstd's bound for the log of its search tables, also used for the window (whose own bound is 31)."""


def join_documents(texts: Iterable[str]) -> bytes:
    """Join documents to one UTF-8 text, with a newline between two documents."""
    return "\n".join(texts).encode()


def _options(size: int) -> dict[int, int]:
    """Return parameters with which a match can be found anywhere in `size` bytes."""
    log = max(size.bit_length(), 10)
    if log > MAX_LOG:
        raise ValueError(f"{size} bytes exceed zstd's window of {1 << MAX_LOG}; prime with less text")
    parameter = zstd.CompressionParameter
    return {
        parameter.compression_level: LEVEL,
        parameter.window_log: log,
        # The search tree holds 2^(chain_log - 1) positions, 8 million at this level; the start of a longer training
        # text would drop out (21 MB of books: 2.168 bits per byte without this line, 2.103 with it).
        parameter.chain_log: min(max(log + 1, 24), MAX_LOG),
        parameter.hash_log: max(log, 22),  # same result, nearly twice as fast
        # Unlike a dictionary, a prefix can be searched for long matches.
        parameter.enable_long_distance_matching: 1,
        parameter.checksum_flag: 0,
    }


def zstd_bits(test: bytes) -> int:
    """Return the bits of the compressed frame, including the header and excluding the checksum."""
    return 8 * len(zstd.compress(test, options=_options(len(test))))


def zstd_primed_bits(test: bytes, train: bytes) -> int:
    """Return the compressed bits of `test` after `train`, a raw prefix within the window.

    Takes about a second per MB of training text, and 25 bytes of memory per byte.

    Raises:
        ValueError: if both texts together exceed 1 GiB.
    """
    options = _options(len(train) + 1 + len(test))
    # The newline that separates documents belongs to the prefix. zstd requires a prefix of at least 8 bytes.
    prefix = zstd.ZstdDict(train + b"\n", is_raw=True).as_prefix if len(train) > 7 else None
    return 8 * len(zstd.compress(test, options=options, zstd_dict=prefix))
