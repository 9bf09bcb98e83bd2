"""Standard errors of paired differences between models, over the same samples."""

from __future__ import annotations

from collections.abc import Mapping
from glob import escape
from pathlib import Path
from typing import Any

from torch import Tensor

from mvae.checkpoint import load_metrics
from mvae.evaluation.scored_figure import ScoredFigure
from mvae.files import CheckpointError, load_tensors, save_tensors
from mvae.search_path import checkpoint_folders

__all__ = ["PAIRED", "VALUES_FILE", "merge_kept_errors", "paired_errors", "save_values"]

#: Keys of the result of `paired_errors`: the errors, and hashes of the other models' weights.
PAIRED = ("paired", "paired_with")
#: File in the folder of a checkpoint with the values of single samples; it is not bundled.
VALUES_FILE = "values.safetensors"
#: Kinds of figures that rank models and are measured on the same samples for all of them.
KINDS = (
    *("loglik", "elbo", "predictive", "accuracy", "probe"),
    *("average_precision", "per_token", "bleu", "chrf", "frechet"),
)
#: Largest rounding error of a mean in metrics.json.
ROUNDED = 1e-3


def save_values(folder: Path, test: Mapping[str, Any]) -> dict[str, Tensor]:
    """Save the values of all samples for every figure that ranks models, and return this run's.

    Values saved by earlier runs, of figures that this run did not compute, are kept.

    Args:
        folder: folder of the checkpoint.
        test: figures by kind and key.
    """
    values = {
        f"{kind} {what}": x.per_sample
        for kind in KINDS
        for what, x in test.get(kind, {}).items()
        if isinstance(x, ScoredFigure)
    }
    try:
        stored = load_tensors(folder / VALUES_FILE)
    except CheckpointError:
        stored = {}  # the file is missing or damaged
    save_tensors(folder / VALUES_FILE, stored | values)
    return values


def paired_errors(
    dataset: str, name: str, values: Mapping[str, Tensor], root: Path | None
) -> dict[str, Any]:
    r"""Compute standard errors of the mean differences to every other model with saved values.

    .. math:: \mathrm{se} = \sqrt{\mathrm{Var}_n(a_n - b_n) / N}

    The mean difference itself is the difference of the two means, as both are taken over the same
    N samples. Values are ignored if they are of other samples, or do not match the figures in
    metrics.json because they come from other weights or another run.

    Args:
        dataset: name of the data set.
        name: name of the model whose values are given.
        values: values of each sample by kind and key, ``(N,)``; NaN marks samples left out.
        root: the only folder of checkpoints to look into, instead of the search path.

    Returns:
        Standard errors under "paired", by kind, key and other model; and under "paired_with" the
        hash of each other model's weights. Empty if there is no other model.
    """
    errors: dict[str, dict[str, dict[str, float]]] = {}
    weights: dict[str, str | int | float] = {}
    for (_, other), folder in sorted(checkpoint_folders(escape(dataset), root).items()):
        if other == name or not (folder / VALUES_FILE).exists():
            continue
        try:
            metrics, theirs = load_metrics(dataset, other, root), load_tensors(folder / VALUES_FILE)
        except CheckpointError:
            continue
        if metrics is None:
            continue
        for key in values.keys() & theirs.keys():
            kind, _, what = key.partition(" ")
            written = metrics.test.get(kind, {}).get(what)
            a, b = values[key], theirs[key]
            if written is None or abs(b.nanmean() - written["mean"]) > ROUNDED:
                continue
            if a.shape == b.shape and bool((a.isnan() == b.isnan()).all()):
                difference = (a - b)[~a.isnan()]
                se = difference.std().item() / len(difference) ** 0.5
                errors.setdefault(kind, {}).setdefault(what, {})[other] = round(se, 4)
                weights[other] = metrics.protocol.get("weights_sha256", "")
    if not errors:
        return {}
    # Sorted, as the order of a set of keys varies.
    ordered = {kind: dict(sorted(by_key.items())) for kind, by_key in sorted(errors.items())}
    return {"paired": ordered, "paired_with": weights}


def merge_kept_errors(
    new: Mapping[str, Any], kept: Mapping[str, Any], test: Mapping[str, Any]
) -> dict[str, Any]:
    """Merge new errors with those of an earlier run, unless the other model has changed since.

    Args:
        new: result of `paired_errors` for the figures that this run computed.
        kept: result of an earlier run, for all figures.
        test: all figures of the model.
    """
    weights = {**kept.get("paired_with", {}), **new.get("paired_with", {})}
    unchanged = {name for name, x in kept.get("paired_with", {}).items() if weights[name] == x}
    errors: dict[str, Any] = {}
    for kind, keys in kept.get("paired", {}).items():
        for what, by_model in keys.items():
            kept_errors = {name: se for name, se in by_model.items() if name in unchanged}
            if kept_errors and what in test.get(kind, {}):
                errors.setdefault(kind, {})[what] = kept_errors
    errors |= new.get("paired", {})
    return {"paired": errors, "paired_with": weights} if errors else {}
