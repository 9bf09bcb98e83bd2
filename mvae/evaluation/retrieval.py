"""Average precision: how well one modality finds another among many, and what chance reaches."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["average_precision", "expected_by_chance"]


def average_precision(scores: Tensor, relevant: Tensor) -> Tensor:
    r"""Return the average precision of each of Q rankings of N items, ``(Q,)``.

    .. math:: \mathrm{AP} = \frac1R \sum_{r=1}^{R} \frac{\mathrm{hits}_r}{\mathrm{rank}_r}

    with the ranks, from 1, of the R relevant items by their scores, and how many relevant items
    are found up to there. Equal scores share the worst of their ranks, so that nothing is won by
    them. NaN where nothing is relevant. Manning, Raghavan &
    Schütze, *Introduction to Information Retrieval*, 2008, section 8.4,
    https://nlp.stanford.edu/IR-book/.

    Args:
        scores: of item n for query q, ``(Q, N)``; the highest comes first.
        relevant: whether the item is what the query asks for, bool ``(Q, N)``.

    Raises:
        ValueError: if the two are not of that shape, or what is relevant is not bool.

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
    # Of equal scores the last one's rank and hits count for all.
    last = torch.searchsorted(-sorted_scores, -sorted_scores, right=True) - 1
    found = hits.cumsum(1).gather(1, last).to(torch.get_default_dtype())
    precision = found / (last + 1)
    return (precision * hits).sum(1) / hits.sum(1)


def expected_by_chance(relevant: Tensor, items: Tensor) -> Tensor:
    r"""Return the expected average precision of a random ranking, ``(Q,)``, in float64.

    .. math:: E[\mathrm{AP}] = \frac1N\Big(H_N + \frac{R-1}{N-1}\,(N - H_N)\Big),
              \qquad H_N = \sum_{k=1}^N \frac1k

    Above the prevalence R/N, by much where R is small: the item at rank k is relevant with
    probability R/N and then has (k−1)(R−1)/(N−1) relevant items before it on average. NaN where
    nothing is relevant. Bestgen, *Exact Expected Average Precision of the Random Baseline for
    System Evaluation*, 2015, https://doi.org/10.1515/pralin-2015-0007.

    Args:
        relevant: R, how many items are what each query asks for, ``(Q,)``.
        items: N, how many items each query ranks, ``(Q,)``.

    Example:
        >>> one, ten = torch.tensor([1]), torch.tensor([10])
        >>> round(expected_by_chance(one, ten).item(), 4)  # and the prevalence is .1
        0.2929
    """
    r, n = relevant.double(), items.double()
    harmonic = torch.digamma(n + 1) - torch.digamma(torch.ones_like(n))
    others = (r - 1) / (n - 1).clamp(min=1)  # of one item, there are no others
    expected = (harmonic + others * (n - harmonic)) / n
    return expected.masked_fill(r < 1, torch.nan)
