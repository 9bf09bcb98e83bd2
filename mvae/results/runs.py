"""Training runs on disk, with weights or without: their curves, and their measured figures."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mvae.batch import Batch
from mvae.checkpoint import CHECKPOINTS, Metrics, ModelConfig, load_config, load_metrics
from mvae.evaluation.keys import FigureKey, count_of
from mvae.evaluation.measures.base import conditioning_sets
from mvae.evaluation.reliability import doubt
from mvae.files import CheckpointError, read_if_there
from mvae.images.tiling import tiles
from mvae.models.mvae import MVAE

__all__ = [
    "Measured",
    "Record",
    "Spread",
    "Way",
    "compared_by",
    "load_history",
    "measured",
    "runs",
    "ways_to_train",
    "weight_of",
]

#: What of a protocol may differ between figures that form a spread: when, by which versions and of
#: which weights they were measured; and a count of samples, as each figure has its own.
APART = {"date", "version", "weights_sha256", "command", "n_loglik"}


@dataclass(frozen=True)
class Record:
    """A training run that was measured.

    Args:
        name: of its folder.
        config: what was trained, and how.
        metrics: its figures; None where they are those of other weights.
    """

    name: str
    config: ModelConfig
    metrics: Metrics | None


@dataclass(frozen=True)
class Measured:
    """A figure that models are compared by.

    Args:
        mean: over the samples.
        se: its standard error.
        n: samples.
        doubt: why it is no result, a sentence of :mod:`mvae.evaluation.reliability`; empty for a
            result.
    """

    mean: float
    se: float
    n: int
    doubt: str


@dataclass(frozen=True)
class Spread:
    """A figure over the seeds that were measured by one protocol, on the same samples.

    Args:
        mean: over the seeds.
        sd: their standard deviation; None for one seed.
        n: samples of each.
        seeds: which they are.
    """

    mean: float
    sd: float | None
    n: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Way:
    """A way to train, over the seeds of its runs.

    Args:
        config: of one of the runs; the others differ in the seed alone.
        seeds: of the runs.
        figures: by what they are of; of figures by several protocols those that most seeds share.
        evaluations: how often a step decodes each modality, for a sample.
    """

    config: ModelConfig
    seeds: tuple[int, ...]
    figures: dict[FigureKey, Spread]
    evaluations: dict[str, float]


def runs(dataset: str, root: Path = CHECKPOINTS) -> list[Record]:
    """List the measured runs of a data set by name, with weights or without.

    A run whose files are damaged is left out, so that it hides no other: what is wrong with it is
    said where it is opened.
    """
    found = []
    for path in sorted((root / dataset).glob("*/metrics.json")):
        folder = path.parent
        with suppress(CheckpointError):
            if (folder / "config.json").exists():
                metrics = load_metrics(dataset, folder.name, root)
                found.append(Record(folder.name, load_config(folder), metrics))
    return found


def load_history(dataset: str, name: str, root: Path = CHECKPOINTS) -> dict[str, list[float]]:
    """Read a run's training curves, column by column; empty where none were kept.

    Raises:
        CheckpointError: if the file is damaged.
    """
    path = root / dataset / name / "history.csv"
    content = read_if_there(path)
    if content is None:
        return {}
    try:
        header, *rows = csv.reader(content.decode().splitlines())
        columns = zip(*(map(float, row) for row in rows), strict=True)
        return dict(zip(header, map(list, columns), strict=True))
    except (ValueError, csv.Error):
        raise CheckpointError(
            f"{dataset}/{name}/history.csv is damaged; restore it or train again."
        ) from None


def weight_of(config: ModelConfig) -> str:
    """Return λ of what is said in words; empty where nothing is.

    Example:
        >>> from mvae.training.recipes import config_for
        >>> weight_of(config_for("mnist", "mvae-2d")), weight_of(config_for("vision", "mvae"))
        ('50', '')
    """
    return ", ".join({f"{m.weight:g}": None for m in config.modalities if m.is_annotation})


def compared_by(config: ModelConfig) -> list[FigureKey]:
    """List what the models of a data set are compared by, their joint likelihood first.

    Example:
        >>> from mvae.training.recipes import config_for
        >>> for key in compared_by(config_for("mnist", "mvae")):
        ...     print(key.kind, key)
        loglik image+label
        accuracy image->label
        coherence label->image
        diversity label->image
    """
    names = tuple(m.name for m in config.modalities)
    images = tuple(m.name for m, _, _ in tiles(config.modalities))
    annotations = [m for m in config.modalities if m.is_annotation]
    sets = [s.given for s in conditioning_sets(Batch.empty(config.modalities))]
    one, all_but_one = sets[1], sets[-2]
    keys = [FigureKey("loglik", asked=sets[-1])]
    if count_of(one):
        keys.append(FigureKey("loglik", one, ("the next",)))
        for m in annotations if len(annotations) == 1 else []:
            keys += [FigureKey("accuracy", given, (m.name,)) for given in (one, all_but_one)]
    elif not annotations:
        keys += [FigureKey("predictive", (name,), names[:1]) for name in names[1:]]
    # The tiles of a picture are many names for one thing.
    two = len(names) - len(images) + bool(images) == 2
    for m in annotations if two else []:
        kind = "accuracy"
        if m.kind == "tags":  # almost all tags are absent, so that most are right in any case
            kind = "average_precision"
        elif m.kind == "text" and not images:
            kind = "bleu"
        keys.append(FigureKey(kind, tuple(name for name in names if name != m.name), (m.name,)))
        if images:
            back = (kind,) if m.kind == "tags" else ()
            keys += [
                FigureKey(each, (m.name,), images) for each in (*back, "coherence", "diversity")
            ]
    return keys


def measured(config: ModelConfig, metrics: Metrics | None) -> dict[FigureKey, Measured | None]:
    """Return the figures that models are compared by; None for one that was not measured."""
    return {key: _figure(metrics, key) for key in compared_by(config)}


def _figure(metrics: Metrics | None, key: FigureKey) -> Measured | None:
    x = metrics.test.get(key.kind, {}).get(str(key)) if metrics else None
    if metrics is None or x is None:
        return None
    return Measured(x["mean"], x["se"], x["n"], doubt(key.kind, x, metrics.protocol))


def ways_to_train(found: Iterable[Record]) -> list[Way]:
    """Group the runs that train the MVAE's network by all but their seed, in order of name."""
    groups: dict[str, list[Record]] = {}
    for run in found:
        if run.config.objective.network is MVAE:
            same = run.config.model_dump(mode="json")
            del same["training"]["seed"]
            groups.setdefault(json.dumps(same), []).append(run)
    return [_way(group) for group in groups.values()]


