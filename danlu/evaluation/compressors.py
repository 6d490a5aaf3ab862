"""General compressors as baselines: the test text under `zstd -19`, alone and primed with the training text.

A compressor is a model of text too: its bits divided by the bytes of the text compare with a language model's
bits per byte. Primed with the training text, it may copy any run of it, as a model may know it by heart.
Documents are joined by one newline, the same for both texts.
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
"""zstd's bound for the log of its search tables; we keep the window (bound 31) below it too."""


def joined(texts: Iterable[str]) -> bytes:
    """Documents as one text: UTF-8, a newline between two of them."""
    return "\n".join(texts).encode()


def _options(reach: int) -> dict[int, int]:
    """Parameters with which every one of `reach` bytes can be found and referred to."""
    log = max(reach.bit_length(), 10)
    if log > LARGEST_LOG:
        raise ValueError(f"{reach} bytes are more than zstd's window of {1 << LARGEST_LOG}; prime with a part of them")
    parameter = zstd.CompressionParameter
    return {
        parameter.compression_level: LEVEL,
        parameter.window_log: log,
        # The search tree remembers 2^(chain_log - 1) positions, 8 million at this level: of a longer training text the
        # start would be forgotten (21 MB of books: 2.168 bits per byte without this line, 2.103 with it).
        parameter.chain_log: min(max(log + 1, 24), LARGEST_LOG),
        parameter.hash_log: max(log, 22),  # the same bits, found nearly twice as fast
        # Unlike a dictionary, a prefix may be searched for long matches too.
        parameter.enable_long_distance_matching: 1,
        parameter.checksum_flag: 0,
    }


def zstd_bits(test: bytes) -> int:
    """Bits of the whole compressed frame, header included, checksum excluded."""
    return 8 * len(zstd.compress(test, options=_options(len(test))))


def zstd_primed_bits(test: bytes, train: bytes) -> int:
    """Bits of `test` for a receiver who holds `train`: all of it is a raw prefix inside the window.

    About 1 MB of training text a second and 25 bytes of memory a byte of it. ValueError when both are over 1 GiB.
    """
    options = _options(len(train) + 1 + len(test))
    # The receiver also knows that a newline ends the training text. zstd takes no prefix of less than 8 bytes.
    prefix = zstd.ZstdDict(train + b"\n", is_raw=True).as_prefix if len(train) > 7 else None
    return 8 * len(zstd.compress(test, options=options, zstd_dict=prefix))
