"""The data of the lesson's scenes: checkpoints, examples, and the state kept in a link."""

from __future__ import annotations

from dataclasses import replace

import torch

from mvae import checkpoint
from mvae.batch import Batch
from mvae.checkpoint import ModelConfig
from mvae.files import CheckpointError
from mvae.search_path import folder_of
from pages.parts.lesson import DraggableExpert, DraggableExperts, Scene
from pages.parts.server.loading import load, of_models
from pages.parts.server.versions import cached_by

__all__ = [
    "checkpoints_for",
    "example",
    "label_of",
    "read_experts",
    "supplied",
    "write_experts",
]


@cached_by(lambda scene: of_models("*"), max_entries=8)
def checkpoints_for(scene: Scene) -> list[tuple[str, str]]:
    """Return (data set, model) for each objective, from the first data set that fits a scene."""
    for data, names in checkpoint.available().items():
        fitting: dict[str, tuple[str, str]] = {}
        for name in names:
            try:
                config = checkpoint.load_config(folder_of(data, name))
                tiles = any(m.tile is not None for m in config.modalities)
                if tiles == scene.tiles and (config.latents == 2) == scene.flat:
                    if config.objective.name in scene.objectives:
                        load(data, name)  # raises if the weights are missing or damaged
                    fitting.setdefault(config.objective.name, (data, name))
            except CheckpointError:
                continue
        if all(objective in fitting for objective in scene.objectives):
            return [fitting[objective] for objective in scene.objectives]
    return []


def label_of(config: ModelConfig) -> str:
    """Return the name of a model's first label."""
    return next(m.name for m in config.modalities if m.is_category)


def example(scene: Scene, config: ModelConfig, samples: Batch) -> Batch:
    """Return the example of a scene, with the label that the scene sets, if any."""
    values = dict(samples[slice(scene.sample, scene.sample + 1)].values)
    if scene.label is not None:
        values[label_of(config)] = torch.tensor([scene.label])
    return Batch.of(config.modalities, values)


def supplied(scene: Scene, text: str | None, config: ModelConfig) -> tuple[str, ...]:
    """Return the supplied modalities: those of the link, or else those the scene begins with."""
    names = [m.name for m in config.modalities]
    if text is not None:
        return tuple(name for name in dict.fromkeys(text.split(",")) if name in names)
    return tuple(m.name for m in config.modalities if m.kind in scene.supply)[: scene.limit]


def write_experts(rows: object) -> str:
    """Write the state of draggable experts for a link: means, standard deviations, and 1 or 0.

    The rows come from a browser and may be anything; invalid ones give an empty string.

    Example:
        >>> write_experts([[1.5, 0.25, 1], [-2, 1, 0]])
        '1.5,0.25,1;-2,1,0'
    """
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return ""
    # The bound also excludes NaN, and integers too large for a float.
    if not all(isinstance(x, int | float) and abs(x) < 100 for row in rows for x in row):
        return ""
    return ";".join(",".join(f"{round(x, 3):g}" for x in row) for row in rows)


def read_experts(text: str | None, scene: DraggableExperts) -> DraggableExperts | None:
    """Read the state of draggable experts from a link; None if it does not fit the scene."""
    if text is None:
        return None
    dims = len(scene.experts[0].mean)
    try:
        rows = [[float(part) for part in row.split(",")] for row in text.split(";")]
    except ValueError:
        return None
    if [len(row) for row in rows] != [2 * dims + 1] * len(scene.experts):
        return None
    placed = []
    for expert, row in zip(scene.experts, rows, strict=True):
        mean, std = tuple(row[:dims]), tuple(row[dims : 2 * dims])
        # written so that NaN is refused too
        if not all(abs(m) <= 5 for m in mean) or not all(0.1 <= s <= 5 for s in std):
            return None
        placed.append(DraggableExpert(expert.name, mean, std, row[-1] == 1))
    return replace(scene, experts=tuple(placed))
