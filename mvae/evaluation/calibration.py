"""Simulation-based calibration of q(z|X_S), for any model and any subset S."""

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


#: KL divergence from the prior, in nats averaged over samples, at which a latent counts as used.
MIN_INFORMATION = 0.1
#: Number of bins of equal prior mass over which that divergence is computed.
CELLS = 128


@dataclass(frozen=True)
class Calibration:
    r"""Ranks of true latents within the posterior inferred from their own data.

    .. math:: z \sim p(z), \quad x \sim p(x|z), \quad u_d = Q(z_d \mid x_S)

    where Q is the marginal distribution function of q. Averaged over all data that the model can
    generate, the ranks u of the exact posterior are uniform, whatever its shape; those of an
    over-confident q accumulate near 0 and 1, and those of a q that is too wide near ½. A q that
    ignores the data and equals the prior also has uniform ranks. Dimensions that q leaves at the
    prior are therefore set aside: they would dilute every average over dimensions. Talts et al.,
    *Validating Bayesian Inference Algorithms with Simulation-Based Calibration*, 2018,
    https://arxiv.org/abs/1804.06788.

    Args:
        ranks: u, in [0, 1], ``(n, D)``.
        information: KL(q‖p) of each dimension in nats, averaged over samples, ``(D,)``.

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
        """The dimensions whose q is at least 0.1 nats from the prior, on average."""
        used = self.information >= MIN_INFORMATION
        return Calibration(self.ranks[:, used], self.information[used])

    def covered(self, level: float) -> Tensor:
        """Whether true latents lie in the central interval of mass ``level``, bool ``(n, D)``."""
        return (self.ranks - 0.5).abs() <= level / 2

    def coverage(self, level: float) -> Tensor:
        """Return the fraction of true latents in the central interval, ``(D,)``."""
        return self.covered(level).double().mean(0)

    def histogram(self, bins: int) -> Tensor:
        """Count ranks in bins of equal width, ``(bins, D)``; flat for the exact posterior."""
        return _one_hot_bins(self.ranks, bins).sum(0).T

    def uniform_band(
        self,
        bins: int,
        level: float = 0.99,
        replicates: int = 500,
        generator: torch.Generator | None = None,
    ) -> tuple[float, float]:
        """Return the heights between which a fraction of the bars lies if ranks are uniform.

        The histogram is that of all dimensions together, with height 1 for an even share.
        Dimensions depend on one another, and the more they do, the more a bar scatters: √D times
        as much if they are all equal as if they are independent. The dependence is preserved by
        replacing the ranks of each dimension by their order, which is uniform, and drawing whole
        samples with replacement.

        Args:
            bins: number of bins of equal width.
            level: fraction of the bars that lie within the band.
            replicates: number of simulated histograms.
            generator: source of random numbers.

        Raises:
            ValueError: if there are no dimensions.
        """
        n, d = self.ranks.shape
        if not d:
            raise ValueError("a histogram of no dimensions has no bars: keep at least one")
        order = (self.ranks.argsort(0).argsort(0).double() + 0.5) / n
        counts = _one_hot_bins(order, bins).sum(1).double()  # of each sample, (n, bins)
        drawn = torch.randint(n, (replicates, n), generator=generator)
        heights = torch.stack([counts[rows].sum(0) for rows in drawn]) * bins / (n * d)
        low, high = heights.flatten().quantile(torch.tensor([1 - level, 1 + level]).double() / 2)
        return low.item(), high.item()


def _one_hot_bins(ranks: Tensor, bins: int) -> Tensor:
    """Return the bin of each rank, one-hot, ``(n, D, bins)``."""
    bin_index = (ranks * bins).long().clamp(max=bins - 1)
    return functional.one_hot(bin_index, bins)


def marginal_information(q: Gaussian | Mixture) -> Tensor:
    r"""Return KL(q(z_d) ‖ p(z_d)) of each dimension's marginal, in nats, ``(B, D)``.

    .. math:: \sum_k m_{kd} \log(K m_{kd}), \qquad m_{kd} = Q_d(e_{k+1}) - Q_d(e_k)

    summed over K bins between quantiles e of the prior. It needs only distribution functions,
    since the divergence of a mixture has no closed form. It is a lower bound, is at most log K, and
    is tight where q is close to the prior.
    """
    edges = torch.special.ndtri(torch.linspace(0, 1, CELLS + 1, dtype=torch.float64)[1:-1])
    points = edges.to(q.mean.dtype)[:, None, None].expand(-1, *q.shape)
    cdf = q.cdf(points)
    zeros = torch.zeros_like(cdf[:1])
    mass = (torch.cat((cdf, zeros + 1)) - torch.cat((zeros, cdf))).clamp(
        min=0
    )  # negative only by rounding
    kl: Tensor = torch.special.xlogy(mass, mass * CELLS).sum(0)
    return kl


@torch.no_grad()
def simulate(
    model: DecodingModel, n: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Batch]:
    """Draw latents from the prior, and data of all modalities given them.

    The pixels of a modality with a Bernoulli likelihood are drawn as black or white.

    Returns:
        Latents ``(n, D)``, and a batch of n samples.
    """
    z = torch.randn(n, model.latents, generator=generator)
    with torch.random.fork_rng():
        # The distributions of torch do not accept a generator.
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        values = {m.name: model.decode(z, m.name).sample() for m in model.modalities}
    return z, Batch.of(model.modalities, values)


@torch.no_grad()
def calibrate(
    model: LatentModel, supplied: Tensor, generator: torch.Generator | None = None
) -> Calibration:
    """Rank simulated latents within the posterior given some modalities of their data.

    Args:
        model: a model with posteriors.
        supplied: which modalities are supplied of each of n simulated samples, bool ``(n, M)``;
            where none is, the posterior is the prior, which is exact.
        generator: source of random numbers.

    Raises:
        ValueError: if the model has no posterior given such a subset; the message is the model's.
    """
    z, batch = simulate(model, len(supplied), generator)
    q = model.posterior(Batch(batch.values, supplied))
    return Calibration(q.cdf(z), marginal_information(q).mean(0))
