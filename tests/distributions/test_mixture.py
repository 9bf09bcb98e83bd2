"""Mixtures of Gaussians, held against torch's and SciPy's, one sample at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from tests.reference import seeded

pytestmark = pytest.mark.usefixtures("float64")

#: Samples that mix all of three components, two, one, and none.
THERE = torch.tensor(
    [[True, True, True], [True, False, True], [False, True, False], [False, False, False]]
)


def components(seed: int = 0, k: int = 3, b: int = 4, d: int = 2) -> Gaussian:
    draw = torch.randn(2, k, b, d, generator=seeded(seed))
    return Gaussian(2 * draw[0], draw[1])


def reference(q: Mixture, b: int) -> MixtureSameFamily:
    """Give one sample's mixture of only what it mixes, or the prior."""
    mean, std = q.components.mean[:, b], (q.components.logvar[:, b] / 2).exp()
    there = q.present[b]
    if not there.any():
        mean, std, there = torch.zeros_like(mean), torch.ones_like(std), there[:1] | True
        mean, std = mean[:1], std[:1]
    return MixtureSameFamily(
        Categorical(torch.ones(int(there.sum()))), Independent(Normal(mean[there], std[there]), 1)
    )


def with_junk(q: Mixture, junk: float) -> Mixture:
    left_out = ~q.present.T.unsqueeze(-1)
    mean, logvar = (
        torch.where(left_out, junk, x) for x in (q.components.mean, q.components.logvar)
    )
    return Mixture(Gaussian(mean, logvar), q.present)


def test_moments_and_density_are_those_of_the_mixture_of_what_is_present():
    q = Mixture(components(), THERE)
    z = torch.randn(5, 4, 2, generator=seeded(1))
    assert q.shape == q.mean.shape == q.std.shape == (4, 2)
    assert q.log_prob(z).shape == (5, 4)
    for b in range(4):
        expected = reference(q, b)
        torch.testing.assert_close(q.mean[b], expected.mean)
        torch.testing.assert_close(q.std[b], expected.stddev)
        torch.testing.assert_close(q.log_prob(z)[:, b], expected.log_prob(z[:, b]))
    torch.testing.assert_close(q.log_prob(z[0]), q.log_prob(z)[0])


def test_density_agrees_with_scipy_and_integrates_to_one():
    q = Mixture(components(d=1), THERE)
    line = torch.linspace(-25, 25, 5001)
    density = q.log_prob(line[:, None, None].expand(-1, 4, 1)).exp()
    for b in range(3):
        mean, logvar = (x[THERE[b], b, 0].numpy() for x in (q.components.mean, q.components.logvar))
        each = stats.norm.pdf(line.numpy()[:, None], mean, np.exp(logvar / 2))
        np.testing.assert_allclose(density[:, b].numpy(), each.mean(1), atol=1e-12)
    torch.testing.assert_close(torch.trapezoid(density, line, dim=0), torch.ones(4))


def test_a_density_far_from_every_component_does_not_underflow():
    q = Mixture(Gaussian(torch.tensor([[[-3.0]], [[3.0]]]), torch.zeros(2, 1, 1)), THERE[:1, :2])
    assert q.log_prob(torch.tensor([[100.0]])).item() == pytest.approx(
        stats.norm.logpdf(100, 3, 1) - math.log(2)
    )


def test_without_components_it_is_the_prior():
    q = Mixture(components(), torch.zeros(4, 3, dtype=torch.bool))
    z = torch.randn(6, 4, 2, generator=seeded(1))
    assert (q.mean == 0).all()
    assert (q.std == 1).all()
    torch.testing.assert_close(q.log_prob(z), Normal(0, 1).log_prob(z).sum(-1))
    assert torch.equal(q.from_noise(z), z)


@pytest.mark.parametrize("junk", [math.nan, math.inf, -1e300])
def test_what_is_left_out_changes_neither_value_nor_gradient(junk):
    z, results = torch.randn(7, 4, 2, generator=seeded(1)), []
    for filling in (0.0, junk):
        q = with_junk(Mixture(components(), THERE), filling)
        leaves = q.components.mean.requires_grad_(), q.components.logvar.requires_grad_()
        values = (
            q.mean,
            q.std,
            q.log_prob(z),
            q.from_noise(z),
            q.sample(3, seeded()),
            q.sample(None, seeded()),
        )
        total = sum(value.square().sum() for value in values)
        results.append([*values, *torch.autograd.grad(total, leaves)])
    for clean, dirty in zip(*results, strict=True):
        assert clean.isfinite().all()
        assert torch.equal(clean, dirty)
    left_out = ~THERE.T
    for gradient in results[1][-2:]:
        assert (gradient[left_out] == 0).all()
        assert (gradient[~left_out] != 0).all()


