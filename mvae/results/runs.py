"""Training runs on disk, with or without weights: their curves and measured figures."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from mvae.batch import Batch
from mvae.checkpoint import Metrics, ModelConfig, load_config, load_metrics
from mvae.evaluation.conditioning_sets import conditioning_sets
from mvae.evaluation.keys import FigureKey, count_of
from mvae.evaluation.reliability import reason_for_doubt
from mvae.files import CheckpointError, read_if_there
from mvae.images.tiling import tiles
from mvae.models.mvae import MVAE
from mvae.search_path import checkpoint_folders, folder_of

__all__ = [
    "HeadlineFigure",
    "Record",
    "Spread",
    "TrainingVariant",
    "annotation_weight",
    "headline_figures",
    "headline_keys",
    "load_history",
    "runs",
    "training_variants",
]

#: Entries of a protocol that may differ between the figures of a spread: the date, the version and
#: the weights; and the number of scored samples, as each figure has its own.
NOT_COMPARED = {"date", "version", "weights_sha256", "command", "n_loglik"}


@dataclass(frozen=True)
class Record:
    """A training run that has been evaluated.

    Args:
        name: name of the run and its folder.
        config: configuration of the model and its training.
        metrics: its figures; None if they were measured with other weights.
    """

    name: str
    config: ModelConfig
    metrics: Metrics | None


@dataclass(frozen=True)
class HeadlineFigure:
    """A figure by which models are compared.

    Args:
        mean: mean over the samples.
        se: standard error of the mean.
        n: number of samples.
        doubt: why the figure is not reliable, see :mod:`mvae.evaluation.reliability`; empty if it
            is.
    """

    mean: float
    se: float
    n: int
    doubt: str


@dataclass(frozen=True)
class Spread:
    """A figure over several seeds, measured with the same protocol on the same samples.

    Args:
        mean: mean over the seeds.
        sd: standard deviation over the seeds; None for a single seed.
        n: number of samples for each seed.
        seeds: the seeds.
    """

    mean: float
    sd: float | None
    n: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class TrainingVariant:
    """A training configuration, with the runs that differ only in the seed.

    Args:
        config: configuration of one of the runs.
        seeds: seeds of the runs.
        figures: figures by key; if protocols differ, those that share the most common one.
        evaluations: decoder evaluations of a training step per sample, by modality.
    """

    config: ModelConfig
    seeds: tuple[int, ...]
    figures: dict[FigureKey, Spread]
    evaluations: dict[str, float]


def runs(dataset: str, root: Path | None = None) -> list[Record]:
    """List the evaluated runs of a data set by name, with or without weights.

    Runs with damaged files are left out, so that they do not hide the others; the damage is
    reported when such a run is opened.
    """
    found = []
    for (_, name), folder in sorted(checkpoint_folders(escape(dataset), root).items()):
        with suppress(CheckpointError):
            if (folder / "metrics.json").exists():
                metrics = load_metrics(dataset, name, root)
                found.append(Record(name, load_config(folder), metrics))
    return found


def load_history(dataset: str, name: str, root: Path | None = None) -> dict[str, list[float]]:
    """Return the training curves of a run by column; empty if none were saved.

    Raises:
        CheckpointError: if the file is damaged.
    """
    path = folder_of(dataset, name, root) / "history.csv"
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


def annotation_weight(config: ModelConfig) -> str:
    """Return the weight λ of the labels, tags and texts; empty if there are none.

    Example:
        >>> from mvae.training.recipes import config_for
        >>> annotation_weight(config_for("mnist", "mvae-2d"))
        '50'
        >>> annotation_weight(config_for("vision", "mvae"))
        ''
    """
    return ", ".join({f"{m.weight:g}": None for m in config.modalities if m.is_annotation})


def headline_keys(config: ModelConfig) -> list[FigureKey]:
    """List the keys of the figures by which models are compared, the joint likelihood first.

    Example:
        >>> from mvae.training.recipes import config_for
        >>> for key in headline_keys(config_for("mnist", "mvae")):
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
    if count_of(one):  # conditioning sets are named by how many modalities they hold
        keys.append(FigureKey("loglik", one, ("the next",)))
        for m in annotations if len(annotations) == 1 else []:
            keys += [FigureKey("accuracy", given, (m.name,)) for given in (one, all_but_one)]
    elif not annotations:
        keys += [FigureKey("predictive", (name,), names[:1]) for name in names[1:]]
    # The tiles of a picture count as a single modality.
    two = len(names) - len(images) + bool(images) == 2
    for m in annotations if two else []:
        kind = "accuracy"
        if m.is_set:  # almost all tags are absent, so accuracy says little
            kind = "average_precision"
        elif m.is_text and not images:
            kind = "bleu"
        keys.append(FigureKey(kind, tuple(name for name in names if name != m.name), (m.name,)))
        if images:
            back = (kind,) if m.is_set else ()
            keys += [
                FigureKey(each, (m.name,), images) for each in (*back, "coherence", "diversity")
            ]
    return keys


def headline_figures(
    config: ModelConfig, metrics: Metrics | None
) -> dict[FigureKey, HeadlineFigure | None]:
    """Return the figures by which models are compared; None for those not measured."""
    return {key: _figure(metrics, key) for key in headline_keys(config)}


def _figure(metrics: Metrics | None, key: FigureKey) -> HeadlineFigure | None:
    x = metrics.test.get(key.kind, {}).get(str(key)) if metrics else None
    if metrics is None or x is None:
        return None
    return HeadlineFigure(
        x["mean"], x["se"], x["n"], reason_for_doubt(key.kind, x, metrics.protocol)
    )


def training_variants(found: Iterable[Record]) -> list[TrainingVariant]:
    """Group the runs of the MVAE's network by all settings but the seed, in order of name."""
    groups: dict[str, list[Record]] = {}
    for run in found:
        if run.config.objective.network is MVAE:
            settings = run.config.model_dump(mode="json")
            del settings["training"]["seed"]
            groups.setdefault(json.dumps(settings), []).append(run)
    return [_variant(group) for group in groups.values()]


def _variant(group: list[Record]) -> TrainingVariant:
    group = sorted(group, key=lambda run: run.config.training.seed)
    tables = [(run, headline_figures(run.config, run.metrics)) for run in group]
    figures = {}
    for key in headline_keys(group[0].config):
        by_protocol: dict[str, dict[int, HeadlineFigure]] = {}
        for run, table in tables:
            x = table[key]
            if x is not None and not x.doubt:
                protocol = _protocol(run) | {"n of the figure": x.n}
                same = json.dumps(protocol, sort_keys=True)
                by_protocol.setdefault(same, {})[run.config.training.seed] = x
        if by_protocol:
            figures[key] = _spread(max(by_protocol.values(), key=len))
    evaluations = [run.metrics.test.get("decoder_evaluations", {}) for run in group if run.metrics]
    return TrainingVariant(
        config=group[0].config,
        seeds=tuple(run.config.training.seed for run in group),
        figures=figures,
        evaluations=next(filter(None, evaluations), {}),
    )


def _protocol(run: Record) -> dict[str, str | int | float]:
    protocol = run.metrics.protocol if run.metrics else {}
    return {name: x for name, x in protocol.items() if name not in NOT_COMPARED}


def _spread(by_seed: Mapping[int, HeadlineFigure]) -> Spread:
    """Average figures that were measured with the same protocol."""
    values = [x.mean for x in by_seed.values()]
    sd = statistics.stdev(values) if len(values) > 1 else None
    first = next(iter(by_seed.values()))
    return Spread(statistics.mean(values), sd, first.n, tuple(by_seed))
