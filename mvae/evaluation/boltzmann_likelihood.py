"""Log-likelihood of Boltzmann machines, whose normaliser is estimated by annealing."""

from __future__ import annotations

import torch

from mvae.baselines.annealing import annealed_log_weights
from mvae.baselines.boltzmann_model import BoltzmannModel
from mvae.evaluation.likelihood import FEWEST, LogLikelihood, average
from mvae.modality import Batch

__all__ = ["TEMPERATURES", "boltzmann_log_likelihood"]

#: Temperatures from independent units to a whole Boltzmann machine.
TEMPERATURES = 10_000


def boltzmann_log_likelihood(
    model: BoltzmannModel, batch: Batch, runs: int, generator: torch.Generator | None
) -> LogLikelihood:
    """Estimate log p(x_S) where nothing but labels is supplied, or nothing but labels is missing.

    A quarter as many runs for each distinct value of the labels alone.
    """
    log_z = average(annealed_log_weights(model.machine, runs, TEMPERATURES, generator)[:, None])
    size = len(batch)
    labels = [i for i, m in enumerate(model.modalities) if m.kind == "label"]
    images = [i for i in range(len(model.modalities)) if i not in labels]
    if not (images and not batch.present[:, images].any() and batch.present[:, labels].all()):
        value = model.bound(batch) - log_z.value
        return LogLikelihood(value, log_z.se.expand(size), log_z.k_hat.expand(size))
    told = torch.stack([batch.values[batch.names[i]] for i in labels], -1)
    kinds, again = told.unique(dim=0, return_inverse=True)
    few = max(runs // 4, FEWEST)
    rows = torch.stack([(again == i).nonzero()[0, 0] for i in range(len(kinds))])
    visible = model.visible(batch[rows])
    held = {
        name: visible[name].repeat_interleave(few, 0)
        for name in (f"v {batch.names[i]}" for i in labels)
    }
    log_w = annealed_log_weights(
        model.machine, few * len(kinds), TEMPERATURES, generator, held
    ).unflatten(0, (len(kinds), few))
    each = average(log_w.T)
    return LogLikelihood(
        (each.value - log_z.value)[again],
        torch.hypot(each.se, log_z.se)[again],
        torch.maximum(each.k_hat, log_z.k_hat)[again],
    )
