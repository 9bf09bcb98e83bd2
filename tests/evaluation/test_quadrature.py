"""Cells and Gauss–Hermite quadrature, held against integrals that are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.quadrature import CELLS, HALF_WIDTH, Partition, expectation, lattice


def test_a_narrow_gaussian_is_integrated_wherever_it_lies():
    coarse = lattice((-HALF_WIDTH, -HALF_WIDTH), (HALF_WIDTH, HALF_WIDTH), CELLS)
    for seed in range(40):
        source = torch.Generator().manual_seed(seed)
        mean = 2 * torch.randn(2, generator=source, dtype=torch.float64)
        logvar = -10 + 10 * torch.rand(2, generator=source, dtype=torch.float64)
        narrow = Gaussian(mean, logvar)
        partition = Partition.of(narrow.log_prob, narrow.log_prob(coarse))
        assert partition.log_integral == pytest.approx(0, abs=2e-3)
        found = partition.masses @ partition.points
        assert ((found - mean).abs() < 0.02 * narrow.std).all()


def test_a_ridge_at_the_edge_of_a_block_is_not_run_past():
    # Its nearest points on the grid lie in two blocks; each alone sees only a steep slope.
    side = 2 * HALF_WIDTH / CELLS
    coarse = lattice((-HALF_WIDTH, -HALF_WIDTH), (HALF_WIDTH, HALF_WIDTH), CELLS)

    def ridge(z: Tensor) -> Tensor:
        # |t| made smooth: log f falls by 33 nats a cell, and bends only at the top.
        t = (z[..., 0] - 3.4 * side) / side
        across = -33 * ((t.square() + 0.01).sqrt() - 0.1)
        return across - 0.5 * z[..., 1].square()

    partition = Partition.of(ridge, ridge(coarse))
    t = torch.linspace(-6, 6, 200_001, dtype=torch.float64)
    across = (-33 * ((t.square() + 0.01).sqrt() - 0.1)).exp().sum() * (t[1] - t[0]) * side
    assert partition.log_integral == pytest.approx(
        (across.log() + 0.5 * math.log(2 * math.pi)).item(), abs=0.01
    )


def test_a_place_is_refined_that_the_coarse_grid_is_blind_to():
    # A needle in the middle of four grid points, twelve widths from each, and a faint plain.
    coarse = lattice((-HALF_WIDTH, -HALF_WIDTH), (HALF_WIDTH, HALF_WIDTH), CELLS)
    mean = (coarse[73, 60] + coarse[74, 61]) / 2
    needle = Gaussian(mean, torch.full((2,), 2 * math.log(0.004), dtype=torch.float64))
    plain = Gaussian.standard((2,), torch.float64)

    def log_f(z: Tensor) -> Tensor:
        return torch.logaddexp(needle.log_prob(z), plain.log_prob(z) - 20)

    blind = Partition.of(log_f, log_f(coarse))
    assert blind.log_integral == pytest.approx(-20, abs=0.01)
    seen = Partition.of(log_f, log_f(coarse), around=needle)
    assert seen.log_integral == pytest.approx(0, abs=0.01)


def test_expectations_of_polynomials_are_exact():
    q = Gaussian(torch.tensor([0.5, -1.0]), torch.tensor([0.3, -0.8]))
    mean, var = q.mean.double(), q.std.double().square()
    fourth = mean**4 + 6 * mean**2 * var + 3 * var**2
    assert expectation(lambda z: (z**4).sum(-1), q) == pytest.approx(fourth.sum().item(), abs=1e-4)
    product = expectation(lambda z: z[:, 0] * z[:, 1], q)
    assert product == pytest.approx((mean[0] * mean[1]).item(), abs=1e-6)
