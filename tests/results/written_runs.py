"""Training runs on disk, written without training."""

from __future__ import annotations

from mvae.evaluation.log_likelihood import ESTIMATOR
from mvae.files import write_json
from mvae.training.recipes import config_for

__all__ = ["write_run"]


def write_run(root, recipe, seed=0, test=None, protocol=None, **training):
    """Write a run without weights, as further seeds are kept."""
    config = config_for("mnist", recipe)
    config = config.model_copy(
        update={"training": config.training.model_copy(update={"seed": seed, **training})}
    )
    folder = root / "mnist" / (f"{recipe}-seed-{seed}" if seed else recipe)
    write_json(folder / "config.json", config.model_dump(mode="json"))
    protocol = {"estimator": ESTIMATOR} | (protocol or {})
    write_json(folder / "metrics.json", {"protocol": protocol, "test": test or {}})
    return folder, config
