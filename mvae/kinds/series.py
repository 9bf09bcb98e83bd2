"""Series: real numbers in time order, in one or several channels."""

from __future__ import annotations

from mvae.kinds.grid import Convolutional

__all__ = ["Series"]


class Series(Convolutional):
    """Real numbers of shape (channels, length)."""

    name = "series"
    likelihoods = ("gaussian",)
    axes = ("channels", "length")
