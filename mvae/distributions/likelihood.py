"""Likelihoods p(x|z): how a decoder's output parametrises a distribution for each type of data."""

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
    """How a decoder's output becomes a distribution over one modality.

    Args:
        title: the name shown to users.
        parameters: how many numbers the decoder outputs per element of the event.
        distribution: maps the decoder output ``(..., parameters · elements)`` and the event shape
            to p(x|z).
        expected: maps a distribution to its mean, ``(..., *shape)``, as probabilities for discrete
            data; for a text, the probabilities of each token, ``(..., L, V)``.
        support: which values the data may take.
        binary: whether data are 0 or 1, so that grey input must be binarised at 0.5.
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
    r"""Independent Bernoulli elements with logits η.

    .. math:: \log p(x|\eta) = \sum_i \big(x_i\eta_i - \max(\eta_i, 0)\big)
              - \sum_g \log \prod_{i \in g} \big(1 + e^{-|\eta_i|}\big)

    Scoring pixels takes most of the time of importance weighting, apart from matrix products.
    Taking the logarithm of a product over each group g of elements, whose factors lie between 1
    and 2, is twice as fast as taking one logarithm per element. When gradients are needed, torch's
    own formula is used.

    Example:
        >>> p = bernoulli(torch.tensor([[4.0, -1.0, 0.5]]), (3,))
        >>> x = torch.tensor([1.0, 0.0, 1.0])
        >>> with torch.no_grad():
        ...     torch.allclose(p.log_prob(x), Independent.log_prob(p, x))
        True
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """Compute the log-probability, ``(..., *event shape)`` to ``(...)``, in nats."""
        if torch.is_grad_enabled():
            result: Tensor = super().log_prob(value)  # type: ignore[no-untyped-call]
            return result
        logits, event = self.base_dist.logits, -len(self.event_shape)
        # One buffer serves both sums: allocating memory costs as much as the arithmetic.
        buffer = logits.clamp(min=0)
        linear = buffer.addcmul_(logits, value, value=-1).flatten(event).sum(-1)
        factors = torch.abs(logits, out=buffer).neg_().exp_().add_(1).flatten(event)
        groups = factors.unflatten(-1, (-1, _group_size(factors.shape[-1]))).prod(-1)
        total: Tensor = linear + groups.log_().sum(-1)
        return -total


@cache
def _group_size(n: int) -> int:
    """Return the largest divisor d of n for which 2^d is well within the range of float32."""
    return next(d for d in range(min(n, 120), 0, -1) if n % d == 0)


def bernoulli(output: Tensor, shape: tuple[int, ...]) -> Distribution:
    """Return a Bernoulli per element, from logits; for grey values log_prob is −cross-entropy."""
    logits = output.reshape(*output.shape[:-1], *shape)
    return Binary(Bernoulli(logits=logits, validate_args=False), len(shape), validate_args=False)


def categorical(output: Tensor, shape: tuple[int, ...]) -> Distribution:
    """Return a distribution over ``shape[0]`` classes, from logits; data are class indices."""
    return Categorical(logits=output, validate_args=False)


def gaussian(output: Tensor, shape: tuple[int, ...]) -> Distribution:
    """Return independent normals with decoded mean and log standard deviation (at least −3)."""
    mean, raw = output.reshape(*output.shape[:-1], 2, *shape).unbind(-len(shape) - 1)
    # A lower bound on σ keeps the density bounded where the data can be fitted exactly.
    log_std = torch.nn.functional.softplus(raw + 3.0) - 3.0
    return Independent(
        Normal(mean, log_std.exp(), validate_args=False), len(shape), validate_args=False
    )


def autoregressive(output: tuple[TextDecoder, Tensor], shape: tuple[int, ...]) -> Distribution:
    """Return a distribution over texts of up to ``shape[0]`` tokens; data are token indices."""
    return Autoregressive(output, shape[0])


def _mean(distribution: Distribution) -> Tensor:
    return distribution.mean


def _probabilities(distribution: Distribution) -> Tensor:
    assert isinstance(distribution, Categorical)
    return distribution.probs


LIKELIHOODS: dict[str, Likelihood] = {
    "bernoulli": Likelihood("Bernoulli", 1, bernoulli, _mean, constraints.boolean, binary=True),
    # As in the paper, grey values are scored as if they were probabilities. This is not a
    # normalised density of grey values, so its sums are not called log-likelihoods.
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
    """Return the number of elements in an event of the given shape.

    Example:
        >>> elements((1, 28, 28))
        784
    """
    return math.prod(shape)
