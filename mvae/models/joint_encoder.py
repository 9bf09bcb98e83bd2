"""One network that reads several modalities together."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mvae.batch import Batch
from mvae.kinds.networks import Pathway
from mvae.modality import Modality

__all__ = ["JointEncoder"]


class JointEncoder(nn.Module):
    """One network that reads several modalities together: a pathway each, then a shared layer.

    Args:
        modalities: what it reads.
        outputs: how many numbers it gives.
    """

    def __init__(self, modalities: Iterable[Modality], outputs: int) -> None:
        super().__init__()
        modalities = tuple(modalities)
        self.pathways = nn.ModuleDict({m.name: Pathway(m, m.hidden) for m in modalities})
        self.shared = nn.Sequential(
            nn.SiLU(), nn.Linear(sum(m.hidden[-1] for m in modalities), outputs)
        )

    def forward(self, batch: Batch) -> Tensor:
        """Read samples, ``(B, outputs)``; where a modality is missing its pathway gives zeros."""
        parts = []
        for name, pathway in self.pathways.items():
            there = batch.there(name).unsqueeze(-1)
            parts.append(torch.where(there, pathway(batch.filled(name)), 0.0))
        numbers: Tensor = self.shared(torch.cat(parts, -1))
        return numbers
