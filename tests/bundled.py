"""The bundled checkpoints, for tests that go through all of a kind."""

from __future__ import annotations

from mvae.checkpoint import available, load_config
from mvae.search_path import CHECKPOINTS

__all__ = ["WITH_EXPERTS"]

#: Data set and name of every model whose posterior is a product of experts.
WITH_EXPERTS = [
    (data, model)
    for data, models in available().items()
    for model in models
    if not load_config(CHECKPOINTS / data / model).objective.network.no_experts
]
