"""What is read of files and kept until they change; within one run of a page, nothing changes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

import streamlit as st

__all__ = ["kept", "one_version", "stamps"]

Args = ParamSpec("Args")
Found = TypeVar("Found")

#: What this run of a page has read already; None outside of a run.
_run: ContextVar[dict[Hashable, Any] | None] = ContextVar("run", default=None)


@contextmanager
def one_version() -> Iterator[None]:
    """Have everything inside see one version of every file, also if it is replaced meanwhile."""
    if _run.get() is not None:
        yield
        return
    token = _run.set({})
    try:
        yield
    finally:
        _run.reset(token)


def stamps(*paths: Path) -> tuple[tuple[int, ...] | None, ...]:
    """Return what changes whenever a file does, for each of some files; None for a missing one.

    The time of the last change of status is among it, which copying with all attributes sets too.
    """
    return tuple(map(_stamp, paths))


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class Kept(Generic[Args, Found]):
    """A function that reads files, and what it returned for each of their versions."""

    def __init__(
        self, read: Callable[Args, Found], key: Callable[Args, Hashable], max_entries: int
    ) -> None:
        def of_version(version: Hashable, *args: Args.args, **kwargs: Args.kwargs) -> Found:
            return read(*args, **kwargs)

        # Streamlit tells functions apart by their names.
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
        """Forget everything."""
        self._cached.clear()


def kept(
    key: Callable[Args, Hashable], max_entries: int
) -> Callable[[Callable[Args, Found]], Kept[Args, Found]]:
    """Decorate a function to keep what it returns for all visitors, until its key changes.

    What it raises is not kept, so that a mended file works at once.

    Args:
        key: of the function's arguments, what it depends on: the stamps of files, or the version
            of a model.
        max_entries: results that are kept; the one that was asked for longest ago goes first.
    """
    return lambda read: Kept(read, key, max_entries)
