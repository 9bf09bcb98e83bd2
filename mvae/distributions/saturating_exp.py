"""Exponentials whose values and gradients saturate at the largest float instead of overflowing.

They work for any log-variance up to ±1000, where e^v itself is outside the range of floats: every
factor is applied as two half powers, one after the other, so that a representable result is
computed and any other saturates at ± the largest float. Gradients are written by hand, since those
of autograd would be 0 · ∞.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

__all__ = ["bounded", "saturate", "standard_cdf", "sum_to_shape", "times_std", "variance_kl"]


def bounded(x: Tensor) -> Tensor:
    """Clamp to ± the largest float; NaN stays NaN."""
    largest = torch.finfo(x.dtype).max
    return x.clamp(-largest, largest)


def sum_to_shape(grad: Tensor, shape: torch.Size) -> Tensor:
    """Sum a gradient over broadcast dimensions; finite even where huge terms differ in sign."""
    if grad.shape == shape:
        return bounded(grad)
    count = grad.numel() / max(shape.numel(), 1)
    return bounded((bounded(grad) / count).sum_to_size(shape) * count)


class _Saturate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype, shape: torch.Size) -> Tensor:
        ctx.dtype, ctx.shape = x.dtype, x.shape
        ctx.limit = min(torch.finfo(x.dtype).max, torch.finfo(dtype).max)
        return x.clamp(-ctx.limit, ctx.limit).to(dtype).expand(shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        total = sum_to_shape(grad, ctx.shape).clamp(-ctx.limit, ctx.limit)
        return total.to(ctx.dtype), None, None


class _TimesStd(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, logvar: Tensor) -> Tensor:
        root = bounded((0.25 * logvar).exp())  # √σ
        ctx.save_for_backward(x, root)
        return bounded((x * root).mul_(root))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, root = ctx.saved_tensors
        grad_x = grad_logvar = None
        if ctx.needs_input_grad[0]:
            grad_x = sum_to_shape(grad * root * root, x.shape)
        if ctx.needs_input_grad[1]:
            grad_logvar = sum_to_shape(0.5 * grad * x * root * root, root.shape)
        return grad_x, grad_logvar


class _VarianceKL(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        half = bounded(torch.expm1(0.5 * x))
        ctx.save_for_backward(half)
        # With h = e^(x/2) − 1, h(½h + 1) = ½(eˣ − 1) overflows only if the result does.
        value = bounded(half * (0.5 * half + 1.0) - 0.5 * x)
        # Near 0 the difference cancels; below the point where both errors are equal, the power
        # series is more accurate.
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
        # not torch.special.ndtr, which loses all digits in the lower tail
        return 0.5 * torch.erfc(-math.sqrt(0.5) * distance)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, logvar, distance = ctx.saved_tensors
        log_density = -0.5 * (distance.square() + math.log(2.0 * math.pi))
        # The density is computed from its logarithm, since its two factors may be out of range.
        grad_x = grad * bounded((log_density - 0.5 * logvar).exp())
        # Beyond 50 standard deviations the density is 0, and 0 · ∞ would be NaN.
        grad_logvar = -0.5 * grad * distance.clamp(-50.0, 50.0) * log_density.exp()
        return sum_to_shape(grad_x, x.shape), sum_to_shape(grad_logvar, logvar.shape)


def saturate(
    x: Tensor, dtype: torch.dtype | None = None, shape: torch.Size | None = None
) -> Tensor:
    """Convert x to a type and broadcast it to a shape, clamping value and gradient to finite range.

    Example:
        >>> saturate(torch.tensor([1e300, -2.0], dtype=torch.float64), torch.float32).tolist()
        [3.4028234663852886e+38, -2.0]
    """
    target = x.shape if shape is None else shape
    result: Tensor = _Saturate.apply(x, dtype or x.dtype, target)  # type: ignore[no-untyped-call]
    return result


def times_std(x: Tensor, logvar: Tensor) -> Tensor:
    """Compute x·σ = x·exp(½ log σ²); shapes broadcast.

    Example:
        >>> times_std(torch.tensor([0.0, 1e-30, 1.0]), torch.tensor([1000.0, 140.0, -2.0])).tolist()
        [0.0, 2.5154387950897217, 0.3678794503211975]
    """
    product: Tensor = _TimesStd.apply(x, logvar)  # type: ignore[no-untyped-call]
    return product


def variance_kl(x: Tensor) -> Tensor:
    """Compute ½(eˣ − 1 − x) to full precision, also near 0, where it is about ¼x².

    It is the KL divergence between Gaussians of equal mean whose log variance ratio is x.

    Example:
        >>> variance_kl(torch.tensor([1e-4, 0.0, -1000.0])).tolist()
        [2.5000832515331695e-09, 0.0, 499.5]
    """
    divergence: Tensor = _VarianceKL.apply(x)  # type: ignore[no-untyped-call]
    return divergence


def standard_cdf(x: Tensor, logvar: Tensor) -> Tensor:
    """Compute Φ(x/σ); shapes broadcast.

    Example:
        >>> standard_cdf(torch.tensor([0.0, -1.0]), torch.tensor([-1000.0, 1000.0])).tolist()
        [0.5, 0.5]
    """
    probability: Tensor = _StandardCdf.apply(x, logvar)  # type: ignore[no-untyped-call]
    return probability
