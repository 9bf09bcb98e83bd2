"""Exact posteriors, held against uniform grids in float64, Monte Carlo and hand-made densities."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from mvae.batch import Batch
from mvae.checkpoint import load_model, load_samples
from mvae.distributions.gaussian import Gaussian
from mvae.evaluation.conditioning_sets import subsets_of
from mvae.evaluation.exact_posterior import ExactInference, has_exact_posterior
from mvae.evaluation.product_check import compare_products
from mvae.models.base import MultimodalModel
from mvae.models.mvae import MVAE
from mvae.models.objectives import elbo

pytestmark = pytest.mark.slow


class Bundled:
    """A bundled model in float32, its examples, and the same model in float64 for references."""

    def __init__(self, dataset: str) -> None:
        self.model = load_model(dataset, "mvae-2d")[0]
        self.double = load_model(dataset, "mvae-2d")[0].double()
        self.samples = load_samples(dataset, self.model.modalities)
        self.exact = ExactInference(self.model)

    def sample(self, index: int) -> Batch:
        return self.samples[slice(index, index + 1)]


@pytest.fixture(scope="module")
def mnist() -> Bundled:
    return Bundled("mnist")


@pytest.fixture(scope="module")
def quadrants() -> Bundled:
    return Bundled("quadrants")


def log_joint(model: MultimodalModel, batch: Batch, z: Tensor) -> Tensor:
    """Log p(x_S, z) by the model's own distributions, ``(..., 2)`` to ``(...)``."""
    total = -0.5 * z.square().sum(-1) - math.log(2 * math.pi)
    for i, m in enumerate(model.modalities):
        if batch.present[0, i]:
            total = total + model.decode(z, m.name).log_prob(batch.values[m.name].to(z.dtype))
    return total


def uniform(centre: tuple[float, float], half: float, spacing: float) -> Tensor:
    line = torch.arange(-half, half + spacing / 2, spacing, dtype=torch.float64)
    return torch.stack(
        torch.meshgrid(line + centre[0], line + centre[1], indexing="xy"), -1
    )  # (n, n, 2), rows are the second latent


# Ten inputs, of one piece of evidence to three; with one mode and with five, and some whose q lies
# aside. None is so sharp that a uniform grid over the whole plane would be out of reach.
INPUTS = [
    (6, ["label"]),
    (21, ["label"]),
    (51, ["top left"]),
    (132, ["top left"]),
    (162, ["top right"]),
    (129, ["top left", "label"]),
    (162, ["top right", "label"]),
    (48, ["top left", "top right"]),
    (192, ["top left", "top right"]),
    (192, ["top left", "top right", "label"]),
]
NAMES = ("top left", "top right", "label")
EXTENT, SPACING = 5.5, 0.025


@pytest.fixture(scope="module")
def plane(quadrants: Bundled) -> tuple[Tensor, Tensor]:
    """Give a uniform grid over the plane, and log p(x_S, z) on it of the ten inputs, in float64.

    A part of the grid is decoded once for all the inputs.
    """
    grid = uniform((0.0, 0.0), EXTENT, SPACING)
    samples = [quadrants.sample(index).supply(evidence) for index, evidence in INPUTS]
    tiles = {
        name: torch.stack([s.values[name].flatten().double() for s in samples])
        for name in ("top left", "top right")
    }
    labels = torch.cat([s.values["label"] for s in samples])
    there = {name: torch.tensor([name in evidence for _, evidence in INPUTS]) for name in NAMES}
    totals = []
    with torch.no_grad():
        for z in grid.reshape(-1, 2).split(1024):
            total = (-0.5 * z.square().sum(-1) - math.log(2 * math.pi))[:, None].repeat(1, 10)
            for name, x in tiles.items():
                logits = quadrants.double.decode(z, name).base_dist.logits.flatten(1)
                total += (logits @ x.T + logsigmoid(-logits).sum(-1, True)) * there[name]
            total += quadrants.double.decode(z, "label").logits[:, labels] * there["label"]
            totals.append(total)
    log_p = torch.cat(totals).T.reshape(10, *grid.shape[:2])
    for case, sample in enumerate(samples):  # that was the model's likelihood
        row = log_joint(quadrants.double, sample, grid[200]).detach()
        torch.testing.assert_close(log_p[case, 200], row)
    return grid, log_p


