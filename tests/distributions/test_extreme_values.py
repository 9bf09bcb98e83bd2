"""Gaussians and mixtures far out, |log σ²| ≤ 1000, held against mpmath with 1500 digits.

Every value and every gradient, in float32 and float64: finite, right to 1e-5 of the largest term of
its sum where it can be represented, of the right sign and huge where it is too large.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mpmath
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import mpf
from torch import Tensor

from mvae.distributions.conflict import conflict
from mvae.distributions.gaussian import Gaussian, divide_out_prior, product_of_experts
from mvae.distributions.mixture import Mixture

pytestmark = pytest.mark.slow

DIGITS = 1500
#: Step of a central difference, whose error is of the order of its square.
STEP = mpf(10) ** -600
TYPES = [torch.float32, torch.float64]

#: The terms of the sum that is the answer, from the same numbers as the tensors hold.
Terms = Callable[[list[mpf]], list[mpf]]

means = st.one_of(
    st.floats(-100, 100, width=32, allow_subnormal=False), st.sampled_from([0.0, 1.0, 1.0, -3.0])
)
logvars = st.one_of(
    st.floats(-1000, 1000, width=32, allow_subnormal=False),
    st.floats(-100, 100, width=32, allow_subnormal=False),
    st.floats(-3, 3, width=32, allow_subnormal=False),
    st.sampled_from([0.0, -89.0, 89.0, -1000.0, 1000.0]),
)


def few(numbers: st.SearchStrategy[float], n: int) -> st.SearchStrategy[list[float]]:
    return st.lists(numbers, min_size=n, max_size=n)


def agrees(got: float, terms: Sequence[mpf], dtype: torch.dtype, floor: float = 0.0) -> None:
    exact = mpmath.fsum(terms)
    largest, least = torch.finfo(dtype).max, torch.finfo(dtype).tiny
    assert abs(got) <= largest, (got, mpmath.nstr(exact, 8))  # not NaN either
    if any(t > largest for t in terms) and any(t < -largest for t in terms):
        return  # what saturates at either end has a finite sum, and no more can be said
    if abs(exact) > largest:
        assert got * mpmath.sign(exact) >= largest / 100, (got, mpmath.nstr(exact, 8))
        return
    scale = max([floor, *(min(abs(t), largest) for t in terms)])
    assert abs(mpf(got) - exact) <= 1e-5 * scale + least, (got, mpmath.nstr(exact, 8))


def check(
    answer: Callable[..., Tensor],
    terms: Terms,
    numbers: list[float],
    dtype: torch.dtype,
    floor: float = 0.0,
) -> None:
    """Hold a scalar answer and its gradient in each of the numbers against mpmath's."""
    leaves = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in numbers]
    value = answer(*leaves)
    assert value.dtype == dtype
    slopes = torch.autograd.grad(value, leaves, allow_unused=True)
    with mpmath.workdps(DIGITS):
        exact = [mpf(x.item()) for x in leaves]
        agrees(value.item(), terms(exact), dtype)
        for i, slope in enumerate(slopes):
            up, down = (terms([*exact[:i], exact[i] + h, *exact[i + 1 :]]) for h in (STEP, -STEP))
            wanted = [(a - b) / (2 * STEP) for a, b in zip(up, down, strict=True)]
            agrees(0.0 if slope is None else slope.item(), wanted, dtype, floor)


def one(mean: Tensor, logvar: Tensor) -> Gaussian:
    return Gaussian(mean.reshape(1), logvar.reshape(1))


