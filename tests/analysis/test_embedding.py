"""Maps of latent space: what is pooled, how it is laid out, stored and placed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mvae.analysis.embedding import (
    fit_umap,
    load_map,
    place,
    pool_posteriors,
    posterior_means,
    principal_axes,
    write_map,
)
from mvae.batch import Batch
from mvae.checkpoint import load_model, load_samples
from mvae.cli import app
from mvae.files import CheckpointError
from tests.bundled import WITH_EXPERTS
from tests.checkpoint_edits import edit_tensors


@pytest.fixture(scope="module")
def mapped_root(trained_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the small checkpoints and make one's map by the command."""
    root = tmp_path_factory.mktemp("mapped") / "checkpoints"
    shutil.copytree(trained_root, root)
    result = CliRunner().invoke(app, ["map", "mnist/mvae-2d", "--root", str(root)])
    assert result.exit_code == 0, result.output
    assert "wrote mnist/mvae-2d/map.safetensors: 130 points" in result.stdout
    return root


@pytest.fixture
def root(mapped_root: Path, tmp_path: Path) -> Path:
    """Give a copy that a test may change."""
    return Path(shutil.copytree(mapped_root, tmp_path / "checkpoints"))


# Placement


@pytest.fixture
def known() -> tuple[torch.Tensor, torch.Tensor]:
    """Give forty points in five dimensions and places for them."""
    source = torch.Generator().manual_seed(0)
    return torch.randn(40, 5, generator=source), torch.randn(40, 2, generator=source)


def test_a_known_point_is_placed_exactly_where_it_is(known):
    means, positions = known
    assert torch.equal(place(means, means, positions), positions)


def test_a_point_known_twice_is_placed_between_its_two_places(known):
    means, positions = known
    means[7] = means[3]
    assert torch.allclose(place(means[3:4], means, positions)[0], positions[[3, 7]].mean(0))


@pytest.mark.parametrize("k", [1, 5, 40, 99])
def test_placement_is_the_inverse_distance_mean_of_the_nearest(known, k):
    means, positions = (x.numpy().astype(np.float64) for x in known)
    new = np.random.default_rng(1).normal(size=(20, 5))
    got = place(*(torch.from_numpy(x) for x in (new, means, positions)), neighbours=k)
    for point, placed in zip(new, got.numpy(), strict=True):
        squares = [sum((a - b) ** 2 for a, b in zip(point, mean, strict=True)) for mean in means]
        nearest = sorted(range(40), key=squares.__getitem__)[:k]
        total = sum(1 / squares[i] for i in nearest)
        wanted = sum(positions[i] / squares[i] / total for i in nearest)
        assert placed == pytest.approx(wanted)


def test_placement_never_leaves_what_is_known_and_never_overflows(known):
    means, positions = known
    far = torch.cat((means[:1] + 1e-30, means[:1] * 1e15, torch.zeros(1, 5)))
    placed = place(far, means, positions)
    assert placed.isfinite().all()
    assert (placed >= positions.amin(0)).all()
    assert (placed <= positions.amax(0)).all()


# What is pooled


def test_the_pool_has_every_sample_given_each_modality_and_given_all(toy_model, toy_batch, toys):
    model, samples = toy_model(latents=3), toy_batch(n=30)
    pool = pool_posteriors(model, samples)
    names = [m.name for m in toys]
    assert pool.subsets == (*((name,) for name in names), tuple(names))
    for subset, rows in zip(pool.subsets, pool.rows, strict=True):
        wanted = model.posterior(samples.supply(subset))
        assert torch.allclose(pool.posteriors.mean[rows], wanted.mean, atol=1e-5)
        assert torch.allclose(pool.posteriors.logvar[rows], wanted.logvar, atol=1e-5)
        assert torch.allclose(wanted.mean, posterior_means(model, samples, subset))


def test_equal_evidence_stands_once(toy_model, toy_batch):
    pool = pool_posteriors(toy_model(), toy_batch(n=30))
    different = [len(rows.unique()) for rows in pool.rows]
    assert different == [len(toy_batch(n=30).values["image"].unique(dim=0)), 3, 30, 4, 30]
    assert len(pool.posteriors.mean) == sum(different)
    assert torch.equal(pool.rows.flatten().unique(), torch.arange(sum(different)))


def test_what_a_sample_lacks_is_not_looked_at(toy_model, toy_batch):
    present = torch.ones(6, 4, dtype=torch.bool)
    present[:3, 2] = False
    whole = toy_batch(n=6, present=present)
    values = {**whole.values, "point": whole.values["point"].clone()}
    values["point"][:3] = torch.nan
    pool = pool_posteriors(toy_model(), Batch(values, present))
    assert pool.posteriors.mean.isfinite().all()
    prior = pool.posteriors[pool.rows[pool.subsets.index(("point",))][0]]
    assert prior.mean.abs().max() == 0
    assert len(pool.rows[pool.subsets.index(("point",))][:3].unique()) == 1


