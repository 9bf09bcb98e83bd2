"""Errors whose message is a sentence for whoever gave the input."""

from __future__ import annotations

__all__ = ["InputError"]


class InputError(Exception):
    """A visitor's input that cannot be used; the message says what is wrong and what to do."""