def two(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Gaussian:
    """Two dimensions, so that what is summed over them is, too."""
    return Gaussian(torch.stack([a, b]), torch.stack([c, d]))


def excess(v: mpf) -> mpf:
    return (mpmath.expm1(v) - v) / 2


def log_normal(x: mpf, v: mpf) -> list[mpf]:
    return [-mpmath.log(2 * mpmath.pi) / 2, -v / 2, -x * x * mpmath.exp(-v) / 2]


def normal_cdf(x: mpf, v: mpf) -> mpf:
    """Φ to 50 digits; the function itself would take minutes to 1500."""
    d = x * mpmath.exp(-v / 2)
    return mpmath.ncdf(d) if abs(d) < 1e4 else mpf(d > 0)


CASES = {
    "std": (lambda m, v: one(m, v).std[0], lambda x: [mpmath.exp(x[1] / 2)], "mv"),
    "at": (
        lambda m, v, e: one(m, v).from_noise(e)[0],
        lambda x: [x[0], x[2] * mpmath.exp(x[1] / 2)],
        "mvm",
    ),
    "log_prob": (
        lambda a, b, c, d, y, z: two(a, b, c, d).log_prob(torch.stack([y, z])),
        lambda x: log_normal(x[4] - x[0], x[2]) + log_normal(x[5] - x[1], x[3]),
        "mmvvmm",
    ),
    "entropy": (
        lambda a, b, c, d: two(a, b, c, d).entropy(),
        lambda x: [1 + mpmath.log(2 * mpmath.pi), x[2] / 2, x[3] / 2],
        "mmvv",
    ),
    "information": (
        lambda m, v: one(m, v).information()[0],
        lambda x: [excess(x[1]) + x[0] ** 2 / 2],
        "mv",
    ),
    "kl_to_prior": (
        lambda a, b, c, d: two(a, b, c, d).kl_to_prior(),
        lambda x: [excess(x[2]) + excess(x[3]) + (x[0] ** 2 + x[1] ** 2) / 2],
        "mmvv",
    ),
    "kl": (
        lambda a, b, c, d, m, v: two(a, b, c, d).kl(one(m, v)),
        lambda x: [
            t
            for i in (0, 1)
            for t in (excess(x[2 + i] - x[5]), (x[i] - x[4]) ** 2 * mpmath.exp(-x[5]) / 2)
        ],
        "mmvvmv",
    ),
}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("name", CASES)
@settings(max_examples=20)
@given(data=st.data())
def test_a_method_of_a_gaussian_is_right_and_so_is_its_gradient(name, dtype, data):
    answer, terms, kinds = CASES[name]
    numbers = [data.draw({"m": means, "v": logvars}[kind]) for kind in kinds]
    check(answer, terms, numbers, dtype)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@settings(max_examples=20)
@given(mean=means, logvar=logvars, z=means)
@example(mean=0.0, logvar=-200.0, z=0.0)
@example(mean=5.0, logvar=0.0, z=-10.0)
def test_a_distribution_function_is_right_and_so_is_its_gradient(dtype, mean, logvar, z):
    leaves = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (mean, logvar, z)]
    below = one(leaves[0], leaves[1]).cdf(leaves[2])
    slopes = torch.autograd.grad(below.sum(), leaves)
    with mpmath.workdps(60):
        m, v, x = (mpf(leaf.item()) for leaf in leaves)
        d = (x - m) * mpmath.exp(-v / 2)
        phi = mpmath.exp(-d * d / 2) / mpmath.sqrt(2 * mpmath.pi)
        agrees(below.item(), [normal_cdf(x - m, v)], dtype)
        steep = phi * mpmath.exp(-v / 2)
        for slope, exact in zip(slopes, (-steep, -d * phi / 2, steep), strict=True):
            agrees(slope.item(), [exact], dtype)


def product(x: list[mpf], n: int) -> tuple[list[mpf], list[mpf], mpf]:
    """Give means and precisions of the prior and n experts, and the whole precision."""
    precisions = [mpf(1)] + [mpmath.exp(-v) for v in x[n:]]
    return [mpf(0), *x[:n]], precisions, mpmath.fsum(precisions)


def experts_of(leaves: Sequence[Tensor]) -> tuple[Gaussian, Tensor]:
    n = len(leaves) // 2
    mean, logvar = (torch.stack(list(part)).reshape(n, 1, 1) for part in (leaves[:n], leaves[n:]))
    return Gaussian(mean, logvar), torch.ones(1, n, dtype=torch.bool)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@settings(max_examples=20)
