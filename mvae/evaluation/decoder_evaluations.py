"""Decoder evaluations per training step: its cost, counted rather than timed."""

from __future__ import annotations

import torch

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig
from mvae.kinds.networks import Decoder

__all__ = ["decoder_evaluations"]


def decoder_evaluations(config: ModelConfig, batch: Batch) -> dict[str, float]:
    """Count how often one training step decodes each modality, per sample of the batch.

    Args:
        config: the model and its objective.
        batch: a few training samples, at least one.

    Returns:
        dict: decoder evaluations per sample, by modality; 0 where there is no decoder.

    Raises:
        ValueError: if there is no sample.

    Example:
        >>> from mvae.checkpoint import load_samples
        >>> from mvae.training.recipes import config_for
        >>> config = config_for("mnist", "mvae")
        >>> samples = load_samples("mnist", config.modalities)
        >>> decoder_evaluations(config, samples[slice(0, 8)])  # jointly, and each alone
        {'image': 2.0, 'label': 2.0}
    """
    if not len(batch):
        raise ValueError("a step needs at least one sample")
    batch = batch.align(config.modalities)
    model, rows = config.build(), dict.fromkeys(batch.names, 0)

    def count(decoder: torch.nn.Module, inputs: tuple[torch.Tensor], _: object) -> None:
        assert isinstance(decoder, Decoder)
        rows[decoder.modality.name] += inputs[0][..., 0].numel()

    for part in model.modules():
        if isinstance(part, Decoder):
            part.register_forward_hook(count)
    config.objective(model, batch, 1.0, torch.Generator().manual_seed(0))
    return {name: n / len(batch) for name, n in rows.items()}