def _way(group: list[Record]) -> Way:
    group = sorted(group, key=lambda run: run.config.training.seed)
    tables = [(run, measured(run.config, run.metrics)) for run in group]
    figures = {}
    for key in compared_by(group[0].config):
        alike: dict[str, dict[int, Measured]] = {}
        for run, table in tables:
            x = table[key]
            if x is not None and not x.doubt:
                protocol = _protocol(run) | {"n of the figure": x.n}
                same = json.dumps(protocol, sort_keys=True)
                alike.setdefault(same, {})[run.config.training.seed] = x
        if alike:
            figures[key] = _spread(max(alike.values(), key=len))
    counted = [run.metrics.test.get("decoder_evaluations", {}) for run in group if run.metrics]
    return Way(
        config=group[0].config,
        seeds=tuple(run.config.training.seed for run in group),
        figures=figures,
        evaluations=next(filter(None, counted), {}),
    )


def _protocol(run: Record) -> dict[str, str | int | float]:
    protocol = run.metrics.protocol if run.metrics else {}
    return {name: x for name, x in protocol.items() if name not in APART}


def _spread(by_seed: Mapping[int, Measured]) -> Spread:
    """Average what was measured by one protocol."""
    values = [x.mean for x in by_seed.values()]
    sd = statistics.stdev(values) if len(values) > 1 else None
    first = next(iter(by_seed.values()))
    return Spread(statistics.mean(values), sd, first.n, tuple(by_seed))