@given(st.integers(1, 3).flatmap(lambda n: st.tuples(few(means, n), few(logvars, n))))
@example(([0.0], [30.0]))
def test_a_product_and_its_conflict_are_right_and_so_are_their_gradients(dtype, case):
    n, numbers = len(case[0]), [*case[0], *case[1]]

    def mean_terms(x: list[mpf]) -> list[mpf]:
        mean, precisions, total = product(x, n)
        return [t * m / total for t, m in zip(precisions, mean, strict=True)]

    def conflict_terms(x: list[mpf]) -> list[mpf]:
        mean, precisions, total = product(x, n)
        middle = mpmath.fdot(precisions, mean) / total
        return [mpmath.fsum(t * (m - middle) ** 2 for t, m in zip(precisions, mean, strict=True))]

    def of(part: Callable[[Gaussian, Tensor], Tensor]) -> Callable[..., Tensor]:
        return lambda *leaves: part(*experts_of(leaves)).sum()

    check(of(lambda e, p: product_of_experts(e, p).posterior.mean), mean_terms, numbers, dtype)
    check(
        of(lambda e, p: product_of_experts(e, p).posterior.logvar),
        lambda x: [-mpmath.log(product(x, n)[2])],
        numbers,
        dtype,
    )
    for i in range(n + 1):
        check(
            of(lambda e, p, i=i: product_of_experts(e, p).shares[i]),
            lambda x, i=i: [product(x, n)[1][i] / product(x, n)[2]],
            numbers,
            dtype,
            floor=0.01,  # a share's slope is s − s²
        )
    check(of(lambda e, p: conflict(e, product_of_experts(e, p))), conflict_terms, numbers, dtype)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@settings(max_examples=20)
