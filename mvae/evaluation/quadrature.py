"""Integrals over the plane of two latents: cells that are small where a density is sharp."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mvae.distributions.gaussian import Gaussian

__all__ = ["CELLS", "HALF_WIDTH", "Partition", "expectation", "lattice"]

#: The plane is cut off at ±6: of the prior's mass 4 parts in 10⁹ lie beyond.
HALF_WIDTH = 6.0
#: Cells of the coarse grid along each latent, a multiple of 3.
CELLS = 126
#: Width of a coarse cell, 0.095.
SIDE = 2 * HALF_WIDTH / CELLS
#: What lies this many nats below the highest value is not refined: e⁻⁸ of a Gaussian's mass.
DEPTH = 8.0
#: What lies this many nats below is hardly seen in a picture.
VISIBLE = 12.0
#: What lies this many nats below is left out.
BOTTOM = 40.0
#: Second difference of log f, in nats, above which a block is refined: a spacing of 0.63 σ. It is
#: e times as large three nats below the highest value, and so on.
SHARP = 0.4
#: Difference of log f between neighbours, in nats, above which a block is refined in any case: it
#: may end just before a peak.
STEEP = 4.0
#: Levels of refinement; the finest cells are 0.0012 wide.
LEVELS = 4
#: Gauss–Hermite nodes along each latent; those of weight below 10⁻⁹ are left out.
NODES = 24


def lattice(low: tuple[float, float], high: tuple[float, float], size: int) -> Tensor:
    """Centres of ``size`` × ``size`` cells, ``(size, size, 2)``: the second latent by rows.

    Example:
        >>> lattice((0.0, 10.0), (4.0, 14.0), 2)[1, 0].tolist()
        [1.0, 13.0]
    """
    steps = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    first, second = (a + (b - a) * steps for a, b in zip(low, high, strict=True))
    return torch.stack(torch.meshgrid(first, second, indexing="xy"), -1)


def expectation(f: Callable[[Tensor], Tensor], q: Gaussian) -> float:
    r"""Give the mean of f under a Gaussian by Gauss–Hermite quadrature.

    .. math:: E_q[f(z)] \approx \sum_{ij} w_i w_j\, f(\mu + \sigma \odot (t_i, t_j))

    Args:
        f: values ``(N,)`` at points ``(N, 2)``.
        q: ``(2,)``.

    Example:
        >>> q = Gaussian(torch.tensor([3.0, 0.0]), torch.zeros(2))
        >>> round(expectation(lambda z: z[:, 0].square(), q), 5)  # μ² + σ²
        10.0
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    t, w = torch.from_numpy(nodes), torch.from_numpy(weights / weights.sum())
    pairs, weight = torch.cartesian_prod(t, t), torch.outer(w, w).flatten()
    counts = weight > 1e-9
    values = f(q.mean.double() + q.std.double() * pairs[counts])
    return (weight[counts] @ values / weight[counts].sum()).item()


