"""Errors whose message is written for whoever gave the input."""

__all__ = ["InputError"]


class InputError(Exception):
    """What a visitor gave cannot be used; the message says what was wrong and what to do."""