@given(few(means, 2), few(logvars, 2))
@example([-0.365, 0.343], [-89.0, -89.0])
@example([1.0, 2.0], [0.0, 1000.0])  # the prior itself, times something wider
@example([1.0, 2.0], [-1e-9, 0.0])
def test_dividing_the_prior_out_is_right_and_so_is_its_gradient(dtype, mean, logvar):
    def total(x: list[mpf]) -> mpf:
        return mpmath.exp(-x[2]) + mpmath.exp(-x[3]) - 1

    def quotient(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Gaussian:
        return divide_out_prior(one(a, c), one(b, d))

    numbers = [*mean, *logvar]
    with mpmath.workdps(DIGITS):
        exists = total([mpf(torch.tensor(x, dtype=dtype).item()) for x in numbers]) > 0
    if not exists:
        q = quotient(*(torch.tensor(x, dtype=dtype) for x in numbers))
        assert q.mean.isnan()
        assert q.logvar.isnan()
        return
    check(
        lambda *leaves: quotient(*leaves).mean[0],
        lambda x: [mpmath.exp(-x[2 + i]) * x[i] / total(x) for i in (0, 1)],
        numbers,
        dtype,
    )
    check(
        lambda *leaves: quotient(*leaves).logvar[0],
        lambda x: [-mpmath.log(total(x))],
        numbers,
        dtype,
    )


def mixed(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Mixture:
    """One sample and one dimension; a third component is left out and holds junk."""
    junk = torch.full_like(a, torch.nan)
    mean, logvar = (torch.stack(x).reshape(3, 1, 1) for x in ([a, b, junk], [c, d, junk]))
    return Mixture(Gaussian(mean, logvar), torch.tensor([[True, True, False]]))


def spread(x: list[mpf]) -> list[mpf]:
    second = mpmath.fsum(mpmath.exp(v) for v in x[2:]) / 2
    return [mpmath.sqrt(second + (x[0] - x[1]) ** 2 / 4)]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@settings(max_examples=20)
@given(few(means, 2), few(logvars, 2))
def test_the_moments_of_a_mixture_are_right_and_so_are_their_gradients(dtype, mean, logvar):
    numbers = [*mean, *logvar]
    check(lambda *x: mixed(*x).std.sum(), spread, numbers, dtype)
    check(lambda *x: mixed(*x).mean.sum(), lambda x: [x[0] / 2, x[1] / 2], numbers, dtype)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@settings(max_examples=20)
@given(few(means, 2), few(logvars, 2), means)
def test_what_a_mixture_says_of_a_point_is_right(dtype, mean, logvar, z):
    leaves = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (*mean, *logvar)]
    at = torch.full((1, 1), z, dtype=dtype)
    q = mixed(*leaves)
    density, below = q.log_prob(at), q.cdf(at)
    draws = q.from_noise(at.expand(4, 1, 1))
    for value in (density, below, draws):
        for slope in torch.autograd.grad(value.sum(), leaves, retain_graph=True):
            assert slope.isfinite()
    with mpmath.workdps(DIGITS):
        m, n, v, w = (mpf(x.item()) for x in leaves)
        point = mpf(at.item())
        each = [log_normal(point - m, v), log_normal(point - n, w)]
        apart = [mpmath.fsum(terms) for terms in each]
        most = max(apart)
        exact = most + mpmath.log(mpmath.fsum(mpmath.exp(x - most) for x in apart) / 2)
        terms = each[apart.index(most)]
        agrees(density.item(), [exact - mpmath.fsum(terms), *terms], dtype)
        # each draw's component: they take turns
        for got, (mu, lv) in zip(draws.flatten().tolist(), [(m, v), (n, w)] * 2, strict=True):
            agrees(got, [mu, point * mpmath.exp(lv / 2)], dtype)
    with mpmath.workdps(60):
        agrees(below.item(), [normal_cdf(point - m, v) / 2, normal_cdf(point - n, w) / 2], dtype)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@settings(max_examples=20)
@given(few(means, 2), few(st.floats(-40, 40, width=32), 2), few(means, 1))
def test_the_gradient_of_a_mixtures_log_density_is_right(dtype, mean, logvar, z):
    def terms(x: list[mpf]) -> list[mpf]:
        each = [mpmath.fsum(log_normal(x[4] - x[i], x[2 + i])) for i in (0, 1)]
        most = max(each)
        return [most + mpmath.log(mpmath.fsum(mpmath.exp(t - most) for t in each) / 2)]

    def answer(a: Tensor, b: Tensor, c: Tensor, d: Tensor, x: Tensor) -> Tensor:
        return mixed(a, b, c, d).log_prob(x.reshape(1, 1)).sum()

    check(answer, terms, [*mean, *logvar, *z], dtype, floor=1.0)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_many_draws_and_subsets_at_once_stay_finite(dtype):
    """Gradients that saturate are added up over draws and subsets, and end finite."""
    source = torch.Generator().manual_seed(0)
    mean = torch.randn(3, 4, 2, generator=source, dtype=dtype).requires_grad_()
    logvar = (600 * torch.randn(3, 4, 2, generator=source, dtype=dtype)).clamp(-1000, 1000)
    logvar.requires_grad_()
    experts = Gaussian(mean, logvar)
    masks = torch.rand(6, 4, 3, generator=source) < 0.6
    together = product_of_experts(experts, masks)
    q = experts[0]
    z = 5 * torch.randn(50, 4, 2, generator=source, dtype=dtype)
    mixture = Mixture(experts, masks[0])
    for value in (
        *(q.sample(20, source), q.log_prob(z), q.cdf(z), q.kl(experts[1]), q.std),
        *(together.posterior.kl_to_prior(), together.posterior.kl(q), together.posterior.std),
        *(conflict(experts, together), experts.kl(experts[:1]), experts.entropy()),
        *(mixture.sample(20, source), mixture.sample(None, source), mixture.std),
        *(mixture.log_prob(z), mixture.cdf(z)),
    ):
        assert value.isfinite().all()
        for slope in torch.autograd.grad(
            value.double().mean(), (mean, logvar), allow_unused=True, retain_graph=True
        ):
            assert slope is None or slope.isfinite().all()


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_gradients_named_by_users_are_finite(dtype):
    mean = torch.tensor([-0.365, 0.343], dtype=dtype).reshape(2, 1, 1).requires_grad_()
    logvar = torch.tensor([-89.05, -98.86], dtype=dtype).reshape(2, 1, 1).requires_grad_()
    experts = Gaussian(mean, logvar)
    gauge = conflict(experts, product_of_experts(experts, torch.ones(1, 2, dtype=torch.bool)))
    for slope in torch.autograd.grad(gauge.sum(), (mean, logvar)):
        assert slope.isfinite().all()
        assert slope.abs().max() > 1e38 if dtype == torch.float32 else slope.abs().max() > 1e37
