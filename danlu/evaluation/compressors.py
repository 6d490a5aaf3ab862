"""General-purpose compressors as baselines: the test text under `zstd -19`, alone and primed with the training text.

A compressor is a model of text too: its bits divided by the bytes of the text compare with the bits per byte of a
language model. Primed with the training text, it can copy any passage of it, as a model can memorise one.
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
"""The strongest level of `zstd` that is not "ultra"."""

LARGEST_LOG = 30
"""zstd's bound for the log of its search tables; the window (bound 31) is kept below it too."""


def joined(texts: Iterable[str]) -> bytes:
    """Join documents to one text: UTF-8, with a newline between two documents."""
    return "\n".join(texts).encode()


def _options(reach: int) -> dict[int, int]:
    """Return parameters with which each of `reach` bytes can be found and referenced."""
    log = max(reach.bit_length(), 10)
    if log > LARGEST_LOG:
        raise ValueError(f"{reach} bytes exceed zstd's window of {1 << LARGEST_LOG}; prime with a part of them")
    parameter = zstd.CompressionParameter
    return {
        parameter.compression_level: LEVEL,
        parameter.window_log: log,
        # The search tree holds 2^(chain_log - 1) positions, 8 million at this level; the start of a longer training
        # text would drop out (21 MB of books: 2.168 bits per byte without this line, 2.103 with it).
        parameter.chain_log: min(max(log + 1, 24), LARGEST_LOG),
        parameter.hash_log: max(log, 22),  # the same bits, found nearly twice as fast
        # Unlike in a dictionary, long matches can be searched in a prefix.
        parameter.enable_long_distance_matching: 1,
        parameter.checksum_flag: 0,
    }


def zstd_bits(test: bytes) -> int:
    """Return the bits of the compressed frame, including the header and excluding the checksum."""
    return 8 * len(zstd.compress(test, options=_options(len(test))))


def zstd_primed_bits(test: bytes, train: bytes) -> int:
    """Return the bits of `test` for a receiver that has `train`, which is a raw prefix inside the window.

    Takes about a second per MB of training text, and 25 bytes of memory per byte.

    Raises:
        ValueError: if both texts together exceed 1 GiB.
    """
    options = _options(len(train) + 1 + len(test))
    # A newline ends the training text for the receiver too. zstd accepts no prefix of less than 8 bytes.
    prefix = zstd.ZstdDict(train + b"\n", is_raw=True).as_prefix if len(train) > 7 else None
    return 8 * len(zstd.compress(test, options=options, zstd_dict=prefix))
