"""Likelihoods p(x|z): what a decoder's output means for data of each type."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, Normal

__all__ = ["LIKELIHOODS", "Likelihood"]


@dataclass(frozen=True)
class Likelihood:
    """How a decoder's numbers become a distribution over one modality.

    Args:
        title: what a page calls it.
        parameters: how many numbers the decoder gives per element of the event.
        distribution: decoder output ``(..., parameters · elements)`` and event shape to p(x|z).
        expected: its mean, as probabilities for discrete data, ``(..., *shape)``.
        binary: whether data are 0 or 1, so that grey input is to be binarised at 0.5.
        exact: whether log_prob is a normalised log-likelihood of the data.
    """

    title: str
    parameters: int
    distribution: Callable[[Tensor, tuple[int, ...]], Distribution]
    expected: Callable[[Distribution], Tensor]
    binary: bool = False
    exact: bool = True


def bernoulli(output: Tensor, shape: tuple[int, ...]) -> Distribution:
    """Bernoulli per element, by logits; on grey values its log_prob is the cross-entropy."""
    logits = output.reshape(*output.shape[:-1], *shape)
    return Independent(
        Bernoulli(logits=logits, validate_args=False), len(shape), validate_args=False
    )


def categorical(output: Tensor, shape: tuple[int, ...]) -> Distribution:
    """Give one of ``shape[0]`` categories, by logits; data are indices."""
    return Categorical(logits=output, validate_args=False)


def gaussian(output: Tensor, shape: tuple[int, ...]) -> Distribution:
    """Independent normals whose mean and log standard deviation (at least −3) are decoded."""
    mean, raw = output.reshape(*output.shape[:-1], 2, *shape).unbind(-len(shape) - 1)
    # A floor on σ keeps the density bounded where data can be fitted exactly.
    log_std = torch.nn.functional.softplus(raw + 3.0) - 3.0
    return Independent(
        Normal(mean, log_std.exp(), validate_args=False), len(shape), validate_args=False
    )


def _mean(distribution: Distribution) -> Tensor:
    return distribution.mean


def _probabilities(distribution: Distribution) -> Tensor:
    assert isinstance(distribution, Categorical)
    return distribution.probs


LIKELIHOODS: dict[str, Likelihood] = {
    "bernoulli": Likelihood("Bernoulli", 1, bernoulli, _mean, binary=True),
    # As in the paper: grey values scored as if they were probabilities. Not a normalised
    # density of grey values, so sums of it are not called log-likelihoods.
    "bernoulli-cross-entropy": Likelihood(
        "Bernoulli cross-entropy on grey values", 1, bernoulli, _mean, exact=False
    ),
    "categorical": Likelihood("categorical", 1, categorical, _probabilities),
    "gaussian": Likelihood("Gaussian", 2, gaussian, _mean),
}


def elements(shape: tuple[int, ...]) -> int:
    """Give the number of elements of an event.

    Example:
        >>> elements((1, 28, 28))
        784
    """
    return math.prod(shape)