def test_draws_take_every_component_present_equally_often():
    # Components so narrow and so far apart that a draw tells which one it came from.
    places = torch.tensor([10.0, 20.0, 30.0])
    narrow = Gaussian(places[:, None, None].expand(-1, 4, 1), torch.full((3, 4, 1), -8.0))
    z = Mixture(narrow, THERE).from_noise(torch.randn(12, 4, 1, generator=seeded()))
    counts = ((z.unsqueeze(-1) - places).abs() < 1).sum((0, 2))
    assert counts.tolist() == [[4, 4, 4], [6, 0, 6], [0, 12, 0], [0, 0, 0]]
    uneven = Mixture(narrow, THERE).from_noise(torch.randn(8, 4, 1, generator=seeded()))
    counts = ((uneven.unsqueeze(-1) - places).abs() < 1).sum((0, 2))
    assert sorted(counts[0].tolist()) == [2, 3, 3]
    assert counts[1].tolist() == [4, 0, 4]


def test_noise_is_scaled_and_shifted_by_the_component_it_meets():
    q = Mixture(components(), THERE)
    noise = torch.randn(6, 4, 2, generator=seeded(2))
    z, std = q.from_noise(noise), (q.components.logvar / 2).exp()
    for b in range(3):
        could_be = q.components.mean[:, b] + std[:, b] * noise[:, b].unsqueeze(1)  # (6, 3, 2)
        hits = (could_be - z[:, b].unsqueeze(1)).abs().amax(-1) < 1e-12
        assert (hits & THERE[b]).sum(1).tolist() == [1] * 6
    shared = q.from_noise(noise[:, :1])
    torch.testing.assert_close(shared, q.from_noise(noise[:, :1].expand(-1, 4, -1)))


@pytest.mark.parametrize("stratified", [True, False])
def test_samples_are_distributed_like_the_mixture(stratified):
    n, one = 20_000, Mixture(components(d=1), THERE)
    if stratified:
        z = one.sample(n, seeded())[..., 0].T
    else:
        many = Mixture(one.components[:, torch.arange(4).repeat(n)], THERE.repeat(n, 1))
        z = many.sample(generator=seeded())[:, 0].reshape(n, 4).T
    assert z.shape == (4, n)
    for b in range(4):
        mean, logvar = (
            x[THERE[b], b, 0].numpy() for x in (one.components.mean, one.components.logvar)
        )
        if not len(mean):
            mean, logvar = np.zeros(1), np.zeros(1)

        def cdf(x, mean=mean, logvar=logvar):
            return stats.norm.cdf(x[:, None], mean, np.exp(logvar / 2)).mean(1)

        assert stats.kstest(z[b].numpy(), cdf).pvalue > 0.001, b


def test_a_single_draw_picks_components_at_random_and_no_other_than_those_present():
    n = 6000
    places = torch.tensor([10.0, 20.0, 30.0])
    narrow = Gaussian(places[:, None, None].expand(-1, n, 1), torch.full((3, n, 1), -8.0))
    for there in THERE[:2]:
        z = Mixture(narrow, there.expand(n, -1)).sample(generator=seeded())
        counts = ((z - places).abs() < 1).sum(0)
        assert (counts[~there] == 0).all()
        assert counts.sum() == n
        assert stats.chisquare(counts[there].numpy()).pvalue > 0.001


def test_the_same_generator_gives_the_same_draws():
    q = Mixture(components(), THERE)
    for n in (None, 5):
        assert torch.equal(q.sample(n, seeded(1)), q.sample(n, seeded(1)))
        assert not torch.equal(q.sample(n, seeded(1)), q.sample(n, seeded(2)))


@pytest.mark.parametrize("index", [slice(1, 3), torch.tensor([3, 0, 0])])
def test_indexing_takes_samples(index):
    q = Mixture(components(), THERE)
    z = torch.randn(4, 2, generator=seeded(1))
    part = q[index]
    assert torch.equal(part.mean, q.mean[index])
    assert torch.equal(part.std, q.std[index])
    torch.testing.assert_close(part.log_prob(z[index]), q.log_prob(z)[index])


@pytest.mark.parametrize(
    ("default", "dtype"), [(torch.float32, torch.float64), (torch.float64, torch.float32)]
)
def test_results_are_of_the_components_type_whatever_the_default(default, dtype):
    source = components()
    torch.set_default_dtype(default)
    q = Mixture(Gaussian(source.mean.to(dtype), source.logvar.to(dtype)), THERE)
    z = torch.zeros(4, 2, dtype=dtype)
    for value in (q.mean, q.std, q.log_prob(z), q.from_noise(z[None]), q.sample(), q.sample(3)):
        assert value.dtype == dtype
        assert value.isfinite().all()
