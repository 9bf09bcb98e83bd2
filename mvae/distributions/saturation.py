"""Exponentials whose values and gradients saturate at the largest float instead of overflowing.

They hold for any log-variance up to ±1000, where e^v itself fits no float: every factor is taken as
two half powers, one after the other, so that what is representable is computed, and what is not
ends at ± the largest float. Gradients are written out, since those of autograd would be 0 · ∞.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

__all__ = ["bounded", "half_excess", "hold", "scaled", "standard_cdf", "summed"]


def bounded(x: Tensor) -> Tensor:
    """Clamp to ± the largest float; NaN stays."""
    largest = torch.finfo(x.dtype).max
    return x.clamp(-largest, largest)


def summed(grad: Tensor, shape: torch.Size) -> Tensor:
    """Sum to a shape that was broadcast, bounded, too where huge numbers of both signs meet."""
    if grad.shape == shape:
        return bounded(grad)
    count = grad.numel() / max(shape.numel(), 1)
    return bounded((bounded(grad) / count).sum_to_size(shape) * count)


class _Hold(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype, shape: torch.Size) -> Tensor:
        ctx.dtype, ctx.shape = x.dtype, x.shape
        ctx.limit = min(torch.finfo(x.dtype).max, torch.finfo(dtype).max)
        return x.clamp(-ctx.limit, ctx.limit).to(dtype).expand(shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        held = summed(grad, ctx.shape).clamp(-ctx.limit, ctx.limit)
        return held.to(ctx.dtype), None, None


class _Scaled(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, logvar: Tensor) -> Tensor:
        root = bounded((0.25 * logvar).exp())  # √σ
        ctx.save_for_backward(x, root)
        return bounded((x * root).mul_(root))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, root = ctx.saved_tensors
        to_x = to_logvar = None
        if ctx.needs_input_grad[0]:
            to_x = summed(grad * root * root, x.shape)
        if ctx.needs_input_grad[1]:
            to_logvar = summed(0.5 * grad * x * root * root, root.shape)
        return to_x, to_logvar


class _HalfExcess(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        half = bounded(torch.expm1(0.5 * x))
        ctx.save_for_backward(half)
        # ½(eˣ − 1) = h(½h + 1) with h = e^(x/2) − 1 overflows no earlier than it must
        value = bounded(half * (0.5 * half + 1.0) - 0.5 * x)
        # Near 0 the difference cancels; there the series is better, from where their errors meet.
        near = (360.0 * torch.finfo(x.dtype).eps) ** 0.2
        series = 0.25 * x * x * (1.0 + x * (1.0 / 3.0 + x * (1.0 / 12.0 + x / 60.0)))
        return torch.where(x.abs() < near, series, value)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (half,) = ctx.saved_tensors
        return bounded(grad * half * (0.5 * half + 1.0))


class _StandardCdf(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, logvar: Tensor) -> Tensor:
        root = bounded((-0.25 * logvar).exp())
        distance = x * root * root
        ctx.save_for_backward(x, logvar, distance)
        return 0.5 * torch.erfc(-math.sqrt(0.5) * distance)  # ndtr has no digits in the lower tail

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, logvar, distance = ctx.saved_tensors
        log_density = -0.5 * (distance.square() + math.log(2.0 * math.pi))
        # The density in x is taken from its logarithm: its two factors may leave the floats' range.
        to_x = grad * bounded((log_density - 0.5 * logvar).exp())
        # Beyond 50 standard deviations the density is 0, and 0 · ∞ would be NaN.
        to_logvar = -0.5 * grad * distance.clamp(-50.0, 50.0) * log_density.exp()
        return summed(to_x, x.shape), summed(to_logvar, logvar.shape)


def hold(x: Tensor, dtype: torch.dtype | None = None, shape: torch.Size | None = None) -> Tensor:
    """Return x in a type and broadcast to a shape, value and gradient within the types' range.

    Example:
        >>> hold(torch.tensor([1e300, -2.0], dtype=torch.float64), torch.float32).tolist()
        [3.4028234663852886e+38, -2.0]
    """
    held: Tensor = _Hold.apply(x, dtype or x.dtype, x.shape if shape is None else shape)  # type: ignore[no-untyped-call]
    return held


def scaled(x: Tensor, logvar: Tensor) -> Tensor:
    """Compute x·σ = x·exp(½ log σ²); shapes broadcast.

    Example:
        >>> scaled(torch.tensor([0.0, 1e-30, 1.0]), torch.tensor([1000.0, 140.0, -2.0])).tolist()
        [0.0, 2.5154387950897217, 0.3678794503211975]
    """
    product: Tensor = _Scaled.apply(x, logvar)  # type: ignore[no-untyped-call]
    return product


def half_excess(x: Tensor) -> Tensor:
    """Compute ½(eˣ − 1 − x), with all its digits near 0, where it is ¼x².

    Example:
        >>> half_excess(torch.tensor([1e-4, 0.0, -1000.0])).tolist()
        [2.5000832515331695e-09, 0.0, 499.5]
    """
    excess: Tensor = _HalfExcess.apply(x)  # type: ignore[no-untyped-call]
    return excess


def standard_cdf(x: Tensor, logvar: Tensor) -> Tensor:
    """Compute Φ(x/σ); shapes broadcast.

    Example:
        >>> standard_cdf(torch.tensor([0.0, -1.0]), torch.tensor([-1000.0, 1000.0])).tolist()
        [0.5, 0.5]
    """
    below: Tensor = _StandardCdf.apply(x, logvar)  # type: ignore[no-untyped-call]
    return below
