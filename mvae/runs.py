"""Training runs on disk, with weights or without: their curves, and their measured figures."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mvae.checkpoint import (
    CHECKPOINTS,
    CheckpointError,
    Metrics,
    ModelConfig,
    load_config,
    load_metrics,
)
from mvae.evaluation.measures.measure import situations
from mvae.files import read_if_there
from mvae.modality import Batch
from mvae.model import MVAE
from mvae.pictures import tiles

__all__ = ["FEW", "Record", "Way", "load_history", "measured", "runs", "ways_to_train"]

#: With more modalities than this, their number stands for their names.
FEW = 4


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
class Way:
    """A way to train, over the seeds of its runs.

    Args:
        config: of one of the runs; the others differ in the seed alone.
        seeds: of the runs.
        figures: name to the mean over the seeds and their standard deviation, None for one seed.
        evaluations: how often a step decodes each modality, for a sample.
    """

    config: ModelConfig
    seeds: tuple[int, ...]
    figures: dict[str, tuple[float, float | None]]
    evaluations: dict[str, float]


def runs(dataset: str, root: Path = CHECKPOINTS) -> list[Record]:
    """List the measured runs of a data set by name, with weights or without.

    Raises:
        CheckpointError: if the files of a run are damaged.
    """
    folders = sorted(path.parent for path in (root / dataset).glob("*/metrics.json"))
    return [
        Record(folder.name, load_config(folder), load_metrics(dataset, folder.name, root))
        for folder in folders
        if (folder / "config.json").exists()
    ]


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


def measured(config: ModelConfig, metrics: Metrics | None) -> dict[str, dict[str, float] | None]:
    """Take the figures that models are compared by; None for one that was not measured.

    Example:
        >>> from mvae.recipes import config_for
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
    keys = [situation.key for situation in situations(Batch.empty(config.modalities))]
    one, all_but_one = keys[1], keys[-2]
    wanted = {f"{log_p}({told})": ("loglik", keys[-1])}
    named = [m for m in config.modalities if m.named]
    if one not in names:  # situations are told apart by how many modalities are supplied
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
        if m.kind == "tags":  # almost all tags are absent, so that most are right in any case
            kind, said = "average_precision", " average precision"
        elif m.kind == "text" and not images:
            kind, said = "bleu", " BLEU"
        wanted[f"{rest}→{m.name}{said}"] = (kind, f"{given}->{m.name}")
        if images:
            back = f"{m.name}->{'+'.join(images)}"
            if m.kind == "tags":
                wanted[f"{m.name}→{picture}{said}"] = (kind, back)
            wanted |= {
                f"{m.name}→{picture} coherence": ("coherence", back),
                f"{m.name}→{picture} diversity": ("diversity", back),
            }
    test = metrics.test if metrics else {}
    return {title: test.get(kind, {}).get(what) for title, (kind, what) in wanted.items()}


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
    tables = [measured(run.config, run.metrics) for run in group]
    figures: dict[str, tuple[float, float | None]] = {}
    for title in tables[0]:
        values = [x["mean"] for table in tables if (x := table[title]) is not None]
        if values:
            sd = statistics.stdev(values) if len(values) > 1 else None
            figures[title] = (statistics.mean(values), sd)
    counted = [run.metrics.test.get("decoder_evaluations", {}) for run in group if run.metrics]
    return Way(
        config=group[0].config,
        seeds=tuple(sorted(run.config.training.seed for run in group)),
        figures=figures,
        evaluations=next(filter(None, counted), {}),
    )
