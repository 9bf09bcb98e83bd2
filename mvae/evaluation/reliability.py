"""Whether a measured figure is a result: by which estimator it was scored, and its diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvae.evaluation.log_likelihood import ESTIMATOR

__all__ = ["DISTRUSTED", "EARLIER", "ESTIMATED", "doubt"]

#: Kinds of figures that depend on how likelihoods are estimated.
ESTIMATED = ("loglik", "loglik_above", "variance_of_log_weights", "log_partition")
#: Why a figure is no result.
EARLIER = "scored by an earlier estimator"
DISTRUSTED = "k̂ > 0.7 for more than a tenth of its points"
#: Share of the points above 0.7 that a figure may have.
TOLERATED = 0.1


def doubt(kind: str, figure: Mapping[str, Any], protocol: Mapping[str, str | int | float]) -> str:
    """Return why a figure is no result, empty for a result.

    Args:
        kind: of the figure, a key of metrics.json.
        figure: its mean, standard error, n and, where weights were averaged, how many of the n
            points have a Pareto k̂ above 0.7.
        protocol: of the run, which names the estimator of its likelihoods.

    Example:
        >>> doubt("loglik", {"n": 1000, "k_hat_over_0.7": 101}, {"estimator": ESTIMATOR})
        'k̂ > 0.7 for more than a tenth of its points'
        >>> doubt("loglik", {"n": 1000, "k_hat_over_0.7": 100}, {"estimator": ESTIMATOR})
        ''
        >>> doubt("loglik", {"n": 1000, "k_hat_over_0.7": 0}, {})
        'scored by an earlier estimator'
    """
    if kind in ESTIMATED and protocol.get("estimator") != ESTIMATOR:
        return EARLIER
    over = figure.get("k_hat_over_0.7") or 0
    return DISTRUSTED if over > TOLERATED * figure["n"] else ""
