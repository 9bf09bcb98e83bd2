"""Multimodal variational autoencoders with a product-of-experts inference network."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvae.analysis.inference import infer
    from mvae.batch import Batch
    from mvae.checkpoint import (
        ModelConfig,
        Training,
        available,
        load_metrics,
        load_model,
        load_samples,
        save_model,
    )
    from mvae.distributions.gaussian import Gaussian
    from mvae.evaluation.log_likelihood import log_likelihood
    from mvae.modality import Modality
    from mvae.models.mvae import MVAE
    from mvae.training.trainer import Trainer

__all__ = [
    "MVAE",
    "Batch",
    "Gaussian",
    "Modality",
    "ModelConfig",
    "Trainer",
    "Training",
    "__version__",
    "available",
    "infer",
    "load_metrics",
    "load_model",
    "load_samples",
    "log_likelihood",
    "save_model",
]

__version__ = "0.1.0"

#: Where each public name is defined: importing them all takes a second, so each waits for its use.
HOMES = {
    "mvae.analysis.inference": ("infer",),
    "mvae.batch": ("Batch",),
    "mvae.checkpoint": (
        *("ModelConfig", "Training", "available"),
        *("load_metrics", "load_model", "load_samples", "save_model"),
    ),
    "mvae.distributions.gaussian": ("Gaussian",),
    "mvae.evaluation.log_likelihood": ("log_likelihood",),
    "mvae.modality": ("Modality",),
    "mvae.models.mvae": ("MVAE",),
    "mvae.training.trainer": ("Trainer",),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    for home, names in HOMES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(home), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
