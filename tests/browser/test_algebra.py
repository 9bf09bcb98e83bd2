"""JavaScript against torch and numpy: the stage's algebra, alone in a blank page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mvae.distributions.conflict import conflict, disagreement
from mvae.distributions.gaussian import Gaussian, product_of_experts
from tests.browser.javascript import Call, plain


def experts_of(kind: str, count: int, latents: int = 24) -> Gaussian:
    """Make experts, ordinary or with log-variances far out."""
    source = torch.Generator().manual_seed(count + 100 * latents)
    mean = 3 * torch.randn(count, latents, generator=source, dtype=torch.float64)
    logvar = 2 * torch.randn(count, latents, generator=source, dtype=torch.float64)
    extremes = {"ordinary": [], "far": [-50.0, 50.0], "farthest": [-700.0, 700.0, -50.0, 50.0]}
    for i, value in enumerate(extremes[kind]):
        for row in range(count):
            logvar[row, (i + row) :: 5] = value
    return Gaussian(mean, logvar)


ALGEBRA = """([experts, D]) => {
    const q = algebra.product(experts, D);
    const all = (x) => Array.from(x);
    return {
        mean: all(q.mean), logvar: all(q.logvar), shares: q.shares.map(all),
        information: all(algebra.information(q)),
        informations: experts.map((e) => all(algebra.information(e))),
        sharpness: algebra.sharpness(q), conflict: algebra.conflict(experts, q),
        disagreement: algebra.disagreement(experts),
    };
}"""


@pytest.mark.parametrize("kind", ["ordinary", "far", "farthest"])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_products_are_those_of_the_library(call: Call, kind: str, count: int) -> None:
    experts = experts_of(kind, count)
    latents = experts.shape[1]
    got = call(ALGEBRA, [[plain(experts[i]) for i in range(count)], latents])
    batch = Gaussian(experts.mean.unsqueeze(1), experts.logvar.unsqueeze(1))
    product = product_of_experts(batch, torch.ones(1, count, dtype=torch.bool))
    q = product.posterior[0]
    prior = Gaussian.standard((latents,), torch.float64)

    def close(a: Any, b: torch.Tensor) -> None:
        a, b = np.asarray(a, dtype=float), b.numpy()
        assert a.shape == b.shape
        assert np.isfinite(a).all()
        # relative where numbers are huge: e^700 has 304 digits
        assert (np.abs(a - b) <= 1e-6 * np.maximum(1, np.abs(b))).all()

    close(got["mean"], q.mean)
    close(got["logvar"], q.logvar)
    close(got["shares"], product.shares[:, 0])
    close(got["information"], q.information())
    close(got["sharpness"], prior.entropy() - q.entropy())
    close(got["conflict"], conflict(batch, product)[0])
    close(got["disagreement"], disagreement(batch, product.present).between_modalities[0])
    if count:
        close(got["informations"], experts.information())
    else:
        assert not any(got["mean"] + got["logvar"])
        assert got["shares"] == [[1.0] * latents]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_most_telling_comes_first(call: Call, count: int) -> None:
    experts = experts_of("ordinary", count)
    names = [f"expert {i}" for i in range(count)]
    given = {name: plain(experts[i]) for i, name in enumerate(names)}
    got = call(
        "([experts, names, D]) => algebra.mostInformative(experts, names, D)", [given, names, 24]
    )
    batch = Gaussian(experts.mean.unsqueeze(1), experts.logvar.unsqueeze(1))

    def entropy(chosen: list[str]) -> float:
        mask = torch.tensor([[name in chosen for name in names]])
        return product_of_experts(batch, mask).posterior.entropy().item()

    wanted: list[str] = []
    while len(wanted) < count:
        left = [name for name in names if name not in wanted]
        wanted.append(min(left, key=lambda name: entropy([*wanted, name])))
    assert got == wanted


def plane_in(latents: int, seed: int, oblique: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Make orthonormal axes of a plane ``(2, D)``, and a point beside it."""
    source = np.random.default_rng(seed)
    basis = np.linalg.qr(source.normal(size=(latents, latents)))[0].T
    axes = basis[:2] if oblique else np.eye(latents)[source.permutation(latents)[:2]]
    rest = source.normal(size=latents)
    return axes, rest - axes.T @ (axes @ rest)


def sliced(call: Call, q: Gaussian, axes: np.ndarray, rest: np.ndarray) -> tuple:
    found = call(
        "([q, axes, rest]) => algebra.slice(q, axes, rest)", [plain(q), *map(plain, (axes, rest))]
    )
    a, b, c = found["precision"]
    return np.array(found["mean"]), np.array([[a, b], [b, c]])


@pytest.mark.parametrize("oblique", [True, False])
@pytest.mark.parametrize("latents", [2, 3, 16, 64])
def test_a_slice_is_the_gaussian_given_that_the_latent_is_on_the_plane(
    call: Call, latents: int, oblique: bool
) -> None:
    axes, rest = plane_in(latents, 3 * latents, oblique)
    q = experts_of("ordinary", 1, latents)[0]
    mean, precision = sliced(call, q, axes, rest)
    # in coordinates of which the first two lie in the plane, given that the others are zero
    others = np.linalg.svd(axes)[2][2:]
    turn = np.vstack([axes, others])
    covariance = turn @ np.diag(q.logvar.exp().numpy()) @ turn.T
    centre = turn @ (q.mean.numpy() - rest)
    weights = covariance[:2, 2:] @ np.linalg.inv(covariance[2:, 2:])
    wanted = centre[:2] - weights @ centre[2:]
    spread = covariance[:2, :2] - weights @ covariance[2:, :2]
    assert np.abs(np.linalg.inv(precision) - spread).max() <= 1e-6 * np.abs(spread).max()
    assert np.abs(mean - wanted).max() <= 1e-6 * max(1, np.abs(wanted).max())


