"""Simulation-based calibration: whether q(z|X_S) is as sure as it may be, for any model and S."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.models.base import DecodingModel, LatentModel

__all__ = ["Calibration", "calibrate", "simulate"]


#: Nats of KL to the prior, averaged over samples, from which a dimension counts as used.
USED = 0.1
#: Bins of equal prior mass by which that is computed.
CELLS = 128


@dataclass(frozen=True)
class Calibration:
    r"""Where true latents lie within the posterior that their own data give.

    .. math:: z \sim p(z), \quad x \sim p(x|z), \quad u_d = Q(z_d \mid x_S)

    with Q the marginal distribution function of q. Averaged over everything that the model can
    generate, the exact posterior has uniform u, whatever it looks like; an over-confident q has
    them near 0 and 1, a q that is too wide near ½. A q that ignores the data and is the prior has
    uniform u too, so that dimensions which q leaves at the prior are told apart: they would dilute
    every average over dimensions. Talts et al., *Validating Bayesian Inference Algorithms with
    Simulation-Based Calibration*, 2018, https://arxiv.org/abs/1804.06788.

    Args:
        ranks: u, in [0, 1], ``(n, D)``.
        information: KL of each dimension's q to the prior in nats, averaged over samples, ``(D,)``.

    Example:
        >>> ranks = torch.linspace(0.005, 0.995, 100).unsqueeze(-1)
        >>> exact = Calibration(ranks, information=torch.tensor([2.0]))
        >>> round(exact.coverage(0.9).item(), 2), exact.histogram(4).flatten().tolist()
        (0.9, [25, 25, 25, 25])
    """

    ranks: Tensor
    information: Tensor

    @property
    def used(self) -> Calibration:
        """Keep the dimensions whose q is at least 0.1 nats from the prior."""
        kept = self.information >= USED
        return Calibration(self.ranks[:, kept], self.information[kept])

    def covered(self, level: float) -> Tensor:
        """Whether true latents lie in the central interval of a level, bool ``(n, D)``."""
        return (self.ranks - 0.5).abs() <= level / 2

    def coverage(self, level: float) -> Tensor:
        """Return the share of true latents in the central interval, ``(D,)``."""
        return self.covered(level).double().mean(0)

    def histogram(self, bins: int) -> Tensor:
        """Count the ranks in bins of equal width, ``(bins, D)``; flat for the exact posterior."""
        return _counted(self.ranks, bins).sum(0).T

    def band(
        self,
        bins: int,
        level: float = 0.99,
        replicates: int = 500,
        generator: torch.Generator | None = None,
    ) -> tuple[float, float]:
        """Return between which heights a share of the bars lies where every dimension is uniform.

        Heights are of the histogram of all dimensions together, 1 being the even share. Dimensions
        depend on one another: of independent ones a bar scatters √D times less than of one and the
        same. So their dependence is kept: each dimension's ranks are replaced by their order, which
        is uniform, and whole samples are drawn with replacement.

        Args:
            bins: of equal width.
            level: share of the bars.
            replicates: simulated histograms.
            generator: the source of randomness.

        Raises:
            ValueError: for no dimensions.
        """
        n, d = self.ranks.shape
        if not d:
            raise ValueError("a histogram of no dimensions has no bars: keep at least one")
        order = (self.ranks.argsort(0).argsort(0).double() + 0.5) / n
        counts = _counted(order, bins).sum(1).double()  # of each sample, (n, bins)
        drawn = torch.randint(n, (replicates, n), generator=generator)
        heights = torch.stack([counts[rows].sum(0) for rows in drawn]) * bins / (n * d)
        low, high = heights.flatten().quantile(torch.tensor([1 - level, 1 + level]).double() / 2)
        return low.item(), high.item()


def _counted(ranks: Tensor, bins: int) -> Tensor:
    """Return in which bin each rank lies, one-hot, ``(n, D, bins)``."""
    index = (ranks * bins).long().clamp(max=bins - 1)
    return functional.one_hot(index, bins)


def information(q: Gaussian | Mixture) -> Tensor:
    r"""Return KL(q(z_d) ‖ p(z_d)) of each dimension's marginal, in nats, ``(B, D)``.

    .. math:: \sum_k m_{kd} \log(K m_{kd}), \qquad m_{kd} = Q_d(e_{k+1}) - Q_d(e_k)

    over K bins between quantiles e of the prior, which needs nothing but distribution functions: of
    a mixture the KL has no closed form. A lower bound, at most log K, and tight where q is near the
    prior.
    """
    edges = torch.special.ndtri(torch.linspace(0, 1, CELLS + 1, dtype=torch.float64)[1:-1])
    at = edges.to(q.mean.dtype)[:, None, None].expand(-1, *q.shape)
    below = q.cdf(at)
    ends = torch.zeros_like(below[:1])
    mass = (torch.cat((below, ends + 1)) - torch.cat((ends, below))).clamp(
        min=0
    )  # but for rounding
    kl: Tensor = torch.special.xlogy(mass, mass * CELLS).sum(0)
    return kl


@torch.no_grad()
def simulate(
    model: DecodingModel, n: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Batch]:
    """Draw latents from the prior and data of all modalities from them, ``(n, D)`` and n samples.

    Pixels are drawn black or white, where a modality's pixels are Bernoulli.
    """
    z = torch.randn(n, model.latents, generator=generator)
    with torch.random.fork_rng():
        # torch's distributions take no generator.
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        values = {m.name: model.decode(z, m.name).sample() for m in model.modalities}
    return z, Batch.of(model.modalities, values)


@torch.no_grad()
def calibrate(
    model: LatentModel, supplied: Tensor, generator: torch.Generator | None = None
) -> Calibration:
    """Rank simulated latents within the posterior given some of the modalities of their data.

    Args:
        model: has posteriors and decodes.
        supplied: which modalities of each of n simulated samples, bool ``(n, M)``; where none are
            supplied the posterior is the prior, which is exact.
        generator: the source of randomness.

    Raises:
        ValueError: if the model has no posterior given such a subset, with its sentence.
    """
    z, batch = simulate(model, len(supplied), generator)
    q = model.posterior(Batch(batch.values, supplied))
    return Calibration(q.cdf(z), information(q).mean(0))
