"""The MVAE of Wu & Goodman (2018): a product of experts as the posterior."""

from __future__ import annotations

from mvae.batch import Batch
from mvae.distributions.gaussian import Gaussian
from mvae.models.base import ExpertModel

__all__ = ["MVAE"]


class MVAE(ExpertModel):
    r"""Multimodal variational autoencoder with a product-of-experts inference network.

    .. math:: p(x_1,\dots,x_N,z) = p(z)\prod_i p(x_i|z), \qquad
              q(z|X_S) \propto p(z)\prod_{i\in S}\tilde q(z|x_i)

    Wu & Goodman, *Multimodal Generative Models for Scalable Weakly-Supervised Learning*,
    NeurIPS 2018, https://arxiv.org/abs/1802.05335.

    Args:
        modalities: the modalities it models; each gets an encoder and a decoder of its kind.
        latents: D.

    Raises:
        ValueError: if two modalities have the same name, or there are none.

    Example:
        >>> from mvae.modality import Modality
        >>> label = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> model = MVAE([label], latents=2)
        >>> q = model.posterior(Batch.empty(model.modalities))
        >>> q.mean.tolist(), q.logvar.abs().tolist()  # without evidence: the prior
        ([[0.0, 0.0]], [[0.0, 0.0]])
    """

    title = "Multimodal VAE"
    reference = "Wu & Goodman 2018, https://arxiv.org/abs/1802.05335"

    def experts(self, batch: Batch) -> Gaussian:
        """Encode each modality once, ``(M, B, D)``."""
        return self.encode(batch)
