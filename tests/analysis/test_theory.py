"""Quadrature on a grid, held against SciPy's quadrature and optimisers, and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from scipy import integrate, optimize

from mvae.analysis.theory import (
    DIVERGENCES,
    GRID,
    NOISE,
    PAIRS,
    STEP,
    average_entropy,
    best_gaussian,
    entropy,
    kl,
    log_posterior,
    mixture,
    moments,
    solve,
)
from mvae.distributions.gaussian import Gaussian, divide_out_prior

SUBSETS = [[0], [1], [0, 1]]


def cases(*levels: int) -> list[tuple[str, list[int], int]]:
    """Let every pair meet every subset and every noise level, and these each other, once."""
    return [
        (name, given, levels[(i + j) % len(levels)])
        for i, name in enumerate(PAIRS)
        for j, given in enumerate(SUBSETS)
    ]


def joint_density(name: str, given: list[int], sigma: float):
    """p(x_S, z) written anew, for SciPy."""
    x = PAIRS[name].observed

    def likelihood(i: int, z: float) -> float:
        if name == "linear":
            return pdf(x[i], z if i == 0 else z / 2, sigma)
        if name == "square":
            return pdf(x[0], z * z, sigma) if i == 0 else math.erfc(-z / sigma / 2**0.5) / 2
        return 0.9 * pdf(x[i], z, sigma) + 0.1 * pdf(x[i], 0, 2)

    return lambda z: pdf(z, 0, 1) * math.prod(likelihood(i, z) for i in given)


def pdf(x: float, mean: float, std: float) -> float:
    return math.exp(-0.5 * ((x - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))


def quad(f, reach: float = 10) -> float:
    points = [-2, -1.5, -1.25, -1, -0.5, 0, 0.5, 1, 1.25, 1.5, 2]
    return integrate.quad(f, -reach, reach, points=points, limit=400, epsabs=1e-13, epsrel=1e-12)[0]


def on_grid(q: Gaussian) -> torch.Tensor:
    return Gaussian(q.mean.unsqueeze(-2), q.logvar.unsqueeze(-2)).log_prob(GRID.unsqueeze(-1))


def gaussian(mean: float, variance: float) -> Gaussian:
    """Give a Gaussian of shape (1, 1) in double precision."""
    values = torch.tensor([mean, math.log(variance)], dtype=torch.float64)
    return Gaussian(*values.reshape(2, 1, 1))


def at(level: int) -> torch.Tensor:
    return NOISE[level : level + 1]


@pytest.mark.parametrize(("name", "given", "level"), cases(0, 27, 40))
def test_evidence_moments_and_entropy_are_those_of_scipy(name, given, level):
    density = joint_density(name, given, NOISE[level].item())
    evidence = quad(density)
    mean = quad(lambda z: z * density(z)) / evidence
    variance = quad(lambda z: (z - mean) ** 2 * density(z)) / evidence
    information = quad(lambda z: _xlogx(density(z) / evidence))
    log_p, log_evidence = log_posterior(PAIRS[name], given, at(level))
    assert log_evidence.item() == pytest.approx(math.log(evidence), abs=1e-9)
    got = [x.item() for x in (*moments(log_p), entropy(log_p))]
    assert got == pytest.approx([mean, variance, -information], abs=1e-8)


def _xlogx(p: float) -> float:
    return p * math.log(p) if p > 0 else 0.0


@pytest.mark.parametrize("name", PAIRS)
def test_divergences_are_those_of_scipy(name):
    density = joint_density(name, [0, 1], NOISE[13].item())
    evidence = quad(density)
    truth, _ = log_posterior(PAIRS[name], [0, 1], at(13))
    q = gaussian(0.7, 0.35**2)
    forward = quad(lambda z: _klx(density(z) / evidence, pdf(z, 0.7, 0.35)), 6)
    assert kl(truth, on_grid(q)).item() == pytest.approx(forward, abs=1e-7)
    reverse = quad(lambda z: _klx(pdf(z, 0.7, 0.35), density(z) / evidence), 3.3)
    assert kl(on_grid(q), truth).item() == pytest.approx(reverse, abs=1e-7)


def _klx(p: float, q: float) -> float:
    return p * math.log(p / q) if p > 0 else 0.0


@pytest.mark.parametrize("best", DIVERGENCES)
def test_in_the_linear_gaussian_pair_the_product_is_the_joint_posterior(best):
    x1, x2 = PAIRS["linear"].observed
    precision = 1 + 1.25 / NOISE**2
    mean = (x1 + 0.5 * x2) / NOISE**2 / precision
    solution = solve(PAIRS["linear"], best)
    for q in (*solution.product.mean, *solution.joint.mean.unsqueeze(0)):
        torch.testing.assert_close(q[:, 0], mean, rtol=0, atol=1e-9)
    for logvar in (*solution.product.logvar, solution.joint.logvar):
        torch.testing.assert_close(-logvar[:, 0], precision.log(), rtol=0, atol=1e-9)
    truth, product = solution.posteriors[3], on_grid(solution.product)
    assert kl(product, truth).abs().max() < 1e-10
    assert kl(truth, product).abs().max() < 1e-10
    assert not solution.tied.any()


@pytest.mark.parametrize("name", PAIRS)
def test_the_true_posterior_factorises(name):
    prior, first, second, joint = solve(PAIRS[name], "forward").posteriors
    product = first + second - prior
    product = product - product.logsumexp(-1, keepdim=True) - math.log(STEP)
    torch.testing.assert_close(product, joint, rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize(("name", "given", "level"), cases(0, 10, 30))
def test_best_gaussians_are_those_of_scipys_optimisers(name, given, level):
    log_p, _ = log_posterior(PAIRS[name], given, at(level))

    def log_normal(x):
        return -0.5 * ((GRID - x[0]) / math.exp(x[1])).square() - x[1] - 0.5 * math.log(2 * math.pi)

    def reverse(x):
        log_q = log_normal(x)
        return ((log_q.exp() * (log_q - log_p)).sum() * STEP).item()

    def forward(x):
        return (-(log_p.exp() * log_normal(x)).sum() * STEP).item()

    for best, loss in (("reverse", reverse), ("forward", forward)):
        starts = [(m, s) for m in (-1.3, -0.6, 0.1, 0.7, 1.4) for s in (-1.5, -0.3)]
        found = [
            optimize.minimize(
                loss, start, method="L-BFGS-B", bounds=[(-4, 4), (-3, 1)], options={"ftol": 1e-14}
            )
            for start in starts
        ]
        least = min(found, key=lambda result: result.fun)
        q, tied = best_gaussian(PAIRS[name], given, best, at(level))
        mine = [(q.mean[i, 0, 0].item(), 0.5 * q.logvar[i, 0, 0].item()) for i in range(2)]
        for x in mine:
            assert loss(x) <= least.fun + 1e-9
        nearest = min(mine, key=lambda x: abs(x[0] - least.x[0]))
        assert nearest == pytest.approx(tuple(least.x), abs=1e-3)
        if not tied:
            assert mine[0] == mine[1]


def test_the_two_tied_optima_are_found_and_merge_as_noise_grows():
    q, tied = best_gaussian(PAIRS["square"], [0], "reverse")
    assert tied[:20].all()
    assert not tied[25:].any()
    torch.testing.assert_close(q.mean[0], -q.mean[1], atol=1e-5, rtol=0)
    torch.testing.assert_close(q.logvar[0], q.logvar[1], atol=1e-5, rtol=0)
    assert q.mean[1, 0] == pytest.approx(math.sqrt(1.5), abs=0.02)


def test_readings_that_contradict_each_other_tie_only_where_the_prior_favours_neither():
    level = NOISE[:3]
    pair = PAIRS["outliers"]
    assert best_gaussian(replace(pair, observed=(1.3, -1.3)), [0, 1], "reverse", level)[1].all()
    assert not best_gaussian(replace(pair, observed=(1.6, -0.4)), [0, 1], "reverse", level)[1].any()


@pytest.mark.parametrize("best", DIVERGENCES)
def test_in_the_nonlinear_pair_the_product_is_not_the_best_gaussian(best):
    solution = solve(PAIRS["square"], best)
    truth = solution.posteriors[3]
    product, joint = on_grid(solution.product), on_grid(solution.joint)
    off = [kl(q, truth) if best == "reverse" else kl(truth, q) for q in (*product, joint)]
    assert (torch.minimum(off[0], off[1]) >= off[2] - 1e-10).all()
    assert (off[0] > off[2] + 1e-5).all()
    if best == "reverse":  # the wrong one of two tied optima is nats away
        assert (off[0] - off[1])[:15].min() > 3


def test_moment_matching_needs_negative_precision_where_evidence_widens_the_prior():
    solution = solve(PAIRS["square"], "forward")
    precision = (-solution.singles[0].logvar[0, :, 0]).exp()
    assert (precision[:20] < 1).all()
    assert (precision[30:] > 1).all()
    reverse = solve(PAIRS["square"], "reverse")
    assert all((-q.logvar).exp().min() > 1 for q in reverse.singles)


def test_dividing_out_the_prior_is_what_it_says_on_the_grid():
    first, second = gaussian(0.4, 1.1), gaussian(-1.0, 0.5)
    prior = Gaussian.standard((1, 1), torch.float64)
    product = on_grid(first) + on_grid(second) - on_grid(prior)
    product = product - product.logsumexp(-1, keepdim=True) - math.log(STEP)
    torch.testing.assert_close(on_grid(divide_out_prior(first, second)), product)


@pytest.mark.parametrize("variance", [2.0, 3.0])
def test_a_product_of_no_positive_precision_is_none(variance):
    q = gaussian(0.5, variance)
    product = divide_out_prior(q, q)
    assert product.mean.isnan().all()
    assert product.logvar.isnan().all()


def test_the_true_posterior_can_widen_where_the_product_narrows():
    solution = solve(PAIRS["outliers"], "reverse")
    _, first, second, joint = solution.posteriors
    wide = slice(0, 20)
    assert (entropy(joint) > torch.maximum(entropy(first), entropy(second)))[wide].all()
    assert (moments(joint)[1] > torch.maximum(moments(first)[1], moments(second)[1]))[wide].all()
    for q in solution.singles:
        assert (solution.product.logvar < q.logvar).all()


@pytest.mark.parametrize("name", PAIRS)
def test_on_average_evidence_narrows(name):
    alone = entropy(log_posterior(PAIRS[name], [0])[0])
    assert (average_entropy(PAIRS[name]) < alone).all()


@pytest.mark.parametrize("name", ["square", "outliers"])
def test_the_average_is_that_over_what_may_follow(name):
    pair, level = PAIRS[name], at(12)

    def solved(x: float):
        return log_posterior(replace(pair, observed=(pair.observed[0], x)), [0, 1], level)

    alone = log_posterior(pair, [0], level)[1].item()

    def term(x: float) -> float:
        log_p, evidence = solved(x)
        return math.exp(evidence.item() - alone) * entropy(log_p).item()

    if name == "square":
        expected = term(-1.0) + term(1.0)
    else:
        expected = integrate.quad(term, -12, 12, limit=200, epsabs=1e-7)[0]
    assert average_entropy(pair, level).item() == pytest.approx(expected, abs=1e-6)


def test_a_mixture_is_a_density_and_never_sharper_than_its_sharpest_part():
    solution = solve(PAIRS["outliers"], "reverse")
    parts = [on_grid(q)[0] for q in solution.singles]
    mixed = mixture(*parts)
    torch.testing.assert_close(mixed.exp().sum(-1) * STEP, torch.ones_like(NOISE))
    assert (entropy(mixed) >= torch.minimum(*(entropy(q) for q in parts)) - 1e-9).all()
    expected = 0.5 * (parts[0].exp() + parts[1].exp())
    torch.testing.assert_close(mixed.exp(), expected)


def lobes(log_p: torch.Tensor) -> torch.Tensor:
    """Count the maxima of densities ``(L, n)`` on GRID."""
    rises = log_p.diff(dim=-1) > 0
    return (rises[:, :-1] & ~rises[:, 1:]).sum(-1)


def test_the_square_has_two_lobes_below_the_root_of_three_and_is_never_a_gaussian():
    pair = PAIRS["square"]
    log_p, _ = log_posterior(pair, [0])
    assert (lobes(log_p) == torch.where(math.sqrt(3) > NOISE, 2, 1)).all()
    edge = torch.tensor([0.999, 1.001], dtype=torch.float64) * math.sqrt(3)
    assert lobes(log_posterior(pair, [0], edge)[0]).tolist() == [2, 1]
    best, _ = best_gaussian(pair, [0], "forward")
    assert (kl(log_p, on_grid(best)[0]) > 0.005).all()
    solution = solve(pair, "reverse")
    truth = solution.posteriors[3]
    product = torch.minimum(*(kl(q, truth) for q in on_grid(solution.product)))
    assert (product > kl(on_grid(solution.joint), truth) + 1e-5).all()


def test_the_reverse_optimum_settles_on_a_lobe_only_where_lobes_stand_apart():
    q, tied = best_gaussian(PAIRS["square"], [0], "reverse")
    lower, upper = q.mean[:, :, 0]
    assert (upper - lower > 1.5)[tied].all()
    assert tied[NOISE < 0.6].all()
    overlapping = (NOISE > 0.7) & (math.sqrt(3) > NOISE)  # still two lobes, and one Gaussian
    assert not tied[overlapping].any()
    assert (lower.abs() < 1e-6)[overlapping].all()


def test_sharp_readings_that_contradict_leave_the_product_where_neither_points():
    solution = solve(PAIRS["outliers"], "reverse")
    sharp = NOISE < 0.5
    middle = solution.product.mean[0, :, 0]
    joint = solution.posteriors[3]
    nearest = (GRID - middle.unsqueeze(-1)).abs().argmin(-1, keepdim=True)
    there = joint.gather(-1, nearest)[:, 0]
    assert (lobes(joint)[sharp] >= 2).all()
    assert (there < joint.amax(-1) - 1)[sharp].all()
    # and where they are blunt they hardly differ, so that the product is right
    assert kl(on_grid(solution.product)[0], joint)[NOISE > 1.8].max() < 1e-3


def bound(pair, given, weight=1.0):
    """E_q[λ Σ log p(x_i|z)] − KL(q‖p(z)) over both modalities, with q fitted to the given ones."""
    log_q = on_grid(best_gaussian(pair, given, "reverse")[0])[0]
    log_prior, _ = log_posterior(pair, [])
    log_p = sum(
        pair.log_likelihoods[i](torch.tensor(pair.observed[i]).double(), GRID, NOISE.unsqueeze(-1))
        for i in (0, 1)
    )
    return (log_q.exp() * (weight * log_p + log_prior - log_q)).sum(-1) * STEP


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("given", [[0], [1], [0, 1]])
def test_reconstructing_everything_bounds_the_evidence_of_everything(name, given):
    _, everything = log_posterior(PAIRS[name], [0, 1])
    assert (bound(PAIRS[name], given) <= everything + 1e-9).all()


def test_reconstructing_everything_does_not_bound_the_evidence_of_the_subset():
    pair = replace(PAIRS["linear"], observed=(1.2, 0.6))  # readings that agree
    _, alone = log_posterior(pair, [0])
    assert (bound(pair, [0]) > alone + 0.1)[NOISE < 0.3].all()


@pytest.mark.parametrize("weight", [0.5, 10.0])
def test_a_weighted_term_bounds_no_evidence(weight):
    pair = replace(PAIRS["linear"], observed=(1.2, 0.6))
    evidences = [log_posterior(pair, given)[1] for given in ([0], [0, 1])]
    assert (bound(pair, [0, 1], weight) > torch.maximum(*evidences) + 0.1).any()