def test_a_model_of_one_modality_has_one_subset(toy_model, toy_batch, toys):
    model = toy_model(toys[2])
    assert pool_posteriors(model, toy_batch(toys[2])).subsets == (("point",),)


def test_principal_axes_are_the_covariance_matrixs_first_eigenvectors(float64):
    means = torch.randn(50, 4) @ torch.diag(torch.tensor([1.0, 3.0, 2.0, 0.1]))
    axes = principal_axes(means)
    _, vectors = np.linalg.eigh(np.cov(means.numpy().T))
    for axis, vector in zip(axes.numpy(), vectors.T[[3, 2]], strict=True):
        assert abs(axis @ vector) == pytest.approx(1)
        assert axis[np.abs(axis).argmax()] > 0


# The fit and its file


@pytest.mark.slow
def test_the_fit_is_repeatable_and_keeps_groups_apart():
    source = torch.Generator().manual_seed(0)
    groups = torch.arange(3).repeat_interleave(20)
    points = torch.randn(60, 6, generator=source) + 20 * groups.unsqueeze(1)
    layout = fit_umap(points)
    assert torch.equal(layout, fit_umap(points))
    nearest = (torch.cdist(layout, layout) + torch.eye(60) * 1e9).argmin(1)
    assert (groups[nearest] == groups).all()


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="at least four"):
        fit_umap(torch.zeros(3, 2))


def test_a_made_map_is_loaded(mapped_root):
    chart = load_map("mnist", "mvae-2d", mapped_root)
    assert chart.pool.subsets == (("image",), ("label",), ("image", "label"))
    assert chart.umap.shape == chart.pca.shape == (130, 2)
    means = chart.pool.posteriors.mean
    umap, pca = chart.place(means)
    assert torch.equal(umap, chart.umap)
    assert torch.allclose(pca, chart.pca)
    # Two latents: the projection only turns the plane.
    assert torch.allclose(torch.pdist(pca.double()), torch.pdist(means.double()), atol=1e-5)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        (
            "mvae-2d/weights.safetensors",
            lambda t: t["encoders.0.first.1.bias"].add_(0.01),
            "other weights",
        ),
        (
            "samples.safetensors",
            lambda t: t["label"].copy_(9 - t["label"]),
            "other weights or examples",
        ),
        ("mvae-2d/map.safetensors", lambda t: t.pop("umap"), "damaged"),
        ("mvae-2d/map.safetensors", lambda t: t.pop("made of"), "damaged"),
        ("mvae-2d/map.safetensors", lambda t: t.update(umap=t["umap"][1:]), "damaged"),
        ("mvae-2d/map.safetensors", lambda t: t["umap"].fill_(torch.nan), "damaged"),
    ],
)
def test_a_map_of_something_else_and_a_damaged_one_get_a_sentence(root, file, change, words):
    edit_tensors(root / "mnist" / file, change)
    with pytest.raises(CheckpointError, match=words) as error:
        load_map("mnist", "mvae-2d", root)
    assert "`python -m mvae map mnist/mvae-2d` makes it" in str(error.value)


def test_a_single_bit_of_a_map_does_not_change_unseen(root):
    path = root / "mnist/mvae-2d/map.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"map\.safetensors is damaged"):
        load_map("mnist", "mvae-2d", root)


def test_a_missing_map_and_a_truncated_one_get_a_sentence(root):
    with pytest.raises(CheckpointError, match="python -m mvae map mnist/mvae`"):
        load_map("mnist", "mvae", root)
    path = root / "mnist/mvae-2d/map.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="damaged"):
        load_map("mnist", "mvae-2d", root)


def test_the_file_is_the_same_when_made_again(root):
    path = root / "mnist/mvae-2d/map.safetensors"
    before = path.read_bytes()
    assert write_map("mnist", "mvae-2d", root) == 130
    assert path.read_bytes() == before


def test_the_command_explains_itself_and_answers_wrong_names():
    assert "Example: python -m mvae map mnist/mvae-cover" in (
        CliRunner().invoke(app, ["map", "--help"]).stdout
    )
    for name in ("mnist", "mnist/other"):
        result = CliRunner().invoke(app, ["map", name])
        assert result.exit_code == 2
        assert name in result.stderr


@pytest.mark.parametrize(("dataset", "model"), WITH_EXPERTS)
def test_every_bundled_checkpoint_has_a_map(dataset, model):
    chart = load_map(dataset, model)
    assert chart.umap.isfinite().all()
    built, _ = load_model(dataset, model)
    labels = load_samples(dataset, built.modalities).values.get("label")
    if labels is not None:  # equal ones lie together
        places = chart.umap[chart.pool.rows[-1]]
        nearest = (torch.cdist(places, places) + torch.eye(len(places)) * 1e9).argmin(1)
        assert (labels[nearest] == labels).float().mean() > 0.6  # by chance it would be 0.1
