"""A model's posterior given some evidence, and what it generates: the numbers behind every view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.disagreement import disagreement
from mvae.distributions.gaussian import Gaussian, Product, conflict
from mvae.evaluation.keys import joined
from mvae.models.base import ExpertModel, noise

__all__ = ["DRAWS", "Inference", "conflict_percentile", "infer", "percentile"]

#: Draws of z behind every expectation.
DRAWS = 64


@dataclass(frozen=True)
class Inference:
    """A model's posterior given some modalities, what each of them contributed, and draws.

    Of one sample, shapes are as they stand here. Of B samples there is a dimension B more: first,
    or after the draws; and what is one number, of one sample a float, is a tensor ``(B,)``.

    Args:
        evidence: names of the supplied modalities, in the order of supply.
        experts: the Gaussian of every modality that has data, supplied or not, ``(D,)`` each; NaN
            for a sample of several that lacks the modality.
        posterior: q(z|X_S), ``(D,)``.
        shares: of precision, for the prior and each supplied modality, ``(D,)`` each.
        sharpness: after 0, 1, … modalities, the prior's entropy minus the posterior's, in nats.
        conflict: how far the factors stand apart; see :func:`mvae.distributions.gaussian.conflict`.
        disagreement: the part of it that is between modalities, the prior left out.
        draws: z ~ q(z|X_S), ``(draws, D)``.
        model: whose posterior it is.
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
        """The same averaged over the draws, ``(*shape)``."""
        return {name: x.mean(0) for name, x in self.samples.items()}

    @property
    def entropy(self) -> float | Tensor:
        """Entropy of the posterior in nats."""
        return _number(self.posterior.entropy())

    def informative(self, n: int | None = None) -> list[Any]:
        """List the n latent dimensions with the most information, the most informative first.

        Of several samples it is a list for each.
        """
        order = self.posterior.information().argsort(dim=-1, descending=True, stable=True)
        found: list[Any] = order[..., :n].tolist()
        return found


def _number(x: Tensor) -> float | Tensor:
    """Return what is one number as a float."""
    return x if x.ndim else x.item()


@torch.no_grad()
def infer(
    model: ExpertModel,
    sample: Batch,
    evidence: Sequence[str],
    draws: int = DRAWS,
    seed: int = 0,
) -> Inference:
    """Infer the latents from some modalities of one or several samples, and generate all of them.

    Args:
        model: any model with experts.
        sample: a batch of at least one; what it has beyond the evidence is encoded but not used.
        evidence: names of the supplied modalities in the order of supply; empty gives the prior.
        draws: how many z are drawn for each sample.
        seed: of the draws; the same seed gives the same noise for any evidence and any sample.

    Raises:
        ValueError: if there is no sample or no draw, evidence is unknown or doubled, or a sample
            lacks it.

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
    at: int | slice = 0 if len(batch) == 1 else slice(None)
    return Inference(
        evidence=tuple(evidence),
        experts={
            name: _where(batch.there(name), experts[i])[at]
            for i, name in enumerate(batch.names)
            if batch.there(name).any()
        },
        posterior=q[at],
        shares={name: shares[name][at] for name in ("prior", *evidence)},
        sharpness=tuple(_number(each[at]) for each in entropies[0] - entropies),
        conflict=_number(conflict(experts, product)[at]),
        disagreement=_number(disagreement(experts, masks[-1]).among[at]),
        draws=q.at(noise(draws, 1, model.latents, seed))[:, at],
        model=model,
    )


def _where(there: Tensor, expert: Gaussian) -> Gaussian:
    """Put NaN in place of the expert of samples that lack its modality."""
    rows = there.unsqueeze(-1)
    return Gaussian(*(torch.where(rows, x, torch.nan) for x in (expert.mean, expert.logvar)))


def percentile(value: float, quantiles: Sequence[float]) -> float:
    """Return what percentage of the values behind evenly spaced quantiles lies below a value.

    Raises:
        ValueError: for fewer than two quantiles, or some that do not rise.

    Example:
        >>> percentile(2.5, [0.0, 1.0, 2.0, 3.0, 4.0])
        62.5
    """
    points = torch.tensor(quantiles, dtype=torch.float64)
    if len(points) < 2 or not (points.diff() >= 0).all():
        raise ValueError("a percentile needs two or more quantiles, from the lowest to the highest")
    above = int((points < value).sum())
    if above == 0:
        return 0.0
    if above == len(points):
        return 100.0
    low, high = points[above - 1].item(), points[above].item()
    return 100 * (above - 1 + (value - low) / (high - low)) / (len(points) - 1)


def conflict_percentile(
    inference: Inference, quantiles: Mapping[str, Sequence[float]], names: Sequence[str]
) -> float | Tensor | None:
    """Return the percentage of matched test samples that disagree less, ``(B,)`` of B samples.

    Args:
        inference: of one sample or of several.
        quantiles: of the disagreement of matched samples, evenly spaced, by what is supplied.
        names: of the modalities, in the order in which the keys name them.

    Returns:
        None where no quantiles are known for this evidence: it takes two modalities to disagree.
    """
    key = joined(name for name in names if name in inference.evidence)
    if key not in quantiles:
        return None
    if isinstance(inference.disagreement, float):
        return percentile(inference.disagreement, quantiles[key])
    return torch.tensor([percentile(x, quantiles[key]) for x in inference.disagreement.tolist()])
