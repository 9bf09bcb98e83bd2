"""A network that encodes several modalities together."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mvae.batch import Batch
from mvae.kinds.networks import Pathway
from mvae.modality import Modality

__all__ = ["JointEncoder"]


class JointEncoder(nn.Module):
    """A network that encodes several modalities together: one pathway each, and a shared layer.

    Args:
        modalities: the modalities to encode.
        outputs: the number of outputs.
    """

    def __init__(self, modalities: Iterable[Modality], outputs: int) -> None:
        super().__init__()
        modalities = tuple(modalities)
        self.pathways = nn.ModuleDict({m.name: Pathway(m, m.hidden) for m in modalities})
        self.shared = nn.Sequential(
            nn.SiLU(), nn.Linear(sum(m.hidden[-1] for m in modalities), outputs)
        )

    def forward(self, batch: Batch) -> Tensor:
        """Encode samples, ``(B, outputs)``; the pathway of a missing modality outputs zeros."""
        parts = []
        for name, pathway in self.pathways.items():
            present = batch.there(name).unsqueeze(-1)
            parts.append(torch.where(present, pathway(batch.filled(name)), 0.0))
        features: Tensor = self.shared(torch.cat(parts, -1))
        return features
