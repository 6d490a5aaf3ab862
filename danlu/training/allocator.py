"""Allocator settings: returning freed memory to the system and requesting it again takes a tenth of every step."""

from __future__ import annotations

import ctypes
import platform

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Parameters of mallopt(3)."""


def keep_freed_memory() -> None:
    """Make glibc's allocator keep freed memory for the next step; do nothing with other C libraries."""
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_MAX, 0)
    libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)