@pytest.mark.parametrize("case", range(len(INPUTS)))
def test_evidence_and_gap_agree_with_a_uniform_grid_over_the_plane(quadrants, plane, case):
    index, evidence = INPUTS[case]
    z, log_p = plane[0], plane[1][case]
    area = 2 * math.log(SPACING)
    evidence_there = log_p.logsumexp((0, 1)) + area
    # A spacing of at most a third of the narrowest width: the peak bends by at most 1/9 nat.
    row, column = divmod(int(log_p.argmax()), len(log_p))
    peak = log_p[row - 1 : row + 2, column - 1 : column + 2]
    assert max(peak[1].diff(n=2).abs().item(), peak[:, 1].diff(n=2).abs().item()) < 1 / 9
    # Were the grid twice as coarse, nothing would change; nor would it, were it larger: beyond
    # ±5.5 the prior has 8e-8 of its mass, and no likelihood seen makes more than 1e-3 of that.
    coarser = log_p[::2, ::2].logsumexp((0, 1)) + area + math.log(4)
    assert abs(coarser - evidence_there) < 1e-3
    log_likelihood = log_p + 0.5 * z.square().sum(-1) + math.log(2 * math.pi)
    assert 8e-8 * (log_likelihood.max() - evidence_there).exp() < 1e-3

    sample = quadrants.sample(index)
    exact = quadrants.exact(sample, evidence)
    assert exact.log_evidence == pytest.approx(evidence_there.item(), abs=0.01)

    # KL(q‖p) = log p(x_S) − ELBO, the one from the grid, the other by Monte Carlo.
    torch.manual_seed(0)
    many = sample[torch.zeros(4000, dtype=torch.long)].supply(evidence)
    with torch.no_grad():
        bounds = elbo(quadrants.model, many).double()
    tolerance = 5 * bounds.std().item() / math.sqrt(len(bounds)) + 0.01
    assert exact.kl_from(exact.q) == pytest.approx(
        (evidence_there - bounds.mean()).item(), abs=tolerance
    )

    # And KL(p‖q), with the moments of p, from the grid.
    p = (log_p + area - evidence_there).exp()
    other = (p * (log_p - evidence_there - exact.q.log_prob(z))).sum().item()
    assert exact.kl_to(exact.q) == pytest.approx(other, abs=0.02 + 0.01 * other)
    mean = (p.unsqueeze(-1) * z).sum((0, 1))
    variance = (p.unsqueeze(-1) * (z - mean).square()).sum((0, 1))
    entropy = -(p * (log_p - evidence_there)).sum().item()
    assert exact.entropy() == pytest.approx(entropy, abs=0.02)
    torch.testing.assert_close(exact.moments().mean, mean, atol=5e-3, rtol=0)
    torch.testing.assert_close(exact.moments().std, variance.sqrt(), atol=2e-3, rtol=0.01)


def test_an_images_posterior_is_a_point_and_is_resolved(mnist):
    sample = mnist.sample(31)
    exact = mnist.exact(sample, ["image"])
    batch = sample.supply(["image"])
    with torch.no_grad():
        whole = uniform((0.0, 0.0), 5.5, 0.06)
        far = log_joint(mnist.double, batch, whole)
        # A window around all that comes within 12 nats of the best.
        seen = whole[far > far.max() - 14]
        low, high = seen.min(0).values - 0.1, seen.max(0).values + 0.1
        first = torch.arange(low[0], high[0], 0.006, dtype=torch.float64)
        second = torch.arange(low[1], high[1], 0.02, dtype=torch.float64)
        window = torch.stack(torch.meshgrid(first, second, indexing="xy"), -1)
        near = torch.cat([log_joint(mnist.double, batch, z) for z in window.split(16)])
    assert exact.moments().std.min() < 0.03
    reference = near.logsumexp((0, 1)) + math.log(0.006 * 0.02)
    assert exact.log_evidence == pytest.approx(reference.item(), abs=0.01)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("seed", range(4))
