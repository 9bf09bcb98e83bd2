"""Simulation-based calibration, against posteriors that are known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from torch.distributions import Independent, Normal

from mvae.distributions.gaussian import Gaussian
from mvae.distributions.mixture import Mixture
from mvae.evaluation.calibration import Calibration, calibrate, marginal_information, simulate
from mvae.modality import Modality
from mvae.models.base import LatentModel
from mvae.models.mvae import MVAE
from mvae.training.recipes import RECIPES
from tests.reference import seeded

pytestmark = pytest.mark.usefixtures("float64")

POINT = Modality(name="point", kind="vector", shape=(2,), likelihood="gaussian")


class Linear(LatentModel):
    """x = z + σε: its exact posterior is a Gaussian, here made too sharp or wide by a factor."""

    factor = 1.0
    sigma = 0.5

    def decode(self, z, name):
        assert name == "point"
        return Independent(Normal(z, self.sigma), 1)

    def posterior(self, batch):
        known = batch.present[:, :1]
        variance = 1 / (1 + 1 / self.sigma**2)
        mean = torch.where(known, batch.filled("point") * variance / self.sigma**2, 0.0)
        logvar = torch.where(known, math.log(variance * self.factor**2), 0.0)
        return Gaussian(mean, logvar.expand(mean.shape))


@pytest.mark.parametrize("supplied", [True, False])
def test_ranks_of_the_exact_posterior_are_uniform(supplied):
    ranks = calibrate(Linear([POINT], 2), torch.full((4000, 1), supplied), seeded()).ranks
    assert ranks.shape == (4000, 2)
    for d in range(2):
        assert stats.kstest(ranks[:, d].numpy(), "uniform").pvalue > 0.01


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_coverage_of_a_posterior_that_is_too_sharp_or_too_wide(factor, level):
    model = Linear([POINT], 2)
    model.factor = factor
    calibration = calibrate(model, torch.ones(20_000, 1, dtype=torch.bool), seeded())
    z = stats.norm.ppf(0.5 + level / 2) * factor
    expected = stats.norm.cdf(z) - stats.norm.cdf(-z)
    error = math.sqrt(expected * (1 - expected) / 20_000)
    assert (calibration.coverage(level) - expected).abs().max() < 4 * error
    ends, middle = calibration.histogram(10)[[0, 9]].sum(), calibration.histogram(10)[4:6].sum()
    assert (ends > middle) == (factor < 1)
    assert calibration.histogram(10).sum(0).tolist() == [20_000, 20_000]


def test_distribution_functions_are_those_of_scipy():
    source = seeded()
    draw = lambda *shape: torch.randn(*shape, generator=source)  # noqa: E731
    q, z = Gaussian(draw(3, 2), draw(3, 2)), draw(5, 3, 2)
    expected = stats.norm.cdf(z.numpy(), q.mean.numpy(), q.std.numpy())
    np.testing.assert_allclose(q.cdf(z), expected, atol=1e-12)

    parts = Gaussian(draw(2, 3, 2), draw(2, 3, 2))
    present = torch.tensor([[True, True], [False, True], [False, False]])
    mixed = Mixture(parts, present).cdf(z)
    each = stats.norm.cdf(z.numpy()[:, None], parts.mean.numpy(), parts.std.numpy())
    np.testing.assert_allclose(mixed[:, 0], each[:, :, 0].mean(1), atol=1e-12)
    np.testing.assert_allclose(mixed[:, 1], each[:, 1, 1], atol=1e-12)
    np.testing.assert_allclose(mixed[:, 2], stats.norm.cdf(z[:, 2].numpy()), atol=1e-12)


def test_simulated_data_are_repeatable_complete_and_leave_the_global_draws_alone(toys):
    model = MVAE(toys, 2)
    before = torch.random.get_rng_state()
    (z, batch), (again, other) = simulate(model, 50, seeded(3)), simulate(model, 50, seeded(3))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(z, again)
    assert batch.present.all()
    for m in toys:
        assert torch.equal(batch.values[m.name], other.values[m.name])
        assert batch.values[m.name].shape == (50, *m.event_shape)
    assert not torch.equal(z, simulate(model, 50, seeded(4))[0])


def test_a_subset_without_a_posterior_is_refused_in_the_models_words(toys):
    network = RECIPES["bivcca"].objective.network
    model = network(toys[:2], 2)
    names = [m.name for m in toys[:2]]
    assert calibrate(model, torch.tensor([[True, False]] * 5), seeded()).ranks.shape == (5, 2)
    sentence = model.cannot(names, names[0])
    with pytest.raises(ValueError, match="posterior") as refusal:
        calibrate(model, torch.ones(5, 2, dtype=torch.bool), seeded())
    assert str(refusal.value) == sentence


def test_ranks_at_the_very_ends_are_counted():
    ends = Calibration(torch.tensor([[0.0], [1.0], [0.5]]), torch.ones(1))
    assert ends.histogram(3).flatten().tolist() == [1, 1, 1]
    assert ends.coverage(1.0).item() == 1.0


def test_the_information_of_a_dimension_is_its_divergence_from_the_prior():
    mean, std = (
        torch.tensor([[0.0, 0.5, -1.0, 0.2, 0.0]]),
        torch.tensor([[1.0, 0.8, 0.5, 1.0, 1.3]]),
    )
    exact = (mean.square() + std.square() - 1) / 2 - std.log()
    torch.testing.assert_close(
        marginal_information(Gaussian(mean, 2 * std.log())), exact, atol=0.01, rtol=0.02
    )
    parts = Gaussian(torch.tensor([[[-0.8]], [[0.9]]]), torch.tensor([[[-1.0]], [[-0.5]]]))
    mixed = Mixture(parts, torch.ones(1, 2, dtype=torch.bool))

    def density(x):
        return sum(stats.norm.pdf(x, m, math.exp(v / 2)) for m, v in ((-0.8, -1), (0.9, -0.5))) / 2

    expected = quad(lambda x: density(x) * math.log(density(x) / stats.norm.pdf(x)), -8, 8)[0]
    assert marginal_information(mixed).item() == pytest.approx(expected, abs=5e-3)
    assert (
        marginal_information(Gaussian(torch.zeros(2, 3), torch.full((2, 3), -80.0)))
        .isfinite()
        .all()
    )


class HalfUsed(Linear):
    """Only the first latent is decoded, by a posterior twice too sharp; the other one is idle."""

    factor = 0.5

    def decode(self, z, name):
        return super().decode(torch.cat((z[..., :1], 0 * z[..., 1:]), -1), name)

    def posterior(self, batch):
        q = super().posterior(batch)
        idle = torch.tensor([False, True])
        return Gaussian(q.mean.masked_fill(idle, 0.0), q.logvar.masked_fill(idle, 0.0))


def test_idle_dimensions_do_not_dilute_the_coverage():
    found = calibrate(HalfUsed([POINT], 2), torch.ones(5000, 1, dtype=torch.bool), seeded())
    assert found.coverage(0.9)[1].item() == pytest.approx(0.9, abs=0.02)  # the prior is calibrated
    assert found.information[1] < 0.01
    assert found.used.ranks.shape == (5000, 1)
    expected = 2 * stats.norm.cdf(0.5 * stats.norm.ppf(0.95)) - 1
    assert found.used.coverage(0.9).item() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("correlation", [0.0, 0.7, 0.999])
def test_the_band_holds_bars_of_uniform_ranks_that_depend_on_one_another(correlation):
    n, d, bins = 500, 10, 20
    inside = []
    source = np.random.default_rng(0)
    for repeat in range(20):
        shared, own = source.standard_normal((n, 1)), source.standard_normal((n, d))
        u = stats.norm.cdf(correlation**0.5 * shared + (1 - correlation) ** 0.5 * own)
        found = Calibration(torch.from_numpy(u), torch.ones(d))
        low, high = found.uniform_band(bins, 0.9, 200, seeded(repeat))
        heights = found.histogram(bins).sum(1) * bins / (n * d)
        inside.append(((low <= heights) & (heights <= high)).double().mean().item())
    assert np.mean(inside) == pytest.approx(0.9, abs=0.05)
    if correlation != 0.7:  # independent ones, or ten times about the same
        alike = 10 if correlation else 1
        wide = stats.norm.ppf(0.95) * (alike * (bins - 1) / (n * d)) ** 0.5
        assert high - 1 == pytest.approx(wide, rel=0.15)


def test_no_dimensions_have_no_band():
    with pytest.raises(ValueError, match="keep at least one"):
        Calibration(torch.zeros(5, 0), torch.zeros(0)).uniform_band(4)
