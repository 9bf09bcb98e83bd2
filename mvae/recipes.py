"""Recipes: which models each data set gets, and how they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mvae.checkpoint import ModelConfig, Training
from mvae.data import DATASETS
from mvae.objective import Covering, SubSampled

__all__ = ["RECIPES", "Recipe", "config_for"]

#: Passes over the training split, by data set; for two latents fewer, see README.
EPOCHS = {"mnist": 40, "fashion": 20, "quadrants": 16}
EPOCHS_2D = {"mnist": 20, "fashion": 20, "quadrants": 10}


@dataclass(frozen=True)
class Recipe:
    """A model as a row of constants.

    Args:
        summary: one sentence on what it is.
        limitations: what it does badly, in words.
        latents: D.
        objective: what is minimised.
        label_weight: λ of the labels, by data set; chosen on the validation split.
        epochs: passes over the training split, by data set.
    """

    summary: str
    limitations: tuple[str, ...]
    latents: int
    objective: SubSampled
    label_weight: Mapping[str, float]
    epochs: Mapping[str, int]


RECIPES: dict[str, Recipe] = {
    "mvae": Recipe(
        summary="The paper's MVAE: the sub-sampled objective and nothing else.",
        limitations=(
            "Its experts are over-confident: a label alone often generates something else, because "
            "the label's expert fixes a few dimensions and the image's expert leaves those to it.",
            "A single modality's posterior may miss what the joint posterior believes.",
        ),
        latents=64,
        objective=SubSampled(),
        label_weight={"mnist": 10.0, "fashion": 1.0, "quadrants": 10.0},
        epochs=EPOCHS,
    ),
    "mvae-cover": Recipe(
        summary="MVAE whose single posteriors are also trained to cover the joint one.",
        limitations=(
            "The same product of experts, so every further modality narrows the belief, "
            "even one that contradicts the others.",
            "A Gaussian cannot follow a label's true posterior, which has several lobes: some "
            "draws from a label alone look like no digit or garment.",
        ),
        latents=64,
        objective=Covering(gamma=1.0, kappa=30.0, rho=20.0),
        label_weight={"mnist": 50.0, "fashion": 50.0, "quadrants": 50.0},
        epochs=EPOCHS,
    ),
    "mvae-2d": Recipe(
        summary="A covering MVAE with two latents, so that all of its latent space can be seen.",
        limitations=(
            "Two dimensions are too few: pictures are blurred, and neighbouring classes share "
            "ground, so a label or an image is sometimes taken for another.",
        ),
        latents=2,
        objective=Covering(gamma=1.0, kappa=30.0, rho=20.0),
        label_weight={"mnist": 50.0, "fashion": 50.0, "quadrants": 50.0},
        epochs=EPOCHS_2D,
    ),
}


def config_for(dataset: str, model: str) -> ModelConfig:
    """Give the configuration of a recipe on a data set.

    Raises:
        KeyError: if there is no such data set or recipe.

    Example:
        >>> config_for("quadrants", "mvae-2d").latents
        2
    """
    recipe = RECIPES[model]
    modalities = tuple(
        m.model_copy(update={"weight": recipe.label_weight[dataset]}) if m.kind == "label" else m
        for m in DATASETS[dataset].modalities
    )
    return ModelConfig(
        dataset=dataset,
        model=model,
        summary=recipe.summary,
        limitations=recipe.limitations,
        latents=recipe.latents,
        modalities=modalities,
        objective=recipe.objective,
        training=Training(epochs=recipe.epochs[dataset]),
    )
