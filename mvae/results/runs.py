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
from mvae.checkpoint import (
    CHECKPOINTS,
    CheckpointError,
    Metrics,
    ModelConfig,
    load_config,
    load_metrics,
)
from mvae.evaluation.measures.base import conditioning_sets
from mvae.evaluation.reliability import doubt
from mvae.files import read_if_there
from mvae.images.tiling import tiles
from mvae.models.mvae import MVAE

__all__ = [
    "FEW",
    "Measured",
    "Record",
    "Spread",
    "Way",
    "load_history",
    "measured",
    "runs",
    "ways_to_train",
    "weight_of",
]

#: With more modalities than this, their number stands for their names.
FEW = 4
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
        figures: by name; of figures by several protocols those that most seeds share.
        evaluations: how often a step decodes each modality, for a sample.
    """

    config: ModelConfig
    seeds: tuple[int, ...]
    figures: dict[str, Spread]
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


def measured(config: ModelConfig, metrics: Metrics | None) -> dict[str, Measured | None]:
    """Return the figures that models are compared by; None for one that was not measured.

    Example:
        >>> from mvae.training.recipes import config_for
        >>> list(measured(config_for("mnist", "mvae"), None))
        ['log p(image, label)', 'image→label', 'label→image coherence', 'label→image diversity']
    """
    names = [m.name for m in config.modalities]
    images = [m.name for m, _, _ in tiles(config.modalities)]
    exact = all(m.distribution.exact for m in config.modalities)
    log_p = "log p" if exact else "score"
    # The tiles of a picture are many names for one thing.
    picture = images[0] if len(images) == 1 else "picture"
    few = [picture] * bool(images) + [name for name in names if name not in images]
    told = ", ".join(few) if len(few) <= FEW else f"{len(few)} modalities"
    keys = [
        conditioning_set.key
        for conditioning_set in conditioning_sets(Batch.empty(config.modalities))
    ]
    one, all_but_one = keys[1], keys[-2]
    wanted = {f"{log_p}({told})": ("loglik", keys[-1])}
    named = [m for m in config.modalities if m.is_annotation]
    if one not in names:  # conditioning sets are told apart by how many modalities are supplied
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
        if m.is_set:  # almost all tags are absent, so that most are right in any case
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


def _figure(metrics: Metrics | None, kind: str, what: str) -> Measured | None:
    x = metrics.test.get(kind, {}).get(what) if metrics else None
    if metrics is None or x is None:
        return None
    return Measured(x["mean"], x["se"], x["n"], doubt(kind, x, metrics.protocol))


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
    for title in tables[0][1]:
        alike: dict[str, dict[int, Measured]] = {}
        for run, table in tables:
            x = table[title]
            if x is not None and not x.doubt:
                protocol = _protocol(run) | {"n of the figure": x.n}
                key = json.dumps(protocol, sort_keys=True)
                alike.setdefault(key, {})[run.config.training.seed] = x
        if alike:
            figures[title] = _spread(max(alike.values(), key=len))
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