def test_random_models_agree_with_a_uniform_grid_for_every_subset(toy_model, toy_batch, toys, seed):
    image, label, _, colour = toys
    model: MVAE = toy_model(image, label, colour, scale=2.5, seed=seed)
    inference, sample = ExactInference(model), toy_batch(image, label, colour, n=1, seed=seed)
    z = uniform((0.0, 0.0), 7.0, 0.04)
    area = 2 * math.log(0.04)
    for subset in subsets_of(sample.names):
        exact = inference(sample, subset)
        with torch.no_grad():
            log_p = log_joint(model, sample.supply(subset), z)
        evidence = log_p.logsumexp((0, 1)) + area
        assert exact.log_evidence == pytest.approx(evidence.item(), abs=0.01)
        p, log_q = (log_p + area - evidence).exp(), exact.q.log_prob(z)
        to = (p * (log_p - evidence - log_q)).sum().item()
        assert exact.kl_to(exact.q) == pytest.approx(to, abs=0.01, rel=0.01)
        q = Gaussian(torch.tensor([0.5, -0.7]), torch.tensor([-1.0, 0.2]))
        log_q = q.log_prob(z)
        gap = (log_q.exp() * (log_q - log_p + evidence)).sum().item() * 0.04**2
        assert exact.kl_from(q) == pytest.approx(gap, abs=0.01)


def test_every_subset_of_quadrants_is_bounded_by_its_parts(quadrants):
    sample = quadrants.sample(18)
    log_p = {s: quadrants.exact(sample, s) for s in subsets_of(sample.names)}
    assert len(log_p) == 32
    for subset, exact in log_p.items():
        assert exact.kl_from(exact.q) > -1e-5
        assert exact.kl_to(exact.moments()) <= exact.kl_to(exact.q) + 1e-6
        assert exact.partition.masses.sum().item() == pytest.approx(1)
        # Evidence of discrete data never grows with more of it.
        for name in subset:
            fewer = tuple(n for n in subset if n != name)
            assert exact.log_evidence < log_p[fewer].log_evidence + 0.01


def test_the_labels_evidences_are_a_distribution(mnist):
    values = mnist.sample(0).values
    total = 0.0
    for digit in range(10):
        sample = Batch.of(mnist.model.modalities, {**values, "label": torch.tensor([digit])})
        total += math.exp(mnist.exact(sample, ["label"]).log_evidence)
    assert total == pytest.approx(1, abs=2e-3)


