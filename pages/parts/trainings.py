"""Figures of one network under different objectives, at equal budgets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from mvae.checkpoint import ModelConfig
from mvae.modality import Modality
from mvae.models.mvae import MVAE
from mvae.results.runs import HeadlineFigure, Record, annotation_weight, headline_figures
from pages.parts.measured import figure_cell, title_of
from pages.parts.plain import plain
from pages.parts.sentences import listing

__all__ = ["best_elbo", "comparable", "differences", "table"]


def budget(config: ModelConfig) -> tuple[object, ...]:
    """Return the settings that must be equal for two runs to be comparable."""
    t = config.training
    return (
        t.epochs,
        t.batch,
        t.learning_rate,
        t.seed,
        t.missing,
        config.latents,
        annotation_weight(config),
    )


def comparable(records: Sequence[Record], shown: Sequence[str]) -> list[Record]:
    """Return the runs on the stage, and other runs of their objectives with equal budgets.

    Args:
        records: the runs of a data set.
        shown: names of the runs on the stage, one for each objective, in order.

    Returns:
        list: runs in the order of the objectives. A run that is not on the stage is included if
        another objective was trained with the same epochs, λ and other settings.
    """
    named = {run.name: run for run in records}
    order = [named[name].config.objective.name for name in shown if name in named]
    runs = [
        run
        for run in records
        if run.config.objective.name in order and run.config.objective.network is MVAE
    ]
    kinds: dict[tuple[object, ...], set[str]] = {}
    for run in runs:
        kinds.setdefault(budget(run.config), set()).add(run.config.objective.name)
    found = [run for run in runs if run.name in shown or len(kinds[budget(run.config)]) > 1]
    return sorted(
        found,
        key=lambda run: (
            order.index(run.config.objective.name),
            run.config.training.epochs,
            run.name not in shown,
        ),
    )


def figures_of(run: Record) -> dict[str, HeadlineFigure | None]:
    """Return the figures that are compared: the ELBO of the label alone, and cross-generation."""
    label = next(m for m in run.config.modalities if m.is_category)
    bounds = run.metrics.test.get("elbo", {}) if run.metrics else {}
    x = bounds.get(label.name)
    elbo = None if x is None else HeadlineFigure(x["mean"], x["se"], x["n"], "")
    _, *across = headline_figures(run.config, run.metrics).items()
    titles = {title_of(key, run.config.modalities): x for key, x in across}
    return {f"ELBO of the {label.name}": elbo, **titles}


def table(found: Sequence[Record], shown: Sequence[str]) -> list[dict[str, object]]:
    """Return rows of runs with their budgets and figures; a dot marks those on the stage."""
    return [
        {
            "training": run.config.objective.name + " ●" * (run.name in shown),
            "epochs": run.config.training.epochs,
            "λ": annotation_weight(run.config),
        }
        | {title: figure_cell(x) for title, x in figures_of(run).items()}
        for run in found
    ]


def differences(found: Sequence[Record], shown: Sequence[str]) -> list[str]:
    """Return a sentence about what each objective changes relative to the one before it.

    Both runs have equally many epochs. Where there is a choice, the earlier objective's run is the
    one on the stage, and the two have the same λ.
    """
    sentences = []
    for a, b in pairwise(dict.fromkeys(run.config.objective.name for run in found)):
        pairs = [
            (one, other)
            for one in found
            for other in found
            if (one.config.objective.name, other.config.objective.name) == (a, b)
            and budget(one.config)[:-1] == budget(other.config)[:-1]
        ]
        pairs.sort(
            key=lambda pair: (
                pair[0].name not in shown,
                annotation_weight(pair[0].config) != annotation_weight(pair[1].config),
            )
        )
        for one, other in pairs[:1]:
            before, after = figures_of(one), figures_of(other)
            changes = [
                f"{plain(title)} is {value(y)} instead of {value(x)}"
                for title, x in before.items()
                if x and not x.doubt and (y := after[title]) and not y.doubt
            ]
            lambdas = dict.fromkeys(
                (annotation_weight(other.config), annotation_weight(one.config))
            )
            sentences.append(
                f"**{b}** compared with **{a}**, both after {one.config.training.epochs} epochs, "
                f"λ = {' and '.join(lambdas)}: {listing(changes)}."
            )
    return sentences


def value(figure: HeadlineFigure) -> str:
    """Write a mean without its error; a share has three decimals.

    Example:
        >>> value(HeadlineFigure(0.9675, 0.002, 1000, ""))
        '0.968'
        >>> value(HeadlineFigure(-7.517, 0.1, 1000, ""))
        '−7.52'
    """
    mean = figure.mean
    return f"{mean:.{3 if abs(mean) <= 1 else 2}f}".replace("-", "−")


def best_elbo(label: Modality) -> str:
    """Return a sentence about the highest ELBO of a label, which is minus its entropy.

    Example:
        >>> m = Modality(name="label", kind="label", shape=(10,), likelihood="categorical")
        >>> best_elbo(m)
        'With 10 equally frequent categories, the ELBO of the label cannot exceed −2.30 nats.'
    """
    n = label.shape[0]
    return (
        f"With {n} equally frequent categories, the ELBO of the {plain(label.name)} cannot exceed "
        f"−{math.log(n):.2f} nats."
    )
