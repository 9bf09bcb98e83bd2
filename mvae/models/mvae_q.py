"""MVAE-Q: experts that are themselves posteriors, with the prior divided out."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.models.mvae import MVAE
from mvae.models.objectives import SubSampled

__all__ = ["MVAEQ", "MVAEQObjective"]

#: The smallest a_i, the log precision of q_i/p; it keeps the mean of q_i/p finite.
MIN_LOG_PRECISION = -12.0


class MVAEQ(MVAE):
    r"""The variant of Wu & Goodman's model whose experts approximate p(z|x_i) itself.

    .. math:: q(z|X_S) \propto \frac{\prod_{i \in S} q(z|x_i)}{p(z)^{|S|-1}}
              = p(z) \prod_{i \in S} \frac{q(z|x_i)}{p(z)}, \qquad T_i = 1 + e^{a_i(x_i)} > 1

    The quotient is proper for every subset because each expert is sharper than the prior. q_i/p
    has precision e^{a_i} and mean (1 + e^{−a_i}) μ_i. Every expert of an MVAE can be written
    uniquely in this form, so the two models differ only in parametrisation, and hence in
    optimisation. `experts` returns these quotients, which are multiplied with the prior as in the
    MVAE. Wu & Goodman (2018), section 2, https://arxiv.org/abs/1802.05335.

    Args:
        modalities: the modalities it models.
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
        """Compute μ_i and a_i, ``(M, B, D)`` each."""
        encoded = self.encode(batch)
        excess = torch.nn.functional.softplus(-encoded.logvar - MIN_LOG_PRECISION)
        return encoded.mean, excess + MIN_LOG_PRECISION

    def singles(self, batch: Batch) -> Gaussian:
        """Compute q(z|x_i) of each modality, ``(M, B, D)``, always sharper than the prior."""
        mean, a = self._encode(batch)
        return Gaussian(mean, -torch.nn.functional.softplus(a))

    def experts(self, batch: Batch) -> Gaussian:
        """Compute q(z|x_i)/p(z), ``(M, B, D)``."""
        mean, a = self._encode(batch)
        return Gaussian(mean * (1.0 + (-a).exp()), -a)


class MVAEQObjective(SubSampled):
    """The sub-sampled objective, for experts that are themselves posteriors."""

    network = MVAEQ

    name: Literal["mvae-q"] = "mvae-q"  # type: ignore[assignment]
