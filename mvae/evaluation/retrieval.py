"""How well one modality finds another among many: average precision."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["average_precision"]


def average_precision(scores: Tensor, relevant: Tensor) -> Tensor:
    r"""Give the average precision of each of Q rankings of N items, ``(Q,)``.

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
