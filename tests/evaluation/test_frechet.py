"""The Fréchet distance, against SciPy's matrix root and distances that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from mvae.evaluation.classifier import Classifier
from mvae.evaluation.frechet import features, frechet_distance, pseudo_values
from mvae.modality import Modality


def points(seed, n=400, d=6):
    source = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=source)
    return torch.randn(n, d, generator=source) @ mix + torch.randn(d, generator=source)


def test_it_is_that_of_scipys_matrix_root():
    one, other = points(0), points(1, n=300)
    a, b = np.cov(one.numpy(), rowvar=False), np.cov(other.numpy(), rowvar=False)
    apart = ((one.mean(0) - other.mean(0)) ** 2).sum().item()
    expected = apart + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(other, one) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)


def test_points_without_spread_have_the_distance_of_their_means():
    one, other = torch.zeros(5, 3), torch.full((4, 3), 2.0)
    assert frechet_distance(one, other) == pytest.approx(12)
    with pytest.raises(ValueError, match="two points"):
        frechet_distance(one[:1], other)


def test_the_error_is_the_spread_of_repeated_distances():
    real = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    generated = [
        1.5 * torch.randn(1000, 3, generator=torch.Generator().manual_seed(s)) + 0.5
        for s in range(1, 101)
    ]
    spread = np.std([frechet_distance(g, real) for g in generated])
    errors = [error_of(pseudo_values(g, real)) for g in generated[:10]]
    assert np.mean(errors) == pytest.approx(spread, rel=0.3)


def error_of(values):
    return (values.std() / len(values) ** 0.5).item()


def test_the_error_of_a_difference_is_that_of_points_that_belong_together():
    real = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    differences, errors, apart = [], [], []
    for seed in range(1, 61):
        source = torch.Generator().manual_seed(seed)
        one = 1.5 * torch.randn(1000, 3, generator=source) + 0.5
        other = one + 0.1 * torch.randn(1000, 3, generator=source)
        differences.append(frechet_distance(one, real) - frechet_distance(other, real))
        if seed <= 10:
            a, b = pseudo_values(one, real), pseudo_values(other, real)
            errors.append(error_of(a - b))
            apart.append(float(np.hypot(error_of(a), error_of(b))))
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.3)
    assert np.mean(errors) < np.mean(apart) / 3


def test_features_are_the_classifiers_last_hidden_layer():
    torch.manual_seed(0)
    digit = Modality(name="digit", kind="label", shape=(3,), likelihood="categorical")
    classifier = Classifier((1, 8, 8), [digit]).eval()
    pictures = torch.rand(5, 1, 8, 8)
    seen = features(classifier, pictures)
    assert seen.shape == (5, 128)
    torch.testing.assert_close(classifier.net[-1](seen), classifier(pictures)["digit"])
