"""Other libraries' models, scored by this project's estimator, and figures that others report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mvae.csv_files import read_rows
from mvae.search_path import find

__all__ = ["FILE", "REPORTED", "Peer", "Reported", "peers"]

#: Of a data set's folder; ``tests/benchmarks/peers.py`` writes it.
FILE = "peers.csv"


@dataclass(frozen=True)
class Peer:
    """The joint log-likelihood of a model, by importance weights on the test split.

    Args:
        model: its objective and network.
        trained_by: the library whose trainer it comes from.
        pixels: how grey became black and white.
        mean: over the samples, in nats.
        se: its standard error.
        above: mean difference to this project's `mvae` on the same samples with the same noise.
        above_se: its standard error.
        n: samples.
        k: importance draws a sample.
        estimator: by which it was scored.
        run: the bundled run that it is, whose figure stands in metrics.json; empty for others.
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
class Reported:
    """A joint log-likelihood that others report.

    Args:
        model: its objective.
        mean: in nats.
        by: where it stands.
        link: to that place.
        unknown: what is not told about it.
    """

    model: str
    mean: float
    by: str
    link: str
    unknown: str


#: By data set.
REPORTED = {
    "mnist": tuple(
        Reported(
            model,
            mean,
            "BinaryMNIST, in the README of multi-view-AE",
            "https://github.com/alawryaguila/multi-view-AE",
            "how pixels were binarised, how many draws and which split",
        )
        for model, mean in (("mvae", -86.26), ("jmvae", -86.86))
    )
}


def peers(dataset: str, root: Path | None = None) -> list[Peer]:
    """Read what was scored side by side on a data set; nothing where nothing was.

    Raises:
        CheckpointError: if the file is damaged.

    Example:
        >>> {peer.k for peer in peers("mnist")} <= {1000}
        True
    """
    return read_rows(find(dataset, FILE, root), Peer)
