"""A cache of file contents, renewed when a file changes, but never during a run of a page."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

import streamlit as st

__all__ = ["cached_by", "one_version", "stamps"]

Args = ParamSpec("Args")
Found = TypeVar("Found")

#: Results already read during this run of a page; None outside a run.
_run: ContextVar[dict[Hashable, Any] | None] = ContextVar("run", default=None)


@contextmanager
def one_version() -> Iterator[None]:
    """Hold all code in the block to one version of every file, even if one is replaced."""
    if _run.get() is not None:
        yield
        return
    token = _run.set({})
    try:
        yield
    finally:
        _run.reset(token)


def stamps(*paths: Path) -> tuple[tuple[int, ...] | None, ...]:
    """Return a stamp of each file that changes whenever the file does; None for a missing file.

    It includes the time of the last status change, which even a copy that preserves times updates.
    """
    return tuple(map(_stamp, paths))


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class CachedReader(Generic[Args, Found]):
    """A function that reads files, with a cache of its results for each version of the files."""

    def __init__(
        self, read: Callable[Args, Found], key: Callable[Args, Hashable], max_entries: int
    ) -> None:
        def of_version(version: Hashable, *args: Args.args, **kwargs: Args.kwargs) -> Found:
            return read(*args, **kwargs)

        # Streamlit distinguishes cached functions by their names.
        of_version.__module__, of_version.__qualname__ = read.__module__, read.__qualname__
        self._cached = st.cache_resource(max_entries=max_entries, show_spinner=False)(of_version)
        self._key, self._name = key, f"{read.__module__}.{read.__qualname__}"
        functools.update_wrapper(self, read)

    def __call__(self, *args: Args.args, **kwargs: Args.kwargs) -> Found:
        with one_version():
            run = _run.get()
            assert run is not None
            asked = (self._name, args, tuple(kwargs.items()))
            if asked not in run:
                run[asked] = self._cached(self._key(*args, **kwargs), *args, **kwargs)
            found: Found = run[asked]
            return found

    def clear(self) -> None:
        """Empty the cache."""
        self._cached.clear()


def cached_by(
    key: Callable[Args, Hashable], max_entries: int
) -> Callable[[Callable[Args, Found]], CachedReader[Args, Found]]:
    """Decorate a function to cache its results for all visitors until a key changes.

    Errors are not cached, so that a repaired file works at once.

    Args:
        key: a function of the same arguments that returns what the result depends on: the stamps
            of files, or the version of a model.
        max_entries: number of results to keep; the least recently used one is dropped first.
    """
    return lambda read: CachedReader(read, key, max_entries)
