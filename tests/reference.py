"""Formulas in loops and integrals on a grid, by which tests judge; and samples with holes."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.models.base import LatentModel

HOLES = torch.tensor(
    [
        [True, True, True, True],
        [True, False, True, True],
        [False, True, False, False],
        [False, False, True, True],
        [True, True, True, True],
        [False, False, False, False],
    ]
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(q: Gaussian) -> Normal:
    return Normal(q.mean, (q.logvar / 2).exp())


def kl(q: Gaussian, p: Gaussian | None = None) -> Tensor:
    """Give KL(q ‖ p), or that to the prior."""
    other = Normal(torch.zeros_like(q.mean), 1.0) if p is None else normal(p)
    return kl_divergence(normal(q), other).sum(-1)


def there(batch: Batch, b: int) -> list[str]:
    return [n for n, here in zip(batch.names, batch.present[b].tolist(), strict=True) if here]


def single(model: LatentModel, batch: Batch, b: int, name: str) -> Gaussian:
    """Encode one modality of one sample by its own network, ``(D,)``."""
    encoder = model.encoders[batch.names.index(name)]
    return encoder(batch.values[name][b : b + 1])[0]


def multiplied(experts: list[Gaussian]) -> Gaussian:
    """Multiply experts and the prior by their precisions."""
    precision = 1 + sum((-q.logvar).exp() for q in experts)
    weighted = sum((-q.logvar).exp() * q.mean for q in experts)
    return Gaussian(weighted / precision, -precision.log())


def log_p(model, batch: Batch, b: int, z: Tensor, weighted: bool = True) -> Tensor:
    """Give Σ λ_i log p(x_i|z) of what sample b has, for latents ``(..., D)``."""
    total = torch.zeros(z.shape[:-1])
    for m in model.modalities:
        if m.name in there(batch, b):
            weight = m.weight if weighted else 1.0
            total = total + weight * model.decode(z, m.name).log_prob(batch.values[m.name][b])
    return total


def mixed(parts: list[Gaussian], z: Tensor) -> Tensor:
    """Give the log density of an equally weighted mixture."""
    each = torch.stack([normal(q).log_prob(z).sum(-1) for q in parts])
    return each.logsumexp(0) - math.log(len(parts))


def subsets_of(names: list[str] | tuple[str, ...], smallest: int = 1) -> list[tuple[str, ...]]:
    return [s for n in range(smallest, len(names) + 1) for s in combinations(names, n)]


def assert_same_loss_and_gradients(model, loss: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(loss, expected)
    weights = dict(model.named_parameters())
    found, wanted = (
        torch.autograd.grad(
            x, weights.values(), retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for x in (loss, expected)
    )
    for name, one, other in zip(weights, found, wanted, strict=True):
        torch.testing.assert_close(one, other, msg=name)


def line(step: float = 0.01, end: float = 9.0) -> Tensor:
    """Give a grid of one latent, ``(P, 1)``."""
    return torch.arange(-end, end + step / 2, step).unsqueeze(-1)


def integral(log_values: Tensor, z: Tensor) -> Tensor:
    """Give log ∫ over the last dimension, along a grid ``(P, 1)``."""
    return log_values.logsumexp(-1) + (z[1, 0] - z[0, 0]).log()


def standard(z: Tensor) -> Tensor:
    return Normal(0.0, 1.0).log_prob(z).sum(-1)


def repeated(batch: Batch, n: int) -> Batch:
    return batch[torch.zeros(n, dtype=torch.long)]


@torch.no_grad()
def bound_by_quadrature(model, batch: Batch, log_q: Tensor, z: Tensor) -> float:
    """Give ∫ q(z) [log p(x_S|z) + log p(z) − log q(z)] dz of the first sample."""
    ratio = log_p(model, batch, 0, z, weighted=False) + standard(z) - log_q
    return (log_q.exp() * ratio).sum().item() * (z[1, 0] - z[0, 0]).item()
