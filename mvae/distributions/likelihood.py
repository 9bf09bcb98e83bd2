"""Likelihoods p(x|z): what a decoder's output means for data of each type."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Independent,
    Normal,
    constraints,
)
from torch.distributions.constraints import Constraint

from mvae.distributions.autoregressive import Autoregressive, TextDecoder

__all__ = ["LIKELIHOODS", "Likelihood"]


@dataclass(frozen=True)
class Likelihood:
    """How a decoder's numbers become a distribution over one modality.

    Args:
        title: what a page calls it.
        parameters: how many numbers the decoder gives per element of the event.
        distribution: decoder output ``(..., parameters · elements)`` and event shape to p(x|z).
        expected: its mean, as probabilities for discrete data, ``(..., *shape)``; of a text those
            of each token, ``(..., L, V)``.
        support: of what numbers the data are made.
        binary: whether data are 0 or 1, so that grey input is to be binarised at 0.5.
        exact: whether log_prob is a normalised log-likelihood of the data.
    """

    title: str
    parameters: int
    distribution: Callable[[Any, tuple[int, ...]], Distribution]
    expected: Callable[[Distribution], Tensor]
    support: Constraint
    binary: bool = False
    exact: bool = True


class Binary(Independent[Bernoulli]):
    r"""Independent Bernoulli elements, by logits η.

    .. math:: \log p(x|\eta) = \sum_i \big(x_i\eta_i - \max(\eta_i, 0)\big)
              - \sum_g \log \prod_{i \in g} \big(1 + e^{-|\eta_i|}\big)

    Scoring pixels is most of what importance weights take beside matrix products. Logarithms of
    products over groups of elements, whose factors are between 1 and 2, take half as long as one
    logarithm an element. Gradients are left to torch's own formula.

    Example:
        >>> p = bernoulli(torch.tensor([[4.0, -1.0, 0.5]]), (3,))
        >>> x, twice = torch.tensor([1.0, 0.0, 1.0]), Independent.log_prob
        >>> with torch.no_grad():
        ...     torch.allclose(p.log_prob(x), twice(p, x))
        True
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """Sum over the event's elements, ``(..., *event shape)`` to ``(...)``."""
        if torch.is_grad_enabled():
            result: Tensor = super().log_prob(value)  # type: ignore[no-untyped-call]
            return result
        logits, event = self.base_dist.logits, -len(self.event_shape)
        # One copy of the logits serves both sums: fresh memory costs as much as arithmetic.
        copy = logits.clamp(min=0)
        linear = copy.addcmul_(logits, value, value=-1).flatten(event).sum(-1)
        factors = torch.abs(logits, out=copy).neg_().exp_().add_(1).flatten(event)
        groups = factors.unflatten(-1, (-1, _group(factors.shape[-1]))).prod(-1)
        total: Tensor = linear + groups.log_().sum(-1)
        return -total


@cache
def _group(n: int) -> int:
    """Give the largest divisor of n whose power of two is well within the range of float32."""
    return next(d for d in range(min(n, 120), 0, -1) if n % d == 0)


def bernoulli(output: Tensor, shape: tuple[int, ...]) -> Distribution:
    """Bernoulli per element, by logits; on grey values its log_prob is the cross-entropy."""
    logits = output.reshape(*output.shape[:-1], *shape)
    return Binary(Bernoulli(logits=logits, validate_args=False), len(shape), validate_args=False)


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


def autoregressive(output: tuple[TextDecoder, Tensor], shape: tuple[int, ...]) -> Distribution:
    """Texts of up to ``shape[0]`` tokens, each given those before it; data are indices."""
    return Autoregressive(output, shape[0])


def _mean(distribution: Distribution) -> Tensor:
    return distribution.mean


def _probabilities(distribution: Distribution) -> Tensor:
    assert isinstance(distribution, Categorical)
    return distribution.probs


LIKELIHOODS: dict[str, Likelihood] = {
    "bernoulli": Likelihood("Bernoulli", 1, bernoulli, _mean, constraints.boolean, binary=True),
    # As in the paper: grey values scored as if they were probabilities. Not a normalised
    # density of grey values, so sums of it are not called log-likelihoods.
    "bernoulli-cross-entropy": Likelihood(
        "Bernoulli cross-entropy on grey values",
        1,
        bernoulli,
        _mean,
        constraints.unit_interval,
        exact=False,
    ),
    "categorical": Likelihood(
        "categorical", 1, categorical, _probabilities, constraints.nonnegative_integer
    ),
    "gaussian": Likelihood("Gaussian", 2, gaussian, _mean, constraints.real),
    "autoregressive": Likelihood(
        "autoregressive", 1, autoregressive, _mean, constraints.nonnegative_integer
    ),
}


def elements(shape: tuple[int, ...]) -> int:
    """Give the number of elements of an event.

    Example:
        >>> elements((1, 28, 28))
        784
    """
    return math.prod(shape)