def test_slices_multiply_as_the_experts_do_and_projections_do_not(call: Call) -> None:
    axes, rest = plane_in(16, 5)
    experts = experts_of("ordinary", 3, 16)
    q = call(
        "(experts) => { const { mean, logvar } = algebra.product(experts, 16);"
        " return [Array.from(mean), Array.from(logvar)]; }",
        [plain(experts[i]) for i in range(3)],
    )
    product = Gaussian(*map(torch.tensor, q))
    factors = [Gaussian.standard((16,), torch.float64), *(experts[i] for i in range(3))]
    slices = [sliced(call, factor, axes, rest) for factor in factors]
    mean, precision = sliced(call, product, axes, rest)
    total = sum(p for _, p in slices)
    assert np.abs(total - precision).max() < 1e-6 * np.abs(total).max()
    assert np.linalg.solve(total, sum(p @ m for m, p in slices)) == pytest.approx(mean, abs=1e-6)

    def projection(gaussian: Gaussian) -> np.ndarray:
        return np.linalg.inv(axes @ np.diag(gaussian.logvar.exp().numpy()) @ axes.T)

    apart = sum(projection(factor) for factor in factors) - projection(product)
    assert np.abs(apart).max() > 0.1 * np.abs(total).max()


@pytest.mark.parametrize("ratio", [1.0, 1 + 1e-9, 1.001, 3.0, 100.0, 1e4])
def test_an_ellipse_has_the_axes_of_the_covariance(call: Call, ratio: float) -> None:
    for turn in (*np.linspace(-3, 3, 13), 0.0, np.pi / 4, np.pi / 2, -np.pi / 2):
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        covariance = rotation @ np.diag([(0.3 * ratio) ** 2, 0.3**2]) @ rotation.T
        p = rotation @ np.diag([(0.3 * ratio) ** -2, 0.3**-2]) @ rotation.T
        found = call("(precision) => algebra.ellipse({ precision })", [p[0, 0], p[0, 1], p[1, 1]])
        sizes, vectors = np.linalg.eigh(covariance)
        assert found["long"] == pytest.approx(np.sqrt(sizes[1]), rel=1e-6)
        assert found["short"] == pytest.approx(np.sqrt(sizes[0]), rel=1e-6)
        along = np.array([np.cos(found["angle"]), np.sin(found["angle"])])
        if ratio > 1.0001:
            assert abs(along @ vectors[:, 1]) == pytest.approx(1, abs=1e-9)
        across = np.array([-along[1], along[0]])
        again = found["long"] ** 2 * np.outer(along, along)
        again += found["short"] ** 2 * np.outer(across, across)
        assert np.abs(again - covariance).max() <= 1e-6 * np.abs(covariance).max()


def test_a_latent_is_its_place_on_the_plane_and_what_lies_beside_it(call: Call) -> None:
    axes, _ = plane_in(9, 2)
    z = np.random.default_rng(1).normal(size=9)
    found = call(
        """([z, axes]) => {
            const [at, rest] = [algebra.project(z, axes), algebra.beside(z, axes)];
            const back = algebra.lift(at, axes, rest);
            const moved = algebra.lift([1.5, -2], axes, rest);
            return [at, rest, algebra.project(rest, axes), back, algebra.project(moved, axes),
                algebra.beside(moved, axes)].map((x) => Array.from(x));
        }""",
        [z.tolist(), axes.tolist()],
    )
    at, rest, nothing, back, moved, still = map(np.array, found)
    assert at == pytest.approx(axes @ z, abs=1e-12)
    assert rest == pytest.approx(z - axes.T @ axes @ z, abs=1e-12)
    assert nothing == pytest.approx([0, 0], abs=1e-12)
    assert back == pytest.approx(z, abs=1e-12)
    assert moved == pytest.approx([1.5, -2], abs=1e-12)
    assert still == pytest.approx(rest, abs=1e-12)


def test_between_two_posteriors_and_densities(call: Call) -> None:
    a, b = experts_of("ordinary", 2)[0], experts_of("ordinary", 2)[1]
    for part in (0, 0.25, 1):
        found = call(
            """([a, b, part]) => {
                const q = algebra.between(a, b, part);
                return [Array.from(q.mean), Array.from(q.logvar)];
            }""",
            [plain(a), plain(b), part],
        )
        for got, x, y in zip(found, (a.mean, a.logvar), (b.mean, b.logvar), strict=True):
            assert got == pytest.approx(((1 - part) * x + part * y).tolist(), abs=1e-12)
    z = torch.linspace(-4, 4, 17, dtype=torch.float64)
    for mean, std in ((0.0, 1.0), (1.3, 0.02), (-2.0, 5.0)):
        normal = torch.distributions.Normal(*torch.tensor([mean, std], dtype=torch.float64))
        got = call("([z, m, s]) => z.map((x) => algebra.density(x, m, s))", [z.tolist(), mean, std])
        assert got == pytest.approx(normal.log_prob(z).exp().tolist(), rel=1e-9, abs=1e-12)
