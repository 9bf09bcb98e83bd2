"""What a model believes and generates, given some evidence: the numbers behind every view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from mvae.disagreement import disagreement
from mvae.gaussian import Gaussian, conflict
from mvae.modality import Batch
from mvae.model import ExpertModel, noise

__all__ = ["DRAWS", "Belief", "believe", "conflict_percentile", "percentile"]

#: Draws of z behind every expectation.
DRAWS = 64


@dataclass(frozen=True)
class Belief:
    """A model's belief about one sample, and who decided it.

    Args:
        evidence: names of the supplied modalities, in the order of supply.
        experts: the Gaussian of every modality that has data, supplied or not, ``(D,)`` each.
        posterior: q(z|X_S), ``(D,)``.
        shares: of precision, for the prior and each supplied modality, ``(D,)`` each.
        sharpness: after 0, 1, … modalities, the prior's entropy minus the belief's, in nats.
        conflict: how far the factors stand apart; see :func:`mvae.gaussian.conflict`.
        disagreement: the part of it that is between modalities, the prior left out.
        draws: z ~ q(z|X_S), ``(draws, D)``.
        model: whose belief it is.
    """

    evidence: tuple[str, ...]
    experts: dict[str, Gaussian]
    posterior: Gaussian
    shares: dict[str, Tensor]
    sharpness: tuple[float, ...]
    conflict: float
    disagreement: float
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
    def entropy(self) -> float:
        """Entropy of the posterior in nats."""
        return self.posterior.entropy().item()

    def informative(self, n: int | None = None) -> list[int]:
        """List the dimensions that the evidence told most about, first the most informative."""
        order = self.posterior.information().argsort(descending=True, stable=True)
        return [int(d) for d in order[:n]]


@torch.no_grad()
def believe(
    model: ExpertModel,
    sample: Batch,
    evidence: Sequence[str],
    draws: int = DRAWS,
    seed: int = 0,
) -> Belief:
    """Infer the latents of one sample from some of its modalities, and generate all of them.

    Args:
        model: any model with experts.
        sample: a batch of one; what it has beyond the evidence is encoded but not used.
        evidence: names of the supplied modalities in the order of supply; empty gives the prior.
        draws: how many z are drawn.
        seed: of the draws; the same seed gives the same noise for any evidence.

    Raises:
        ValueError: if the batch is not of one sample, or evidence is unknown, missing or doubled.

    Example:
        >>> from mvae.checkpoint import load_model, load_samples
        >>> model, _ = load_model("mnist", "mvae-cover")
        >>> sample = load_samples("mnist", model.modalities)[slice(3, 4)]
        >>> belief = believe(model, sample, ["label", "image"])
        >>> belief.sharpness[0], belief.sharpness[0] < belief.sharpness[1] < belief.sharpness[2]
        (0.0, True)
    """
    if len(sample) != 1:
        raise ValueError(f"believe takes a batch of one sample, not of {len(sample)}")
    if len(set(evidence)) < len(evidence):
        raise ValueError(f"evidence is named twice in {', '.join(evidence)}")
    there = dict(zip(sample.names, sample.present[0].tolist(), strict=True))
    prefixes = [tuple(evidence[:n]) for n in range(len(evidence) + 1)]
    masks = sample.mask(prefixes)  # (S, 1, M)
    if missing := [name for name in evidence if not there[name]]:
        raise ValueError(f"the sample has no {missing[0]}")

    experts = model.experts(sample)
    products = model.product(experts, masks)
    product = model.product(experts, masks[-1])
    entropies = products.posterior.entropy().squeeze(-1)  # (S,)
    q = product.posterior[0]
    shares = dict(zip(("prior", *sample.names), product.shares[:, 0], strict=True))
    return Belief(
        evidence=tuple(evidence),
        experts={n: experts[i, 0] for i, n in enumerate(sample.names) if there[n]},
        posterior=q,
        shares={name: shares[name] for name in ("prior", *evidence)},
        sharpness=tuple((entropies[0] - entropies).tolist()),
        conflict=conflict(experts, product).item(),
        disagreement=disagreement(experts, masks[-1]).among.item(),
        draws=q.at(noise(draws, 1, model.latents, seed)[:, 0]),
        model=model,
    )


def percentile(value: float, quantiles: Sequence[float]) -> float:
    """Say what percentage of the values behind evenly spaced quantiles lies below a value.

    Example:
        >>> percentile(2.5, [0.0, 1.0, 2.0, 3.0, 4.0])
        62.5
    """
    points = torch.tensor(quantiles, dtype=torch.float64)
    above = int((points < value).sum())
    if above == 0:
        return 0.0
    if above == len(points):
        return 100.0
    low, high = points[above - 1].item(), points[above].item()
    return 100 * (above - 1 + (value - low) / (high - low)) / (len(points) - 1)


def conflict_percentile(
    belief: Belief, quantiles: Mapping[str, Sequence[float]], names: Sequence[str]
) -> float | None:
    """Place a disagreement among those of matched test samples; None below two modalities."""
    key = "+".join(name for name in names if name in belief.evidence)
    return percentile(belief.disagreement, quantiles[key]) if key in quantiles else None
