"""MVAE-Q: experts that are posteriors themselves, and a prior that is divided out."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.models.mvae import MVAE
from mvae.models.objectives import SubSampled

__all__ = ["MVAEQ", "MVAEQObjective"]

#: Log of how much sharper than the prior an expert is at least; keeps q_i/p finite.
FLOOR = -12.0


class MVAEQ(MVAE):
    r"""The variant of Wu & Goodman whose experts approximate p(z|x_i) itself.

    .. math:: q(z|X_S) \propto \frac{\prod_{i \in S} q(z|x_i)}{p(z)^{|S|-1}}
              = p(z) \prod_{i \in S} \frac{q(z|x_i)}{p(z)}, \qquad T_i = 1 + e^{a_i(x_i)} > 1

    The quotient is proper for every subset because each expert is sharper than the prior. q_i/p
    has precision e^{a_i} and mean (1 + e^{−a_i}) μ_i: any of MVAE's experts can be written so, in
    one way, and the two models differ in parametrisation and so in optimisation only. `experts`
    gives these quotients, which multiply with the prior as MVAE's do. Wu & Goodman (2018), section
    2, https://arxiv.org/abs/1802.05335.

    Args:
        modalities: what it is a model of.
        latents: D.

    Example:
        >>> from mvae.modality import Modality
        >>> label = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> model = MVAEQ([label], latents=2)
        >>> bool((model.singles(Batch.of([label], {"label": torch.arange(10)})).logvar < 0).all())
        True
    """

    title = "Multimodal VAE, posteriors as experts"
    reference = "Wu & Goodman 2018, section 2, https://arxiv.org/abs/1802.05335"

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Give μ_i and a_i, ``(M, B, D)`` each."""
        raw = self.encode(batch)
        return raw.mean, torch.nn.functional.softplus(-raw.logvar - FLOOR) + FLOOR

    def singles(self, batch: Batch) -> Gaussian:
        """Give q(z|x_i) of each modality, ``(M, B, D)``, sharper than the prior everywhere."""
        mean, a = self._encode(batch)
        return Gaussian(mean, -torch.nn.functional.softplus(a))

    def experts(self, batch: Batch) -> Gaussian:
        """Give q(z|x_i)/p(z), ``(M, B, D)``."""
        mean, a = self._encode(batch)
        return Gaussian(mean * (1.0 + (-a).exp()), -a)


class MVAEQObjective(SubSampled):
    """The sub-sampled objective, for experts that are posteriors."""

    network = MVAEQ

    name: Literal["mvae-q"] = "mvae-q"  # type: ignore[assignment]
