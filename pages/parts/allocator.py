"""The C library's allocator, told to return what is freed to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["return_freed_memory"]

#: Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8


def return_freed_memory() -> None:
    """Have glibc return large blocks as soon as they are freed; elsewhere do nothing.

    By itself it keeps blocks of up to 32 MB for later, in each of many arenas: a server that once
    decoded a picture then holds its memory for good, and another thread takes as much again. Call
    it before there are threads.

    Reference: https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    with suppress(AttributeError, OSError, TypeError):  # another system, another library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 2**20)
        mallopt(M_TRIM_THRESHOLD, 2**20)
        mallopt(M_ARENA_MAX, 1)
