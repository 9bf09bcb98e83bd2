"""The two terms of conflict: what modalities say against each other, and against the prior."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from mvae.distributions.conflict import conflict, disagreement
from mvae.distributions.gaussian import Gaussian, product_of_experts

number = st.floats(-3, 3)
expert = st.tuples(number, st.floats(-2, 2))


def batch_of(pairs) -> tuple[Gaussian, torch.Tensor]:
    columns = torch.tensor(pairs, dtype=torch.float64).reshape(-1, 2, 1, 1)
    return Gaussian(columns[:, 0], columns[:, 1]), torch.ones(1, len(pairs), dtype=torch.bool)


def pdf(z: float, mean: float, logvar: float) -> float:
    """Compute the density of N(mean, exp(logvar)); SciPy's takes a hundred times as long."""
    return math.exp(-0.5 * ((z - mean) ** 2 * math.exp(-logvar) + logvar + math.log(2 * math.pi)))


def normaliser(pairs, prior: bool) -> float:
    """Integrate a product of normal densities."""

    def density(z: float) -> float:
        factors = [*pairs, (0.0, 0.0)] if prior else pairs
        return math.prod(pdf(z, mean, logvar) for mean, logvar in factors)

    return quad(density, -12, 12, epsabs=0, epsrel=1e-10, limit=400)[0]


@given(st.lists(expert, min_size=2, max_size=3))
def test_both_terms_are_how_much_smaller_normalisers_are_than_if_means_agreed(pairs):
    found = disagreement(*batch_of(pairs))
    same = [(0.0, logvar) for _, logvar in pairs]
    among = -2 * math.log(normaliser(pairs, False) / normaliser(same, False))
    both = -2 * math.log(normaliser(pairs, True) / normaliser(same, True))
    assert found.between_modalities.item() == pytest.approx(among, rel=1e-6, abs=1e-7)
    assert found.from_prior.item() == pytest.approx(both - among, rel=1e-6, abs=1e-7)


@given(st.lists(expert, min_size=1, max_size=4), st.data())
def test_they_add_up_to_the_conflict_of_any_subset(pairs, data):
    experts, _ = batch_of(pairs)
    choice = data.draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    present = torch.tensor([[choice], [[True] * len(pairs)]])  # two subsets at once
    found = disagreement(experts, present)
    whole = conflict(experts, product_of_experts(experts, present))
    torch.testing.assert_close(
        found.between_modalities + found.from_prior, whole, rtol=1e-9, atol=1e-12
    )
    if sum(choice) < 2:
        assert found.between_modalities[0, 0] == 0


def test_what_is_missing_counts_for_nothing():
    experts, _ = batch_of([(1.0, 0.0), (math.nan, math.nan), (2.0, 0.0)])
    found = disagreement(experts, torch.tensor([[True, False, True]]))
    assert found.between_modalities.item() == pytest.approx(0.5)
    assert found.from_prior.item() == pytest.approx(1.5)
    nothing = disagreement(experts, torch.zeros(1, 3, dtype=torch.bool))
    assert (nothing.between_modalities.item(), nothing.from_prior.item()) == (0.0, 0.0)


def test_agreement_far_from_the_prior_is_no_disagreement_of_the_modalities():
    found = disagreement(*batch_of([(5.0, -4.0), (5.0, -2.0)]))
    assert found.between_modalities.item() == 0
    assert found.from_prior.item() > 20


@given(st.lists(st.tuples(number, st.floats(-900, 900)), min_size=1, max_size=3))
def test_however_wide_or_narrow_both_terms_are_finite(pairs):
    experts, present = batch_of(pairs)
    found = disagreement(Gaussian(experts.mean.float(), experts.logvar.float()), present)
    assert found.between_modalities.isfinite().all()
    assert found.from_prior.isfinite().all()