@dataclass(frozen=True)
class Partition:
    r"""Cells c that cover the square of ±6 once each, for the integral of one function f > 0.

    .. math:: \int f(z)\,dz \approx \sum_c |c|\, f(z_c)

    The coarse grid is seen as blocks of 3 × 3 points. Where log f bends by more than 0.4 nats
    between the points of a block (more, where f is small), or is steep, each of its points that may
    matter becomes a block of its own, a third as wide; and so on. Of the blocks that remain log f
    is taken as biquadratic, which a Gaussian's is: it is interpolated at 9 × 9 points, and their
    cells are summed. A peak so narrow that the coarse grid shows no slope to it is not found.

    Args:
        points: the cells' centres, ``(N, 2)``.
        log_f: log f there, ``(N,)``.
        log_area: log of the cells' areas, ``(N,)``.
        coarse: log f on the coarse grid as it was given, ``(CELLS, CELLS)``.
        matters: the coarse cells in which f comes within 12 nats of its maximum, of that shape.

    Example:
        >>> narrow = Gaussian(torch.tensor([0.3, -1.0]), torch.tensor([-9.0, -7.0]))
        >>> corner = (HALF_WIDTH, HALF_WIDTH)
        >>> coarse = narrow.log_prob(lattice((-HALF_WIDTH, -HALF_WIDTH), corner, CELLS))
        >>> partition = Partition.of(narrow.log_prob, coarse)
        >>> abs(partition.log_integral) < 1e-3
        True
    """

    points: Tensor
    log_f: Tensor
    log_area: Tensor
    coarse: Tensor
    matters: Tensor

    @staticmethod
    def of(
        log_f: Callable[[Tensor], Tensor],
        coarse: Tensor,
        around: Gaussian | None = None,
        sharp: float = SHARP,
    ) -> Partition:
        """Refine the coarse grid.

        Args:
            log_f: log f ``(N,)`` at points ``(N, 2)``.
            coarse: log f on the coarse grid, roughly, ``(CELLS, CELLS)``.
            around: a point that is refined too, though the coarse grid may see nothing there.
            sharp: how far log f may bend in a block that remains; a ninth asks for one level more.
        """
        grid = lattice((-HALF_WIDTH, -HALF_WIDTH), (HALF_WIDTH, HALF_WIDTH), CELLS)
        points, values = _blocks(grid), _blocks(coarse.double())  # (B, 3, 3, 2), (B, 3, 3)
        side, offsets = SIDE, lattice((-0.5, -0.5), (0.5, 0.5), 3)
        wanted = torch.zeros_like(values, dtype=torch.bool)
        if around is not None:
            apart = (points - around.mean.double()).abs()
            wanted = (apart <= around.std.double() + side / 2).all(-1)
        best = values.max()
        cells: list[tuple[Tensor, Tensor, Tensor]] = []
        for level in range(LEVELS + 1):
            bends = _differences(values, 2)  # (2, B)
            # Between its points a parabola rises by an eighth of its bend along each latent;
            # twice that leaves room for peaks that are no parabolas.
            reach = values + bends.sum(0)[:, None, None] / 4
            if level == 0:
                first_reach = reach
            # An error of log f counts as much as f does. Where f does not, nothing is relied upon.
            below = (best - reach.amax((1, 2))).clamp(min=0)
            limit = sharp * torch.where(below < DEPTH, below / 3, 0).exp()
            rough = (bends.amax(0) > limit) | (_differences(values, 1).amax(0) > STEEP)
            rough = rough[:, None, None].expand_as(values)
            split = (rough & (reach > best - DEPTH)) | wanted
            if level == LEVELS:
                split = torch.zeros_like(split)
            kept = ~split & (reach > best - BOTTOM)
            z = points[kept][:, None, None] + side * offsets  # (K, 3, 3, 2)
            # What is kept of a rough block is negligible, and no parabola.
            smooth = torch.where(
                rough[kept][:, None, None],
                values[kept][:, None, None],
                _interpolate(values)[kept],
            )
            log_area = torch.full((smooth.numel(),), 2 * math.log(side / 3), dtype=torch.float64)
            cells.append((z.reshape(-1, 2), smooth.flatten(), log_area))
            if not split.any():
                break
            side /= 3
            points = points[split][:, None, None] + side * 3 * offsets
            values = log_f(points.reshape(-1, 2)).double().reshape(points.shape[:-1])
            wanted = torch.zeros_like(values, dtype=torch.bool)
            best = torch.maximum(best, values.max())
        z, f, log_area = (torch.cat(part) for part in zip(*cells, strict=True))
        return Partition(z, f, log_area, coarse, _grid(first_reach > best - VISIBLE))

    @property
    def log_integral(self) -> float:
        """Log of the integral of f."""
        return (self.log_f + self.log_area).logsumexp(0).item()

    @property
    def masses(self) -> Tensor:
        """Each cell's share of the integral, ``(N,)``; they sum to 1."""
        return (self.log_f + self.log_area).softmax(0)

    def modes(self) -> Tensor:
        """Places of the local maxima within 8 nats of the highest, ``(n, 2)``, highest first.

        They are at least three coarse cells apart: nearer ones are one mode, seen on a grid.
        """
        row, column = ((self.points + HALF_WIDTH) / SIDE).long().flip(-1).unbind(-1)
        cell = row * CELLS + column
        heights = torch.full((CELLS * CELLS,), -torch.inf, dtype=torch.float64)
        heights = heights.scatter_reduce(0, cell, self.log_f, "amax")
        around = functional.max_pool2d(heights.reshape(1, CELLS, CELLS), 5, 1, 2).flatten()
        peak = (heights == around) & (heights > heights.max() - DEPTH)
        top = (peak[cell] & (self.log_f == heights[cell])).nonzero().squeeze(-1)
        modes: list[Tensor] = []
        for point in self.points[top[self.log_f[top].argsort(descending=True)]]:
            if all((point - mode).abs().max() > 2 * SIDE for mode in modes):
                modes.append(point)
        return torch.stack(modes)


def _blocks(grid: Tensor) -> Tensor:
    """Cut a grid ``(3n, 3n, ...)`` into blocks ``(n², 3, 3, ...)``."""
    n = len(grid) // 3
    cut = grid.reshape(n, 3, n, 3, *grid.shape[2:]).transpose(1, 2)
    return cut.reshape(n * n, 3, 3, *grid.shape[2:])


def _grid(blocks: Tensor) -> Tensor:
    """Put blocks ``(n², 3, 3)`` together again, ``(3n, 3n)``."""
    n = math.isqrt(len(blocks))
    return blocks.reshape(n, n, 3, 3).transpose(1, 2).reshape(3 * n, 3 * n)


def _differences(log_f: Tensor, order: int) -> Tensor:
    """Largest difference of an order in blocks ``(B, 3, 3)`` along either latent, ``(2, B)``."""
    return torch.stack([log_f.diff(order, dim).abs().amax((1, 2)) for dim in (1, 2)])


def _interpolate(log_f: Tensor) -> Tensor:
    """Biquadratic through blocks ``(B, 3, 3)`` at 3 × 3 points a cell, ``(B, 3, 3, 3, 3)``."""
    t = (torch.arange(9, dtype=torch.float64) - 4) / 3  # the points of the block are −1, 0 and 1
    lagrange = torch.stack((t * (t - 1) / 2, 1 - t * t, t * (t + 1) / 2), 1)  # (9, 3)
    fine = lagrange @ log_f @ lagrange.T  # (B, 9, 9)
    return fine.reshape(-1, 3, 3, 3, 3).transpose(2, 3)
