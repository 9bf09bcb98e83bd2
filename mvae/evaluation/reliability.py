"""Reliability of measured figures, according to their estimator and diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvae.evaluation.boltzmann_likelihood import ANNEALED
from mvae.evaluation.importance import MAX_K_HAT, OVER_MAX_K_HAT
from mvae.evaluation.log_likelihood import ESTIMATOR

__all__ = ["DISTRUSTED", "EARLIER", "ESTIMATED", "reason_for_doubt"]

#: Kinds of figures that depend on how likelihoods are estimated.
ESTIMATED = ("loglik", "loglik_above", "variance_of_log_weights", "log_partition")
#: Reasons why a figure is not reliable.
EARLIER = "scored by an earlier estimator"
DISTRUSTED = f"k̂ > {MAX_K_HAT} for more than a tenth of its points"
#: Largest fraction of points with k̂ above 0.7 in a reliable figure.
TOLERATED = 0.1


def reason_for_doubt(
    kind: str, figure: Mapping[str, Any], protocol: Mapping[str, str | int | float]
) -> str:
    """Return why a figure is not reliable, or an empty string if it is.

    Args:
        kind: kind of the figure, a key of metrics.json.
        figure: its mean, standard error and n; where weights were averaged, also how many of the n
            points have a Pareto k̂ above 0.7.
        protocol: protocol of the run, which names the estimator of its likelihoods.

    Example:
        >>> reason_for_doubt("loglik", {"n": 1000, "k_hat_over_0.7": 101}, {"estimator": ESTIMATOR})
        'k̂ > 0.7 for more than a tenth of its points'
        >>> reason_for_doubt("loglik", {"n": 1000, "k_hat_over_0.7": 100}, {"estimator": ESTIMATOR})
        ''
        >>> reason_for_doubt("loglik", {"n": 1000, "k_hat_over_0.7": 0}, {})
        'scored by an earlier estimator'
    """
    if kind in ESTIMATED and protocol.get("estimator") not in (ESTIMATOR, ANNEALED):
        return EARLIER
    over = figure.get(OVER_MAX_K_HAT) or 0
    return DISTRUSTED if over > TOLERATED * figure["n"] else ""
