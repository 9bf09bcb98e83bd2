"""What trainings of one network reach: those on the stage, and all that had equal budgets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from mvae.checkpoint import ModelConfig
from mvae.models.mvae import MVAE
from mvae.results.runs import Measured, Record, measured, weight_of
from pages.parts.measured import figure_cell
from pages.parts.plain import plain
from pages.parts.sentences import listing

__all__ = ["best_elbo", "comparable", "differences", "table"]


def budget(config: ModelConfig) -> tuple[object, ...]:
    """Return what has to be equal for two trainings to be compared."""
    t = config.training
    return t.epochs, t.batch, t.learning_rate, t.seed, t.missing, config.latents, weight_of(config)


def comparable(records: Sequence[Record], shown: Sequence[str]) -> list[Record]:
    """List the runs that are shown, and those of the same objectives with equal budgets.

    Args:
        records: of a data set.
        shown: names of runs, one for each objective, in their order.

    Returns:
        list: in the order of the objectives. A run that is not shown is listed if another
        objective was trained with the same epochs, λ and all else.
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


def figures_of(run: Record) -> dict[str, Measured | None]:
    """Return what trainings are compared by: the ELBO of a label alone, and what goes across."""
    label = next(m for m in run.config.modalities if m.is_category)
    bounds = run.metrics.test.get("elbo", {}) if run.metrics else {}
    x = bounds.get(label.name)
    elbo = None if x is None else Measured(x["mean"], x["se"], x["n"], "")
    across = list(measured(run.config, run.metrics).items())[1:]
    return {f"ELBO of the {label.name}": elbo, **dict(across)}


def table(found: Sequence[Record], shown: Sequence[str]) -> list[dict[str, object]]:
    """Tabulate runs with their budgets; a dot marks those on the stage."""
    return [
        {
            "training": run.config.objective.name + " ●" * (run.name in shown),
            "epochs": run.config.training.epochs,
            "λ": weight_of(run.config),
        }
        | {title: figure_cell(x) for title, x in figures_of(run).items()}
        for run in found
    ]


def differences(found: Sequence[Record], shown: Sequence[str]) -> list[str]:
    """Say what each objective changes against the one before it, after as many epochs.

    Of several runs one on the stage is taken for the one before, and one with the same λ if there
    is one.
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
                weight_of(pair[0].config) != weight_of(pair[1].config),
            )
        )
        for one, other in pairs[:1]:
            before, after = figures_of(one), figures_of(other)
            changes = [
                f"{plain(title)} {value(y)} instead of {value(x)}"
                for title, x in before.items()
                if x and not x.doubt and (y := after[title]) and not y.doubt
            ]
            lambdas = dict.fromkeys((weight_of(other.config), weight_of(one.config)))
            sentences.append(
                f"**{b}** against **{a}**, both after {one.config.training.epochs} epochs, with "
                f"λ = {' against '.join(lambdas)}: {listing(changes)}."
            )
    return sentences


def value(figure: Measured) -> str:
    """Write a mean without its error, a share with three digits.

    Example:
        >>> value(Measured(0.9675, 0.002, 1000, "")), value(Measured(-7.517, 0.1, 1000, ""))
        ('0.968', '−7.52')
    """
    mean = figure.mean
    return f"{mean:.{3 if abs(mean) <= 1 else 2}f}".replace("-", "−")


def best_elbo(config: ModelConfig) -> str:
    """Say what the ELBO of a label can reach: minus its entropy, where categories are even.

    Example:
        >>> from mvae.training.recipes import config_for
        >>> best_elbo(config_for("mnist", "mvae"))
        'With 10 categories as frequent as each other, no label’s ELBO can be above −2.30.'
    """
    label = next(m for m in config.modalities if m.is_category)
    n = label.shape[0]
    return (
        f"With {n} categories as frequent as each other, no {plain(label.name)}’s ELBO can be "
        f"above −{math.log(n):.2f}."
    )
