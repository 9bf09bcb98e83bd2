"""Series: real numbers in time order, in one channel or several, read by 1-D convolutions."""

from __future__ import annotations

from mvae.kinds.convolutional import Convolutional

__all__ = ["Series"]


class Series(Convolutional):
    """Real numbers of shape (channels, length)."""

    name = "series"
    likelihoods = ("gaussian",)
    axes = ("channels", "length")
