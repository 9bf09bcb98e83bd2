"""The zoo: every run whose figures this project shows, and the training of missing runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mvae.batch import Batch
from mvae.checkpoint import ModelConfig, folder_name, load_config, load_metrics, save_model
from mvae.files import CheckpointError, write_atomically, writing
from mvae.search_path import folder_of
from mvae.training.recipes import config_for
from mvae.training.trainer import RESUME, Progress, Trainer

__all__ = ["ZOO", "Run", "state_of", "train"]

BASELINES = (
    *("vae", "cvae", "bivcca", "jmvae", "mvae-q", "mmvae", "mopoe", "mvtcae", "dae"),
    *("rbm", "dbm", "deep-rbm"),
)
#: Variants of the MVAE's training; those that cannot be selected appear in a table only.
VARIANTS = (
    *("mvae-joint", "mvae-singles", "mvae-denoising", "mvae-cover-short"),
    *("mvae-lambda-10", "mvae-lambda-50"),
)
#: Recipes that are trained with three seeds, and the further seeds.
REPEATED = ("mvae", "mvae-cover", "mvae-cover-short", "jmvae", "mopoe")
SEEDS = (1, 2)


@dataclass(frozen=True)
class Run:
    """A recipe trained on a data set with a seed.

    Args:
        dataset: name of the data set.
        recipe: name of the recipe.
        seed: seed of the initial weights, the order of samples and all draws.
    """

    dataset: str
    recipe: str
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of its checkpoint and of the folder that holds it.

        Example:
            >>> Run("mnist", "mvae").name, Run("mnist", "mvae", seed=2).name
            ('mvae', 'mvae-seed-2')
        """
        return folder_name(self.recipe, self.seed)

    @property
    def config(self) -> ModelConfig:
        """The recipe's configuration, with the seed of this run."""
        config = config_for(self.dataset, self.recipe)
        training = config.training.model_copy(update={"seed": self.seed})
        return config.model_copy(update={"training": training})


MVAE_RECIPES = ("mvae", "mvae-cover", "mvae-2d")
#: The recipes trained on each further data set: the MVAE, and baselines suited to its modalities.
FURTHER_RECIPES = {
    "multimnist": ("mvae", "mvae-cover", "jmvae"),
    "faces": ("mvae", "mvae-cover", "jmvae", "cvae"),
    "faces19": ("mvae", "mvae-cover", "mvtcae"),
    "vision": ("mvae", "mvae-cover", "mvtcae"),
    "clipart": ("mvae", "mvae-cover", "jmvae", "dae", "dbm", "deep-rbm"),
    "translation": ("mvae", "mvae-cover", "jmvae", "cvae", "encoder-decoder"),
    "views": ("mvae", "mvae-k0", "mvae-k2", "mvae-k4", "mvae-cover", "mvtcae", "mmvae"),
}
ZOO: tuple[Run, ...] = (
    *(Run(dataset, name) for dataset in ("mnist", "fashion", "quadrants") for name in MVAE_RECIPES),
    *(Run("mnist", name) for name in (*BASELINES, *VARIANTS)),
    *(Run("mnist", name, seed) for name in REPEATED for seed in SEEDS),
    *(Run("fashion", name) for name in BASELINES),
    *(Run("quadrants", f"mvae-k{k}") for k in (0, 2, 4)),
    *(Run(dataset, name) for dataset, names in FURTHER_RECIPES.items() for name in names),
    *(
        Run("clipart", f"{name}-missing-{percent}")
        for name in ("mvae", "mvae-cover", "jmvae")
        for percent in (50, 90)
    ),
)


def state_of(run: Run, root: Path | None = None) -> str:
    """Return the state of a run: "missing", "trained" or "measured".

    A run whose settings differ from its recipe's counts as missing. The weights of some runs are
    not kept in the repository; their figures, which identify the weights, are then sufficient.

    Raises:
        CheckpointError: if its files are damaged.
    """
    folder = folder_of(run.dataset, run.name, root)
    try:
        config = load_config(folder)
    except CheckpointError:
        return "missing"
    if config.model_copy(update={"summary": "", "limitations": ()}) != run.config.model_copy(
        update={"summary": "", "limitations": ()}
    ):
        return "missing"
    if load_metrics(run.dataset, run.name, root):
        return "measured"
    return "trained" if (folder / "weights.safetensors").exists() else "missing"


def train(config: ModelConfig, data: Batch, valid: Batch, folder: Path) -> Iterator[Progress]:
    """Train a model, yielding progress, and write its checkpoint; resume an interrupted run.

    Args:
        config: the model, its objective and its budget.
        data: the training split.
        valid: the validation split.
        folder: the folder of the checkpoint.

    Raises:
        FloatingPointError: if the loss is no longer finite.
        CheckpointError: if the folder holds an unfinished run with other settings, another command
            is writing into it, or it cannot be written to.
    """
    with writing(folder):
        trainer = Trainer(config, data, valid, folder)
        yield from trainer
        save_model(folder, config, trainer.best)
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(("epoch", "loss", "validation_score", "beta", "seconds"))
        rows.writerows(trainer.history)
        write_atomically(folder / "history.csv", table.getvalue().encode())
        (folder / RESUME).unlink(missing_ok=True)
