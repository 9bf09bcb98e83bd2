"""Settings of the C library's allocator, so that freed memory returns to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["return_freed_memory"]

#: Constants of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8


def return_freed_memory() -> None:
    """Make glibc return large blocks as soon as they are freed; do nothing on other systems.

    By default glibc keeps freed blocks of up to 32 MB in each of many arenas: a server that has
    decoded a picture keeps that memory for good, and another thread takes as much again. Call this
    before any thread starts.

    Reference: https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 2**20)
        mallopt(M_TRIM_THRESHOLD, 2**20)
        mallopt(M_ARENA_MAX, 1)
