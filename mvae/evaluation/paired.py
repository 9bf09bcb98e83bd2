"""Paired differences between models: errors of what the same samples score with two of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mvae.checkpoint import CheckpointError, load_metrics, load_tensors, save_tensors
from mvae.evaluation.measures.measure import Scored

__all__ = ["VALUES", "keep_values", "paired_errors"]

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
    dataset: str, name: str, values: Mapping[str, Tensor], root: Path
) -> dict[str, dict[str, dict[str, float]]]:
    r"""Compute standard errors of mean differences to every other model whose values lie here.

    .. math:: \mathrm{se} = \sqrt{\mathrm{Var}_n(a_n - b_n) / N}

    The difference itself is that of the two means, as they are over the same N samples. Values
    that do not belong to the figures beside them, of other weights or from another run, do not
    count, nor do values of other samples.

    Args:
        dataset: name of the data set.
        name: of the model whose values are given.
        values: by kind and key, ``(N,)``; NaN is no sample.
        root: the folder of checkpoints.

    Returns:
        By kind, key and other model.
    """
    errors: dict[str, dict[str, dict[str, float]]] = {}
    for path in sorted((root / dataset).glob(f"*/{VALUES}")):
        other = path.parent.name
        if other == name:
            continue
        try:
            metrics, theirs = load_metrics(dataset, other, root), load_tensors(path)
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
    return {
        kind: {what: dict(sorted(each.items())) for what, each in sorted(found.items())}
        for kind, found in sorted(errors.items())
    }
