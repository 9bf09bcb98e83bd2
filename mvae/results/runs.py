"""Training runs on disk, with or without weights: their curves and measured figures."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mvae.batch import Batch
from mvae.checkpoint import (
    CHECKPOINTS,
    CheckpointError,
    Metrics,
    ModelConfig,
    load_config,
    load_metrics,
)
from mvae.evaluation.measures.base import conditioning_sets
from mvae.evaluation.reliability import reason_for_doubt
from mvae.files import read_if_there
from mvae.images.tiling import tiles
from mvae.models.mvae import MVAE

__all__ = [
    "MAX_NAMED",
    "HeadlineFigure",
    "Record",
    "Spread",
    "TrainingVariant",
    "annotation_weight",
    "headline_figures",
    "load_history",
    "runs",
    "training_variants",
]

#: Largest number of modalities that a title names; if there are more, it states their number.
MAX_NAMED = 4
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
        figures: figures by title; if protocols differ, those that share the most common one.
        evaluations: decoder evaluations of a training step per sample, by modality.
    """

    config: ModelConfig
    seeds: tuple[int, ...]
    figures: dict[str, Spread]
    evaluations: dict[str, float]


def runs(dataset: str, root: Path = CHECKPOINTS) -> list[Record]:
    """List the evaluated runs of a data set by name, with or without weights.

    Runs with damaged files are left out, so that they do not hide the others; the damage is
    reported when such a run is opened.
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
    """Return the training curves of a run by column; empty if none were saved.

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


def headline_figures(
    config: ModelConfig, metrics: Metrics | None
) -> dict[str, HeadlineFigure | None]:
    """Return the figures by which models are compared; None for those not measured.

    Example:
        >>> from mvae.training.recipes import config_for
        >>> list(headline_figures(config_for("mnist", "mvae"), None))
        ['log p(image, label)', 'image→label', 'label→image coherence', 'label→image diversity']
    """
    names = [m.name for m in config.modalities]
    images = [m.name for m, _, _ in tiles(config.modalities)]
    exact = all(m.distribution.exact for m in config.modalities)
    log_p = "log p" if exact else "score"
    # The tiles of a picture count as a single modality.
    picture = images[0] if len(images) == 1 else "picture"
    few = [picture] * bool(images) + [name for name in names if name not in images]
    told = ", ".join(few) if len(few) <= MAX_NAMED else f"{len(few)} modalities"
    keys = [
        conditioning_set.key
        for conditioning_set in conditioning_sets(Batch.empty(config.modalities))
    ]
    one, all_but_one = keys[1], keys[-2]
    wanted = {f"{log_p}({told})": ("loglik", keys[-1])}
    named = [m for m in config.modalities if m.is_annotation]
    if one not in names:  # conditioning sets are named by how many modalities they hold
        wanted[f"{log_p}(the next | one)"] = ("loglik", f"the next|{one}")
        for m in named if len(named) == 1 else []:
            wanted[f"one→{m.name}"] = ("accuracy", f"{one}->{m.name}")
            wanted[f"all others→{m.name}"] = ("accuracy", f"{all_but_one}->{m.name}")
    elif not named:
        for name in names[1:]:
            wanted[f"{log_p} of {names[0]} | {name}"] = ("predictive", f"{name}->{names[0]}")
    for m in named if len(few) == 2 else []:
        rest = next(name for name in few if name != m.name)
        given = "+".join(name for name in names if name != m.name)
        kind, said = "accuracy", ""
        if m.is_set:  # almost all tags are absent, so accuracy says little
            kind, said = "average_precision", " average precision"
        elif m.is_text and not images:
            kind, said = "bleu", " BLEU"
        wanted[f"{rest}→{m.name}{said}"] = (kind, f"{given}->{m.name}")
        if images:
            back = f"{m.name}->{'+'.join(images)}"
            if m.is_set:
                wanted[f"{m.name}→{picture}{said}"] = (kind, back)
            wanted |= {
                f"{m.name}→{picture} coherence": ("coherence", back),
                f"{m.name}→{picture} diversity": ("diversity", back),
            }
    return {title: _figure(metrics, kind, what) for title, (kind, what) in wanted.items()}


def _figure(metrics: Metrics | None, kind: str, what: str) -> HeadlineFigure | None:
    x = metrics.test.get(kind, {}).get(what) if metrics else None
    if metrics is None or x is None:
        return None
    return HeadlineFigure(x["mean"], x["se"], x["n"], reason_for_doubt(kind, x, metrics.protocol))


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
    for title in tables[0][1]:
        by_protocol: dict[str, dict[int, HeadlineFigure]] = {}
        for run, table in tables:
            x = table[title]
            if x is not None and not x.doubt:
                protocol = _protocol(run) | {"n of the figure": x.n}
                key = json.dumps(protocol, sort_keys=True)
                by_protocol.setdefault(key, {})[run.config.training.seed] = x
        if by_protocol:
            figures[title] = _spread(max(by_protocol.values(), key=len))
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
