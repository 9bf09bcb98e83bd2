"""The algebra of Gaussians, held against quadrature and arithmetic of 60 digits."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from torch import Tensor

from mvae.distributions.conflict import conflict
from mvae.distributions.gaussian import Gaussian, divide_out_prior, product_of_experts

pytestmark = pytest.mark.usefixtures("float64")
DOUBLE = torch.float64


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


@st.composite
def gaussians(draw: st.DrawFn, n: int, size: int, spread: float, limit: float) -> Gaussian:
    """Draw n experts of one sample and ``size`` dimensions, ``(n, 1, size)``."""
    many = {"min_size": n * size, "max_size": n * size}
    means = draw(st.lists(numbers(-spread, spread), **many))
    logvars = draw(st.lists(numbers(-limit, limit), **many))
    mean, logvar = torch.tensor([means, logvars], dtype=DOUBLE).reshape(2, n, 1, size)
    return Gaussian(mean, logvar)


@st.composite
def experts_and_mask(
    draw: st.DrawFn, spread: float = 100.0, limit: float = 1000.0, size: int = 2
) -> tuple[Gaussian, Tensor]:
    n = draw(st.integers(1, 4))
    mask = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return draw(gaussians(n, size, spread, limit)), torch.tensor([mask])


def exact_product(experts: Gaussian, mask: Tensor) -> tuple[mpmath.mpf, mpmath.mpf, list]:
    """Give log-variance, mean and shares of a product in one dimension, to 60 digits."""
    with mpmath.workdps(60):
        there = mask[0].tolist()
        precisions = [mpmath.mpf(1)] + [
            mpmath.exp(-mpmath.mpf(v)) if here else mpmath.mpf(0)
            for v, here in zip(experts.logvar.flatten().tolist(), there, strict=True)
        ]
        total = mpmath.fsum(precisions)
        shares = [t / total for t in precisions]
        means = [0.0, *experts.mean.flatten().tolist()]
        mean = mpmath.fsum(s * mpmath.mpf(m) for s, m in zip(shares, means, strict=True))
        return -mpmath.log(total), mean, shares


@given(experts_and_mask())
def test_product_has_finite_values_and_gradients_for_any_mask(case):
    experts, mask = case
    mean, logvar = experts.mean.requires_grad_(), experts.logvar.requires_grad_()
    product = product_of_experts(Gaussian(mean, logvar), mask)
    outputs = (product.posterior.mean, product.posterior.logvar, product.shares)
    assert all(x.isfinite().all() for x in outputs)
    sum(x.square().sum() for x in outputs).backward()
    assert mean.grad.isfinite().all()
    assert logvar.grad.isfinite().all()
    torch.testing.assert_close(product.shares.sum(0), torch.ones(1, 2, dtype=DOUBLE))


@given(experts_and_mask(size=1))
def test_product_agrees_with_60_digits(case):
    experts, mask = case
    product = product_of_experts(experts, mask)
    logvar, mean, shares = exact_product(experts, mask)
    scale = max([abs(m) for m in experts.mean[mask[0]].flatten().tolist()], default=0.0)
    assert abs(product.posterior.logvar.item() - logvar) < 1e-12
    assert abs(product.posterior.mean.item() - mean) <= 1e-12 * scale
    for share, exact in zip(product.shares.flatten().tolist(), shares, strict=True):
        assert abs(share - exact) < 1e-12


def test_product_is_the_normalised_product_of_the_densities():
    experts = Gaussian(
        torch.tensor([[[1.5]], [[-2.0]], [[0.3]]]), torch.tensor([[[-1.0]], [[0.5]], [[-3.0]]])
    )
    for subset in ([0], [1, 2], [0, 1, 2]):
        mask = torch.tensor([[i in subset for i in range(3)]])
        q = product_of_experts(experts, mask).posterior[0]

        def density(z, power=0, subset=subset):
            log_p = -0.5 * z * z
            for i in subset:
                log_p -= 0.5 * (z - experts.mean[i].item()) ** 2 / experts.logvar[i].exp().item()
            return z**power * math.exp(log_p)

        norm, first, second = (
            integrate.quad(density, -12, 12, args=(p,), points=[-2, 0, 0.3, 1.5], epsabs=1e-13)[0]
            for p in range(3)
        )
        assert q.mean.item() == pytest.approx(first / norm, abs=1e-9)
        assert q.logvar.exp().item() == pytest.approx(second / norm - (first / norm) ** 2, abs=1e-9)
        z = torch.tensor([0.4])
        assert q.log_prob(z).item() == pytest.approx(math.log(density(0.4) / norm), abs=1e-9)


def test_all_subsets_at_once_equal_each_alone():
    torch.manual_seed(0)
    experts = Gaussian(torch.randn(3, 4, 2), 5 * torch.randn(3, 4, 2))
    masks = torch.rand(8, 4, 3) < 0.5
    together = product_of_experts(experts, masks)
    assert together.posterior.shape == (8, 4, 2)
    assert together.shares.shape == (8, 4, 4, 2)
    for s, mask in enumerate(masks):
        alone = product_of_experts(experts, mask)
        torch.testing.assert_close(together.posterior.mean[s], alone.posterior.mean)
        torch.testing.assert_close(together.posterior.logvar[s], alone.posterior.logvar)
        torch.testing.assert_close(together.shares[s], alone.shares)
        torch.testing.assert_close(
            conflict(experts, together)[s], conflict(experts, alone), rtol=1e-9, atol=1e-9
        )


def test_each_sample_of_a_batch_has_its_own_subset():
    experts = Gaussian(torch.tensor([2.0, -4.0]).reshape(2, 1, 1).expand(2, 2, 1), torch.zeros(1))
    experts = Gaussian(experts.mean, torch.zeros(2, 2, 1))
    product = product_of_experts(experts, torch.tensor([[True, False], [False, True]]))
    assert product.posterior.mean.flatten().tolist() == [1.0, -2.0]


@settings(max_examples=25)
@given(experts_and_mask())
def test_empty_subset_is_exactly_the_prior(case):
    experts, mask = case
    product = product_of_experts(experts, torch.zeros_like(mask))
    assert (product.posterior.mean == 0).all()
    assert (product.posterior.logvar == 0).all()
    assert (product.shares[0] == 1).all()
    assert (product.posterior.kl_to_prior() == 0).all()
    assert (conflict(experts, product) == 0).all()


@pytest.mark.parametrize("junk", [math.nan, math.inf, -math.inf])
def test_junk_in_missing_rows_reaches_neither_value_nor_gradient(junk):
    mean = torch.full((2, 2, 1), junk)
    mean[0] = 1.0
    logvar = torch.full((2, 2, 1), junk)
    logvar[0] = 0.0
    mean.requires_grad_()
    logvar.requires_grad_()
    experts = Gaussian(mean, logvar)
    product = product_of_experts(experts, torch.tensor([[True, False]]).expand(2, -1))
    gauge = conflict(experts, product)
    loss = product.posterior.mean.sum() + product.posterior.logvar.sum() + gauge.sum()
    (loss + product.posterior.kl_to_prior().sum()).backward()
    assert loss.isfinite()
    for grad in (mean.grad, logvar.grad):
        assert grad[0].isfinite().all()
        assert (grad[1] == 0).all()


@pytest.mark.parametrize(
    "mask",
    [torch.ones(2, 1, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 2)],
)
def test_product_refuses_a_mask_that_does_not_fit(mask):
    with pytest.raises(ValueError, match="present must be bool"):
        product_of_experts(Gaussian(torch.zeros(2, 1, 3), torch.zeros(2, 1, 3)), mask)


@pytest.mark.parametrize(("mean", "logvar"), [(0.0, 0.0), (1.5, -2.0), (-3.0, 1.2)])
def test_entropy_and_divergences_agree_with_quadrature(mean, logvar):
    q = Gaussian(torch.tensor([mean]), torch.tensor([logvar]))
    p = Gaussian(torch.tensor([-0.5]), torch.tensor([0.7]))

    def log(g, z):
        return g.log_prob(torch.tensor([z])).item()

    def expect(f):
        width = 12 * math.exp(logvar / 2)
        weighted = lambda z: math.exp(log(q, z)) * f(z)  # noqa: E731
        return integrate.quad(weighted, mean - width, mean + width, epsabs=1e-11, limit=200)[0]

    prior = Gaussian.standard((1,))
    assert expect(lambda _: 1.0) == pytest.approx(1.0, abs=1e-9)
    assert q.entropy().item() == pytest.approx(expect(lambda z: -log(q, z)), abs=1e-8)
    assert q.kl_to_prior().item() == pytest.approx(
        expect(lambda z: log(q, z) - log(prior, z)), abs=1e-8
    )
    assert q.kl(p).item() == pytest.approx(expect(lambda z: log(q, z) - log(p, z)), abs=1e-8)


def test_divergences_add_up_over_dimensions():
    torch.manual_seed(0)
    q, p = (Gaussian(torch.randn(4, 3), torch.randn(4, 3)) for _ in range(2))
    by_dimension = sum(q[:, d : d + 1].kl(p[:, d : d + 1]) for d in range(3))
    torch.testing.assert_close(q.kl(p), by_dimension)
    torch.testing.assert_close(q.information().sum(-1), q.kl_to_prior())
    torch.testing.assert_close(q.kl(Gaussian.standard((4, 3))), q.kl_to_prior())


def finite_with_gradient(value: Tensor, *leaves: Tensor) -> bool:
    grads = torch.autograd.grad(value.sum(), leaves, retain_graph=True, allow_unused=True)
    return all(x.isfinite().all() for x in (value, *(g for g in grads if g is not None)))


@given(experts_and_mask(spread=10.0), st.data())
def test_entropy_divergences_and_conflict_of_products_are_finite(case, data):
    experts, mask = case
    n = mask.shape[1]
    other = torch.tensor([data.draw(st.lists(st.booleans(), min_size=n, max_size=n))])
    leaves = experts.mean.requires_grad_(), experts.logvar.requires_grad_()
    product = product_of_experts(Gaussian(*leaves), mask)
    q, p = product.posterior, product_of_experts(Gaussian(*leaves), other).posterior
    for value in (q.entropy(), q.kl_to_prior(), q.kl(p), conflict(Gaussian(*leaves), product)):
        assert finite_with_gradient(value, *leaves)


@given(gaussians(2, 2, spread=10.0, limit=700.0))
def test_divergences_of_single_experts_are_finite(pair):
    leaves = pair.mean.requires_grad_(), pair.logvar.requires_grad_()
    q, p = Gaussian(leaves[0][0], leaves[1][0]), Gaussian(leaves[0][1], leaves[1][1])
    for value in (q.kl(p), q.kl_to_prior(), q.entropy()):
        assert finite_with_gradient(value, *leaves)


def test_divergence_beyond_the_largest_float_saturates():
    q = Gaussian(torch.tensor([100.0]), torch.tensor([-1000.0]))
    p = Gaussian(torch.tensor([-100.0]), torch.tensor([-1000.0]))
    assert q.kl(p).isfinite()


@given(experts_and_mask(spread=10.0, limit=25.0, size=1))
def test_conflict_agrees_with_60_digits(case):
    experts, mask = case
    gauge = conflict(experts, product_of_experts(experts, mask)).item()
    _, mean, _ = exact_product(experts, mask)
    with mpmath.workdps(60):
        exact = mean**2
        for i, here in enumerate(mask[0].tolist()):
            if here:
                distance = mpmath.mpf(experts.mean[i].item()) - mean
                exact += mpmath.exp(-mpmath.mpf(experts.logvar[i].item())) * distance**2
        assert abs(gauge - exact) <= 1e-9 * max(1, exact)


def test_conflict_says_how_much_smaller_the_normaliser_is_than_if_all_means_agreed():
    experts = Gaussian(torch.tensor([[[1.2]], [[-0.7]]]), torch.tensor([[[-0.5]], [[0.4]]]))

    def normaliser(shift):
        def density(z):
            square = z * z
            for i in range(2):
                mean = shift * experts.mean[i].item()
                square += (z - mean) ** 2 / experts.logvar[i].exp().item()
            return math.exp(-0.5 * square)

        return integrate.quad(density, -10, 10, epsabs=1e-13)[0]

    gauge = conflict(experts, product_of_experts(experts, torch.ones(1, 2, dtype=torch.bool)))
    assert gauge.item() == pytest.approx(-2 * math.log(normaliser(1) / normaliser(0)), abs=1e-9)


@pytest.mark.parametrize("logvar", [-50.0, -700.0, -800.0, -1000.0])
def test_conflict_of_one_sharp_expert_is_the_squared_distance_to_the_prior(logvar):
    experts = Gaussian(torch.tensor([[[3.0]]]), torch.tensor([[[logvar]]]))
    gauge = conflict(experts, product_of_experts(experts, torch.tensor([[True]])))
    assert gauge.item() == pytest.approx(9.0)


def test_samples_have_the_mean_and_width_of_the_gaussian_and_carry_gradients():
    mean, logvar = torch.tensor([1.0, -2.0]), torch.tensor([0.5, -3.0])
    leaves = mean.requires_grad_(), logvar.requires_grad_()
    z = Gaussian(*leaves).sample(200_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(z.mean(0), mean, atol=0.02, rtol=0)
    torch.testing.assert_close(z.var(0).log(), logvar, atol=0.02, rtol=0)
    d_mean, d_logvar = torch.autograd.grad(z.square().mean(0).sum(), leaves)
    # E z² = μ² + σ²
    torch.testing.assert_close(d_mean, 2 * mean, atol=0.02, rtol=0)
    torch.testing.assert_close(d_logvar, logvar.exp(), atol=0.03, rtol=0)


def test_dividing_the_prior_out_of_wide_gaussians_leaves_none():
    wide = Gaussian(torch.zeros(2), torch.tensor([0.8, -1.0]))
    assert divide_out_prior(wide, wide).mean.isnan().tolist() == [True, False]
    a = Gaussian(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.25]).log())
    prior = Gaussian.standard((2,))
    product = divide_out_prior(a, prior)
    torch.testing.assert_close(product.mean, a.mean)
    torch.testing.assert_close(product.logvar, a.logvar)
    squared = divide_out_prior(a, a)
    torch.testing.assert_close(squared.std.square(), torch.tensor([1 / 3, 1 / 7]))
    torch.testing.assert_close(squared.mean, torch.tensor([4 / 3, 0.0]))


def test_a_product_of_no_experts_is_the_prior():
    none = Gaussian(torch.zeros(0, 2, 3), torch.zeros(0, 2, 3))
    product = product_of_experts(none, torch.zeros(2, 0, dtype=torch.bool))
    assert (product.posterior.kl_to_prior() == 0).all()
    assert (product.shares == 1).all()
    assert product.shares.shape == (1, 2, 3)
    assert (conflict(none, product) == 0).all()
