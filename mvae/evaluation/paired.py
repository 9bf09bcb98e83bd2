"""Paired differences between models: errors of what the same samples score with two of them."""

from __future__ import annotations

from collections.abc import Mapping
from glob import escape
from pathlib import Path
from typing import Any

from torch import Tensor

from mvae.checkpoint import CheckpointError, load_metrics, load_tensors, save_tensors
from mvae.evaluation.measures.base import Scored
from mvae.search_path import checkpoint_folders

__all__ = ["PAIRED", "VALUES", "keep_values", "paired_errors", "with_kept"]

#: What `paired_errors` finds: the errors, and the weights of the models that they belong to.
PAIRED = ("paired", "paired_with")
#: The file beside a checkpoint with the values of every sample; it is not bundled.
VALUES = "values.safetensors"
#: Kinds of figures that rank models and come from the same samples for all of them.
KINDS = (
    *("loglik", "elbo", "predictive", "accuracy", "probe"),
    *("average_precision", "per_token", "bleu", "chrf", "frechet"),
)
#: By how much a written mean is rounded, at most.
ROUNDED = 1e-3


def keep_values(folder: Path, test: Mapping[str, Any]) -> dict[str, Tensor]:
    """Keep the samples' values of all figures that rank models, and return those of this run.

    What other runs kept of figures that this one did not compute stays.

    Args:
        folder: of the checkpoint.
        test: figures by kind and by what is given and asked.
    """
    values = {
        f"{kind} {what}": x.each
        for kind in KINDS
        for what, x in test.get(kind, {}).items()
        if isinstance(x, Scored)
    }
    try:
        before = load_tensors(folder / VALUES)
    except CheckpointError:
        before = {}  # none were kept, or nothing whole
    save_tensors(folder / VALUES, before | values)
    return values


def paired_errors(
    dataset: str, name: str, values: Mapping[str, Tensor], root: Path | None
) -> dict[str, Any]:
    r"""Compute standard errors of mean differences to every other model whose values lie here.

    .. math:: \mathrm{se} = \sqrt{\mathrm{Var}_n(a_n - b_n) / N}

    The difference itself is that of the two means, as they are over the same N samples. Values
    that do not belong to the figures beside them, of other weights or from another run, do not
    count, nor do values of other samples.

    Args:
        dataset: name of the data set.
        name: of the model whose values are given.
        values: by kind and key, ``(N,)``; NaN is no sample.
        root: the only folder of checkpoints to look into, instead of the search path.

    Returns:
        Under "paired" by kind, key and other model; under "paired_with" the hash of each other
        model's weights. Nothing where there is no other.
    """
    errors: dict[str, dict[str, dict[str, float]]] = {}
    weights: dict[str, str | int | float] = {}
    for (_, other), folder in sorted(checkpoint_folders(escape(dataset), root).items()):
        if other == name or not (folder / VALUES).exists():
            continue
        try:
            metrics, theirs = load_metrics(dataset, other, root), load_tensors(folder / VALUES)
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
                apart = (a - b)[~a.isnan()]
                se = apart.std().item() / len(apart) ** 0.5
                errors.setdefault(kind, {}).setdefault(what, {})[other] = round(se, 4)
                weights[other] = metrics.protocol.get("weights_sha256", "")
    if not errors:
        return {}
    # In an order that does not depend on that of a set of keys.
    ordered = {kind: dict(sorted(found.items())) for kind, found in sorted(errors.items())}
    return {"paired": ordered, "paired_with": weights}


def with_kept(
    found: Mapping[str, Any], kept: Mapping[str, Any], test: Mapping[str, Any]
) -> dict[str, Any]:
    """Add errors of kinds that this run did not compute, unless the other model has changed.

    Args:
        found: by `paired_errors`.
        kept: of an earlier run, of the same form.
        test: the figures that there are.
    """
    weights = {**kept.get("paired_with", {}), **found.get("paired_with", {})}
    same = {name for name, x in kept.get("paired_with", {}).items() if weights[name] == x}
    errors: dict[str, Any] = {}
    for kind, keys in kept.get("paired", {}).items():
        for what, others in keys.items():
            still = {name: se for name, se in others.items() if name in same}
            if still and what in test.get(kind, {}):
                errors.setdefault(kind, {})[what] = still
    errors |= found.get("paired", {})
    return {"paired": errors, "paired_with": weights} if errors else {}
