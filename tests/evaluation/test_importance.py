"""Importance weights, their diagnostics, and refined proposals, against SciPy and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import genpareto, multivariate_normal

from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.evaluation.importance import Draws, log_mean, log_mean_ratio, pareto_k
from mvae.evaluation.population import population_draws
from mvae.evaluation.refinement import FullGaussian, refine
from tests.reference import seeded

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.9])
def test_k_hat_is_the_shape_of_the_weights_own_tail(shape):
    """Not that of their reciprocals, whose tail is bounded."""
    draws = genpareto(shape).rvs((8, 4000), random_state=0)
    found = pareto_k(torch.from_numpy(draws).log().T)
    assert (found.mean() - shape).abs() < 0.1


def test_weights_that_are_much_the_same_have_no_tail():
    assert (pareto_k(torch.rand(1000, 3, generator=seeded())) == -math.inf).all()


def some_gaussian(latents: int = 4) -> tuple[FullGaussian, list]:
    """Return a Gaussian with full covariance, and SciPy's."""
    root = torch.randn(2, latents, latents, generator=seeded())
    factor = torch.linalg.cholesky(root @ root.mT + torch.eye(latents))
    p = FullGaussian(torch.randn(2, latents, generator=seeded(1)), factor)
    covariance = torch.linalg.inv(factor @ factor.mT)
    pairs = zip(p.mean.numpy(), covariance.numpy(), strict=True)
    return p, [multivariate_normal(mean, matrix) for mean, matrix in pairs]


def test_a_full_gaussian_has_scipys_density_and_moments():
    p, exact = some_gaussian()
    z = torch.randn(5, 2, 4, generator=seeded(2))
    for b in range(2):
        density = torch.from_numpy(exact[b].logpdf(z[:, b].numpy()))
        torch.testing.assert_close(p.log_prob(z)[:, b], density)
    draws = p.from_noise(torch.randn(200_000, 2, 4, generator=seeded(3)))
    for b in range(2):
        torch.testing.assert_close(draws[:, b].mean(0), p.mean[b], atol=0.01, rtol=0)
        covariance = torch.from_numpy(exact[b].cov)
        torch.testing.assert_close(draws[:, b].T.cov(), covariance, atol=0.01, rtol=0.05)


def test_what_is_as_wide_again_has_twice_the_standard_deviations():
    p, _ = some_gaussian()
    noise = torch.randn(3, 2, 4, generator=seeded(2))
    apart = p.widened(2.0).from_noise(noise) - p.mean
    torch.testing.assert_close(apart, 2 * (p.from_noise(noise) - p.mean))


def linear_model(latents: int = 6) -> tuple:
    """Return log p(x, z) of x = Az + noise with z ~ N(0, I), and the exact posterior."""
    matrix = torch.randn(9, latents, generator=seeded())
    data, noise = torch.randn(2, 9, generator=seeded(1)), 0.3
    precision = torch.eye(latents) + matrix.T @ matrix / noise**2
    mean = torch.linalg.solve(precision, (data @ matrix).T / noise**2).T
    exact = FullGaussian(mean, torch.linalg.cholesky(precision).expand(2, -1, -1))

    def log_joint(z):
        misfit = (data - z @ matrix.T) / noise
        return -0.5 * (z.square().sum(-1) + misfit.square().sum(-1))

    return log_joint, exact


def kl(p: FullGaussian, q: FullGaussian) -> torch.Tensor:
    one, other = (
        torch.distributions.MultivariateNormal(x.mean, precision_matrix=x.factor @ x.factor.mT)
        for x in (p, q)
    )
    return torch.distributions.kl_divergence(one, other)


def test_refining_finds_the_posterior_of_a_linear_model():
    log_joint, exact = linear_model()
    start = Gaussian.standard((2, 6))
    refined = refine(start, log_joint, [seeded(b) for b in range(2)])
    assert (kl(refined, exact) < 1e-2 * kl(FullGaussian.of(start), exact)).all()


def test_refining_starts_from_the_best_component_of_a_mixture():
    log_joint, exact = linear_model()
    far = Gaussian(exact.mean + 20.0, torch.zeros(2, 6))
    near = Gaussian(exact.mean + 0.1, torch.zeros(2, 6))
    both = Gaussian(*(torch.stack(x) for x in ((far.mean, near.mean), (far.logvar, near.logvar))))
    mixture = Mixture(both, torch.ones(2, 2, dtype=torch.bool))
    found, alone = (refine(q, log_joint, [seeded(), seeded(1)]) for q in (mixture, near))
    torch.testing.assert_close(found.mean, alone.mean)


def test_refining_never_returns_a_worse_bound_than_it_was_given():
    """Where the log density is so rough that natural gradients lead astray, q stays."""

    def log_joint(z):
        return -0.5 * z.square().sum(-1) + 30 * torch.cos(9 * z).sum(-1)

    q = Gaussian(torch.zeros(3, 5), torch.full((3, 5), -5.0))
    refined = refine(q, log_joint, [seeded(b) for b in range(3)])
    noise = torch.randn(4000, 3, 5, generator=seeded(9))

    def bound(p):
        return log_joint(p.from_noise(noise)).mean(0) - p.log_scale

    assert (bound(refined) >= bound(FullGaussian.of(q)) - 0.1).all()
    assert refined.factor.isfinite().all()


def test_draws_go_where_the_target_is_and_their_mean_weight_is_its_integral():
    here = Gaussian(torch.zeros(1, 3), torch.zeros(1, 3))
    far = Gaussian(torch.full((1, 3), 9.0), torch.zeros(1, 3))
    target = FullGaussian(torch.full((1, 3), 0.2), 1.5 * torch.eye(3).unsqueeze(0))
    draws = population_draws(
        [here, far], lambda z: {"x": target.log_prob(z) + 7.0}, ["x"], 4000, 3, seeded()
    )
    assert sum(draws.counts) == len(draws.z) == 4000
    assert draws.counts[0] > 8 * draws.counts[1]
    found = log_mean(draws.log_weights(["x"]), draws.counts)
    assert (found.value - 7.0).abs() < 4 * found.se
    assert found.se < 0.02


def test_pooled_draws_are_weighed_by_the_mixture_of_all_their_proposals():
    one = Gaussian(torch.zeros(1, 2), torch.zeros(1, 2))
    other = Gaussian(torch.ones(1, 2), torch.zeros(1, 2))
    each = []
    for q, n, seed in ((one, 30, 0), (other, 10, 1)):
        z = q.sample(n, seeded(seed))
        each.append(Draws((q,), (n,), z, {"x": z.sum(-1)}))
    pooled = each[0].pool_with(each[1])
    mixture = (0.75 * one.log_prob(pooled.z).exp() + 0.25 * other.log_prob(pooled.z).exp()).log()
    torch.testing.assert_close(pooled.log_weights(["x"]), pooled.z.sum(-1) - mixture)


def test_the_error_of_a_ratio_over_shared_draws_is_its_spread():
    generator = seeded()
    found = []
    for _ in range(400):
        below = torch.randn(300, 1, generator=generator)
        above = below - torch.rand(300, 1, generator=generator)
        found.append(log_mean_ratio(above, below, (100, 200)))
    values = torch.cat([x.value for x in found])
    assert (values < 0).all()
    assert values.std() / torch.cat([x.se for x in found]).mean() == pytest.approx(1, abs=0.15)
