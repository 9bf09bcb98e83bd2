"""A model's posterior given some evidence, and what it generates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.conflict import conflict, disagreement
from mvae.distributions.gaussian import Gaussian, Product
from mvae.evaluation.keys import joined
from mvae.models.base import DRAWS, ExpertModel, noise

__all__ = ["Inference", "conflict_percentile", "infer", "percentile"]


@dataclass(frozen=True)
class Inference:
    """A model's posterior given some modalities, the contribution of each of them, and draws.

    For one sample, shapes are as stated here. For B samples, tensors have a further dimension B,
    first or after the draws, and scalars, which are floats for one sample, are tensors ``(B,)``.

    Args:
        evidence: names of the supplied modalities, in the order of supply.
        experts: the expert of every modality that the sample has, supplied or not, ``(D,)`` each;
            in a batch, NaN for samples that lack the modality.
        posterior: q(z|X_S), ``(D,)``.
        shares: shares of the posterior precision, for the prior and each supplied modality,
            ``(D,)`` each.
        sharpness: entropy of the prior minus that of the posterior, in nats, given the first 0, 1,
            … supplied modalities.
        conflict: conflict between all factors, see :func:`mvae.distributions.conflict.conflict`.
        disagreement: the part of the conflict that is between modalities, without the prior.
        draws: z ~ q(z|X_S), ``(draws, D)``.
        model: the model.
    """

    evidence: tuple[str, ...]
    experts: dict[str, Gaussian]
    posterior: Gaussian
    shares: dict[str, Tensor]
    sharpness: tuple[float | Tensor, ...]
    conflict: float | Tensor
    disagreement: float | Tensor
    draws: Tensor
    model: ExpertModel = field(repr=False)

    @cached_property
    def samples(self) -> dict[str, Tensor]:
        """The mean of every modality for each draw, ``(draws, *shape)``."""
        with torch.no_grad():
            return self.model.expected(self.draws)

    @cached_property
    def expected(self) -> dict[str, Tensor]:
        """The mean of every modality, averaged over the draws, ``(*shape)``."""
        return {name: x.mean(0) for name, x in self.samples.items()}

    @property
    def entropy(self) -> float | Tensor:
        """Entropy of the posterior in nats."""
        return _scalar(self.posterior.entropy())

    def most_informative(self, n: int | None = None) -> list[Any]:
        """Return the indices of the n most informative latents, the most informative first.

        For a batch, the result is a list per sample.
        """
        order = self.posterior.information().argsort(dim=-1, descending=True, stable=True)
        indices: list[Any] = order[..., :n].tolist()
        return indices


def _scalar(x: Tensor) -> float | Tensor:
    """Convert a tensor without dimensions to a float."""
    return x if x.ndim else x.item()


@torch.no_grad()
def infer(
    model: ExpertModel,
    sample: Batch,
    evidence: Sequence[str],
    draws: int = DRAWS,
    seed: int = 0,
) -> Inference:
    """Infer the posterior given some modalities of one or several samples, and draw from it.

    Args:
        model: any model with experts.
        sample: a batch of at least one sample; modalities beyond the evidence are encoded, but do
            not affect the posterior.
        evidence: names of the supplied modalities in the order of supply; none give the prior.
        draws: number of draws of z for each sample.
        seed: seed of the draws; the same seed gives the same noise for any evidence and sample.

    Raises:
        ValueError: if there is no sample or no draw, or if a modality in the evidence is unknown,
            repeated, or missing from a sample.

    Example:
        >>> from mvae.checkpoint import load_model, load_samples
        >>> model, _ = load_model("mnist", "mvae-cover")
        >>> samples = load_samples("mnist", model.modalities)
        >>> inference = infer(model, samples[3:4], ["label", "image"])
        >>> first, second, third = inference.sharpness
        >>> first, first < second < third
        (0.0, True)
        >>> infer(model, samples[:5], ["image"]).posterior.mean.shape
        torch.Size([5, 64])
    """
    batch = sample.align(model.modalities)
    if not len(batch) or draws < 1:
        raise ValueError(
            f"there must be at least one sample and one draw, not {len(batch)} and {draws}"
        )
    if len(set(evidence)) < len(evidence):
        raise ValueError(f"evidence is named twice in {', '.join(evidence)}")
    masks = batch.mask([evidence[:n] for n in range(len(evidence) + 1)])  # (S, B, M)
    batch.require(evidence)

    experts = model.experts(batch)
    products = model.product(experts, masks)
    product = Product(products.posterior[-1], products.shares[-1], products.present[-1])
    entropies = products.posterior.entropy()  # (S, B)
    q = product.posterior
    shares = dict(zip(("prior", *batch.names), product.shares, strict=True))
    index: int | slice = 0 if len(batch) == 1 else slice(None)
    return Inference(
        evidence=tuple(evidence),
        experts={
            name: _mask_missing(batch.there(name), experts[i])[index]
            for i, name in enumerate(batch.names)
            if batch.there(name).any()
        },
        posterior=q[index],
        shares={name: shares[name][index] for name in ("prior", *evidence)},
        sharpness=tuple(_scalar(gain[index]) for gain in entropies[0] - entropies),
        conflict=_scalar(conflict(experts, product)[index]),
        disagreement=_scalar(disagreement(experts, masks[-1]).between_modalities[index]),
        draws=q.from_noise(noise(draws, 1, model.latents, seed))[:, index],
        model=model,
    )


def _mask_missing(present: Tensor, expert: Gaussian) -> Gaussian:
    """Replace the expert by NaN for samples that lack its modality."""
    rows = present.unsqueeze(-1)
    return Gaussian(*(torch.where(rows, x, torch.nan) for x in (expert.mean, expert.logvar)))


def percentile(value: float, quantiles: Sequence[float]) -> float:
    """Return the percentile of a value, given evenly spaced quantiles of a distribution.

    Raises:
        ValueError: if there are fewer than two quantiles, or they are not in ascending order.

    Example:
        >>> percentile(2.5, [0.0, 1.0, 2.0, 3.0, 4.0])
        62.5
    """
    points = torch.tensor(quantiles, dtype=torch.float64)
    if len(points) < 2 or not (points.diff() >= 0).all():
        raise ValueError("a percentile needs two or more quantiles, from the lowest to the highest")
    upper = int((points < value).sum())
    if upper == 0:
        return 0.0
    if upper == len(points):
        return 100.0
    low, high = points[upper - 1].item(), points[upper].item()
    return 100 * (upper - 1 + (value - low) / (high - low)) / (len(points) - 1)


def conflict_percentile(
    inference: Inference, quantiles: Mapping[str, Sequence[float]], names: Sequence[str]
) -> float | Tensor | None:
    """Return the percentage of matched test samples that disagree less.

    Args:
        inference: the posterior of one sample or of several.
        quantiles: evenly spaced quantiles of the disagreement of matched samples, by evidence.
        names: names of all modalities, in the order of the keys of the quantiles.

    Returns:
        The percentage, ``(B,)`` for B samples; None if no quantiles are known for this evidence,
        as for fewer than two modalities, which cannot disagree.
    """
    key = joined(name for name in names if name in inference.evidence)
    if key not in quantiles:
        return None
    if isinstance(inference.disagreement, float):
        return percentile(inference.disagreement, quantiles[key])
    return torch.tensor([percentile(x, quantiles[key]) for x in inference.disagreement.tolist()])
