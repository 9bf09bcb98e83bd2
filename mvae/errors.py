"""Errors whose message is a sentence for whoever gave the input."""

from __future__ import annotations

__all__ = ["InputError"]


class InputError(Exception):
    """What a visitor gave cannot be used; the message says what was wrong and what to do."""
