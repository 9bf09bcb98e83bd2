"""Average precision of cross-modal retrieval, and its expectation by chance."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["average_precision", "expected_by_chance"]


def average_precision(scores: Tensor, relevant: Tensor) -> Tensor:
    r"""Return the average precision of each of Q rankings of N items, ``(Q,)``.

    .. math:: \mathrm{AP} = \frac1R \sum_{r=1}^{R} \frac{\mathrm{hits}_r}{\mathrm{rank}_r}

    where rank_r is the rank, from 1, of the r-th of R relevant items by score, and hits_r the
    number of relevant items up to that rank. Equal scores share the worst of their ranks, so that
    ties are never an advantage. NaN if no item is relevant. Manning, Raghavan & Schütze,
    *Introduction to Information Retrieval*, 2008, section 8.4, https://nlp.stanford.edu/IR-book/.

    Args:
        scores: score of item n for query q, ``(Q, N)``; the highest ranks first.
        relevant: whether item n is relevant to query q, bool ``(Q, N)``.

    Raises:
        ValueError: if the two shapes differ or are not ``(Q, N)``, or ``relevant`` is not bool.

    Example:
        >>> scores = torch.tensor([[0.9, 0.8, 0.7, 0.6]])
        >>> average_precision(scores, torch.tensor([[True, False, True, False]])).item()
        0.8333333730697632
    """
    if relevant.dtype != torch.bool or scores.ndim != 2 or scores.shape != relevant.shape:
        raise ValueError(
            f"scores (Q, N) and a bool mask of their shape are needed, not {tuple(scores.shape)} "
            f"and {relevant.dtype} of shape {tuple(relevant.shape)}"
        )
    order = scores.argsort(descending=True, stable=True)
    sorted_scores, hits = scores.gather(1, order), relevant.gather(1, order)
    # Items with equal scores all take the rank and the hits of the last of them.
    last = torch.searchsorted(-sorted_scores, -sorted_scores, right=True) - 1
    hits_so_far = hits.cumsum(1).gather(1, last).to(torch.get_default_dtype())
    precision = hits_so_far / (last + 1)
    return (precision * hits).sum(1) / hits.sum(1)


def expected_by_chance(relevant: Tensor, items: Tensor) -> Tensor:
    r"""Return the expected average precision of a random ranking, ``(Q,)``, in float64.

    .. math:: E[\mathrm{AP}] = \frac1N\Big(H_N + \frac{R-1}{N-1}\,(N - H_N)\Big),
              \qquad H_N = \sum_{k=1}^N \frac1k

    It exceeds the prevalence R/N, by far if R is small: the item at rank k is relevant with
    probability R/N, and (k−1)(R−1)/(N−1) relevant items then precede it on average. NaN if no item
    is relevant. Bestgen, *Exact Expected Average Precision of the Random Baseline for
    System Evaluation*, 2015, https://doi.org/10.1515/pralin-2015-0007.

    Args:
        relevant: R, the number of items relevant to each query, ``(Q,)``.
        items: N, the number of items ranked for each query, ``(Q,)``.

    Example:
        >>> one, ten = torch.tensor([1]), torch.tensor([10])
        >>> round(expected_by_chance(one, ten).item(), 4)  # the prevalence is 0.1
        0.2929
    """
    r, n = relevant.double(), items.double()
    harmonic = torch.digamma(n + 1) - torch.digamma(torch.ones_like(n))
    others = (r - 1) / (n - 1).clamp(min=1)  # a single item has no others
    expected = (harmonic + others * (n - harmonic)) / n
    return expected.masked_fill(r < 1, torch.nan)