def test_without_evidence_the_posterior_is_the_prior(mnist):
    exact = mnist.exact(mnist.sample(0), [])
    assert exact.log_evidence == 0
    assert exact.kl_from(exact.q) == pytest.approx(0, abs=1e-6)
    assert exact.kl_to(exact.q) == pytest.approx(0, abs=1e-6)
    assert exact.partition.log_integral == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(exact.moments().mean, torch.zeros(2).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(exact.moments().std, torch.ones(2).double(), atol=1e-4, rtol=0)
    z = torch.randn(3, 4, 2, dtype=torch.float64)
    torch.testing.assert_close(
        exact.log_density(z), Gaussian.standard((2,)).log_prob(z), atol=1e-6, rtol=0
    )
    assert exact.modes.shape == (1, 2)
    assert exact.modes.norm() < 0.1


def test_a_labels_posterior_has_lobes_that_its_gaussian_does_not_cover(mnist):
    sample = mnist.sample(0)
    exact = mnist.exact(sample, ["label"])
    assert len(exact.modes) > 1
    heights = exact.log_density(exact.modes)
    assert (heights.diff() <= 1e-3).all()
    # Each is a local maximum, to the spacing of the cells: nothing on a ring around is higher.
    angle = torch.linspace(0, 2 * math.pi, 17, dtype=torch.float64)
    ring = exact.modes[:, None] + 0.15 * torch.stack((angle.cos(), angle.sin()), -1)
    assert (exact.log_density(ring).amax(1) < heights + 0.02).all()
    assert exact.kl_from(exact.q) > 0.5


def test_a_gaussian_beside_the_mode_pays_for_it(mnist):
    sample = mnist.sample(3)
    exact = mnist.exact(sample, ["image"])
    p = exact.moments()
    aside = Gaussian(p.mean + torch.tensor([6.0, 0.0]) * p.std, p.logvar)
    # Six widths aside cost 18 nats of a Gaussian; p is nearly one.
    assert exact.kl_from(p) < 1
    assert 9 < exact.kl_from(aside) < 36


def test_heat_is_the_density_at_the_centres_of_pixels(quadrants):
    exact = quadrants.exact(quadrants.sample(18), ["top left"])
    heat = exact.heat_map((-3.0, -2.0), (2.0, 3.0), 40)
    first = -3 + (torch.arange(40, dtype=torch.float64) + 0.5) * 5 / 40
    second = -2 + (torch.arange(40, dtype=torch.float64) + 0.5) * 5 / 40
    for row, column in [(0, 0), (39, 0), (0, 39), (20, 11), (7, 33)]:
        there = exact.log_density(torch.stack((first[column], second[row])))
        # Interpolated, where nobody can see it.
        assert heat[row, column] == pytest.approx(there.item(), abs=1e-4) or there < -10
    z = torch.stack(torch.meshgrid(first, second, indexing="xy"), -1)
    density = exact.log_density(z)
    seen = density > density.max() - 8
    assert seen.sum() > 10
    torch.testing.assert_close(heat[seen], density[seen], atol=1e-3, rtol=0)
    assert (heat[~seen] < density.max() - 7).all()

    # What is faint is interpolated, and in the right place: half a cell aside is 0.2 nats.
    label = quadrants.exact(quadrants.sample(18), ["label"])
    density = label.log_density(z)
    faint = (density < density.max() - 13) & (density > -60)
    assert faint.sum() > 100
    heat = label.heat_map((-3.0, -2.0), (2.0, 3.0), 40)
    assert (heat - density)[faint].abs().mean() < 0.1


def test_the_inset_holds_nearly_all_the_mass_and_an_empty_view_none(mnist):
    exact = mnist.exact(mnist.sample(3), ["image"])
    mean, half = exact.modes[0], 8 * exact.moments().std.max()
    (a, b), (c, d) = (mean - half).tolist(), (mean + half).tolist()
    inset = exact.heat_map((a, b), (c, d), 64)
    assert inset.exp().sum() * (2 * half / 64) ** 2 == pytest.approx(1, abs=0.01)
    corner = exact.heat_map((5.0, 5.0), (5.5, 5.5), 8)
    assert corner.shape == (8, 8)
    assert corner.max() < inset.max() - 20


@pytest.mark.parametrize("index", [3, 18, 77])
def test_exact_posteriors_multiply_and_gaussians_do_not(mnist, index):
    sample = mnist.sample(index)
    result = compare_products(mnist.exact, sample, ["image"], ["label"])
    assert abs(result.evidence_error) < 0.01
    assert result.total_variation < 0.01
    assert result.joint.log_evidence == mnist.exact(sample, ["label", "image"]).log_evidence
    best = result.best
    assert result.product is not None
    for other in (result.product, result.q):
        assert other.kl_to >= best.kl_to
        assert other.kl_from > 0
    assert result.q.kl_from == result.joint.kl_from(result.joint.q)


def test_the_product_of_posteriors_of_other_data_is_noticed(mnist):
    # The comparison can fail: with the label's posterior replaced by another's it does.
    one, other = mnist.sample(3), mnist.sample(4)
    assert one.values["label"] != other.values["label"]
    wrong = {("label",): other}

    def muddled(sample, evidence):
        return mnist.exact(wrong.get(tuple(evidence), sample), evidence)

    muddled.grid = mnist.exact.grid
    result = compare_products(muddled, one, ["image"], ["label"])
    assert abs(result.evidence_error) > 0.1


def test_grey_values_have_a_posterior_too():
    fashion = load_model("fashion", "mvae-2d")[0]
    sample = load_samples("fashion", fashion.modalities)[slice(5, 6)]
    exact = ExactInference(fashion)(sample, ["image"])
    assert has_exact_posterior(fashion)
    assert exact.kl_from(exact.q) > 0
    assert exact.kl_from(exact.moments()) < exact.kl_from(exact.q)


def test_what_cannot_be_done_is_said(mnist, quadrants, toy_model, toys):
    image, label, point, _ = toys
    for model in (toy_model(image, label, latents=3), toy_model(point, label)):
        assert not has_exact_posterior(model)
        with pytest.raises(ValueError, match=r"needs a model with two latents, and Bernoulli"):
            ExactInference(model)
    with pytest.raises(ValueError, match="exactly one sample, not 2"):
        mnist.exact(mnist.samples[slice(0, 2)], ["image"])
    with pytest.raises(ValueError, match="no modality is called 'smell'"):
        mnist.exact(mnist.sample(0), ["smell"])
    with pytest.raises(ValueError, match="the sample has no image"):
        mnist.exact(mnist.sample(0).supply(["label"]), ["image", "label"])
    with pytest.raises(ValueError, match="label is on both sides"):
        compare_products(mnist.exact, mnist.sample(0), ["label"], ["label", "image"])
