"""Posterior means, and the plane along which they vary most."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mvae.analysis.embedding import posterior_means, principal_axes
from mvae.analysis.inference import infer
from mvae.checkpoint import load_model, load_samples


def points(n: int, latents: int, seed: int) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    widths = 1 + 9 * torch.rand(latents, generator=source)
    turn, _ = torch.linalg.qr(torch.randn(latents, latents, generator=source))
    cloud = torch.randn(n, latents, generator=source) * widths
    return cloud @ turn + 5 * torch.randn(latents, generator=source)


# posterior_means


@pytest.mark.parametrize("evidence", [["image"], ["label", "image"], []])
def test_means_are_those_that_are_believed_one_by_one(evidence):
    model, _ = load_model("mnist", "mvae-cover")
    samples = load_samples("mnist", model.modalities)[slice(0, 5)]
    means = posterior_means(model, samples, evidence)
    assert means.shape == (5, model.latents)
    assert not means.requires_grad
    for i in range(5):
        wanted = infer(model, samples[slice(i, i + 1)], evidence).posterior.mean
        assert (means[i] - wanted).abs().max() < 1e-5


def test_without_evidence_all_are_at_the_prior(toy_model, toy_batch):
    assert not posterior_means(toy_model(), toy_batch(), []).any()


def test_what_a_sample_lacks_is_left_out_for_it_alone(toy_model, toy_batch):
    model, whole = toy_model(), toy_batch(n=2)
    present = torch.ones(2, 4, dtype=torch.bool)
    present[0, 1] = False
    means = posterior_means(model, toy_batch(n=2, present=present), ["image", "label"])
    alone = posterior_means(model, whole, ["image"])
    both = posterior_means(model, whole, ["image", "label"])
    assert torch.allclose(means, torch.stack([alone[0], both[1]]), atol=1e-6)
    assert not torch.allclose(alone[0], both[0], atol=1e-3)


def test_an_unknown_modality_is_an_error(toy_model, toy_batch):
    with pytest.raises(ValueError, match="smell"):
        posterior_means(toy_model(), toy_batch(), ["image", "smell"])


# principal_axes


@given(n=st.integers(12, 60), latents=st.integers(2, 12), seed=st.integers(0, 10**6))
def test_axes_are_the_first_singular_vectors(n, latents, seed):
    cloud = points(n, latents, seed)
    axes = principal_axes(cloud)
    assert axes.shape == (2, latents)
    assert torch.allclose(axes @ axes.T, torch.eye(2), atol=1e-5)
    centred = cloud.double().numpy() - cloud.double().numpy().mean(0)
    _, sizes, rows = np.linalg.svd(centred, full_matrices=False)
    spread = np.linalg.norm(centred @ axes.double().numpy().T, axis=0)
    assert spread == pytest.approx(sizes[:2], rel=1e-3)
    for axis, row, gap in zip(
        axes.numpy(), rows, sizes[:2] - np.append(sizes, 0)[1:3], strict=False
    ):
        if gap > 0.05 * sizes[0] and sizes[0] - sizes[1] > 0.05 * sizes[0]:
            assert abs(axis @ row) == pytest.approx(1, abs=1e-3)


@given(st.integers(0, 10**6))
def test_their_largest_components_are_positive_however_the_points_are_turned(seed):
    cloud = points(40, 5, seed)
    axes = principal_axes(cloud)
    for axis in axes:
        assert axis[axis.abs().argmax()] > 0
    mirrored = principal_axes(2 * cloud.mean(0) - cloud)  # the same spread, seen from behind
    assert torch.allclose(axes, mirrored, atol=1e-3)


def test_where_the_points_are_does_not_matter():
    cloud = points(40, 5, 3)
    assert torch.allclose(principal_axes(cloud), principal_axes(cloud + 7), atol=1e-3)


def test_two_dimensions_are_the_whole_space():
    axes = principal_axes(points(40, 2, 1))
    assert axes.shape == (2, 2)
    assert torch.det(axes).abs().item() == pytest.approx(1, abs=1e-5)


def test_one_dimension_has_no_plane():
    with pytest.raises(ValueError, match="at least two latent dimensions"):
        principal_axes(torch.randn(5, 1))
