"""The product of two exact posteriors, compared with the joint one and with Gaussians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian, divide_out_prior
from mvae.evaluation.exact_posterior import ExactInference, ExactPosterior, log_prior
from mvae.evaluation.quadrature import DEPTH, SHARP, Partition

__all__ = ["Candidate", "ProductComparison", "compare_products"]


@dataclass(frozen=True)
class Candidate:
    """A Gaussian approximation g of the exact joint posterior p.

    Args:
        gaussian: g, ``(2,)``.
        kl_from: KL(g‖p) in nats, the gap of an ELBO; large where g has mass and p has none.
        kl_to: KL(p‖g) in nats; large where p has mass and g has none.
    """

    gaussian: Gaussian
    kl_from: float
    kl_to: float

    @staticmethod
    def of(gaussian: Gaussian, exact: ExactPosterior) -> Candidate:
        """Compute the divergences of a Gaussian from an exact posterior."""
        return Candidate(gaussian, exact.kl_from(gaussian), exact.kl_to(gaussian))


@dataclass(frozen=True)
class ProductComparison:
    r"""The exact joint posterior, compared with the product of the exact single ones and Gaussians.

    Args:
        left: p(z|x).
        right: p(z|y).
        joint: p(z|x, y).
        log_normaliser: log Z = log ∫ p(z|x) p(z|y) / p(z) dz, in nats.
        evidence_error: log p(x, y) − log p(x) − log p(y) − log Z in nats; 0 up to quadrature error.
        total_variation: ½ ∫ \|p(z|x) p(z|y) / (p(z) Z) − p(z|x, y)\| dz, between 0 and 1; 0 up to
            quadrature error.
        best: the diagonal Gaussian g with the least KL(p‖g), which has the mean and variances of
            p = p(z|x, y).
        product: the product of the best Gaussians of p(z|x) and p(z|y), divided by the prior once;
            None if both are so wide that no positive precision is left.
        q: the model's own q(z|x, y).
    """

    left: ExactPosterior
    right: ExactPosterior
    joint: ExactPosterior
    log_normaliser: float
    evidence_error: float
    total_variation: float
    best: Candidate
    product: Candidate | None
    q: Candidate


@torch.no_grad()
def compare_products(
    exact: ExactInference, sample: Batch, left: Sequence[str], right: Sequence[str]
) -> ProductComparison:
    r"""Compare the product of two exact posteriors with the exact joint one, and with Gaussians.

    .. math:: p(z|x,y) = \frac1Z \frac{p(z|x)\,p(z|y)}{p(z)}, \qquad
              Z = \int \frac{p(z|x)\,p(z|y)}{p(z)}\,dz = \frac{p(x,y)}{p(x)\,p(y)}

    This holds because x and y are independent given z. The product is normalised over cells of its
    own, a third as wide as those of p(z|x, y), and compared with p(z|x, y) in the cells
    of the latter, so any difference is an error of the quadrature. (Errors of log p(x) and log p(y)
    cancel; they are not errors of the product.) The same does not follow for the best Gaussians:
    their product, with precision T = T_x + T_y − 1, need not be the best Gaussian.
    Wu & Goodman (2018), section 2, https://arxiv.org/abs/1802.05335.

    Args:
        exact: exact inference for the model.
        sample: a batch of one sample.
        left: names of the modalities x.
        right: names of the modalities y, none of them in x.

    Raises:
        ValueError: if a modality is on both sides, unknown or missing.

    Example:
        >>> from mvae.checkpoint import load_model, load_samples
        >>> model, _ = load_model("quadrants", "mvae-2d")
        >>> sample = load_samples("quadrants", model.modalities)[slice(18, 19)]
        >>> result = compare_products(ExactInference(model), sample, ["top left"], ["label"])
        >>> abs(result.evidence_error) < 0.02, result.total_variation < 0.02
        (True, True)
        >>> result.best.kl_to <= result.q.kl_to
        True
    """
    if shared := set(left) & set(right):
        raise ValueError(f"{min(shared)} is on both sides: it would be counted twice")
    x, y = exact(sample, left), exact(sample, right)
    joint = exact(sample, [*left, *right])

    def log_product(z: Tensor) -> Tensor:
        return x.log_density(z) + y.log_density(z) - log_prior(z)

    # Over the cells of the joint posterior the two would be equal by algebra; these are finer.
    coarse = x.coarse + y.coarse - log_prior(exact.grid)
    log_z = Partition.of(log_product, coarse, sharp=SHARP / 9).log_integral
    # Where p is below e⁻⁸ of its maximum, both are negligible, and decoding them is costly.
    cells = joint.partition
    relevant = cells.log_f > cells.log_f.max() - DEPTH
    product_density = (log_product(cells.points[relevant]) - log_z).exp()
    joint_density = (cells.log_f[relevant] - joint.log_evidence).exp()
    area = cells.log_area[relevant].exp()
    product = divide_out_prior(x.moments(), y.moments())
    return ProductComparison(
        left=x,
        right=y,
        joint=joint,
        log_normaliser=log_z,
        evidence_error=joint.log_evidence - x.log_evidence - y.log_evidence - log_z,
        total_variation=0.5 * (area @ (product_density - joint_density).abs()).item(),
        best=Candidate.of(joint.moments(), joint),
        product=Candidate.of(product, joint) if product.mean.isfinite().all() else None,
        q=Candidate.of(joint.q, joint),
    )
