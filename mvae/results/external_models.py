"""Models of other libraries scored by this project's estimator, and figures reported elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mvae.csv_files import read_rows
from mvae.search_path import find

__all__ = ["FILE", "REPORTED", "ExternalModel", "ReportedFigure", "load_external_models"]

#: Name of the file in the folder of a data set; ``tests/benchmarks/peers.py`` writes it.
FILE = "peers.csv"


@dataclass(frozen=True)
class ExternalModel:
    """The joint log-likelihood of a model, estimated by importance weighting on the test split.

    Args:
        model: name of the objective and network.
        trained_by: library that trained the model.
        pixels: how grey values were binarised.
        mean: mean over the samples, in nats.
        se: standard error of the mean.
        above: mean difference from this project's `mvae` on the same samples with the same noise.
        above_se: standard error of the difference.
        n: number of samples.
        k: number of importance draws per sample.
        estimator: name of the estimator.
        run: name of the run if it is a bundled one, with a figure in metrics.json; else empty.
    """

    model: str
    trained_by: str
    pixels: str
    mean: float
    se: float
    above: float
    above_se: float
    n: int
    k: int
    estimator: str = ""
    run: str = ""


@dataclass(frozen=True)
class ReportedFigure:
    """A joint log-likelihood reported elsewhere.

    Args:
        model: name of the objective.
        mean: mean over the samples, in nats.
        source: where it is reported.
        link: address of the source.
        not_stated: what the source does not state.
    """

    model: str
    mean: float
    source: str
    link: str
    not_stated: str


#: Reported figures by data set.
REPORTED = {
    "mnist": tuple(
        ReportedFigure(
            model,
            mean,
            "BinaryMNIST, in the README of multi-view-AE",
            "https://github.com/alawryaguila/multi-view-AE",
            "how pixels were binarised, how many draws and which split",
        )
        for model, mean in (("mvae", -86.26), ("jmvae", -86.86))
    )
}


def load_external_models(dataset: str, root: Path | None = None) -> list[ExternalModel]:
    """Read the models scored on a data set; empty if there are none.

    Raises:
        CheckpointError: if the file is damaged.

    Example:
        >>> {peer.k for peer in load_external_models("mnist")} <= {1000}
        True
    """
    return read_rows(find(dataset, FILE, root), ExternalModel)
