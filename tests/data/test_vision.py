"""Views of a picture, held against Pillow and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from mvae.data import DatasetError
from mvae.data.faces import FACES
from mvae.data.vision import VISION, views_of


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def flat(value: float) -> torch.Tensor:
    return torch.full((1, 3, 32, 32), value)


def test_views_fit_the_modalities(few_faces):
    batch = VISION.load("valid", False)
    assert batch.names == ("image", "grey", "edges", "masked", "watermarked")
    assert len(batch) == 10
    for m in VISION.modalities:
        view = batch.values[m.name]
        assert view.shape == (10, *m.shape)
        assert view.min() >= 0
        assert view.max() <= 1
        assert view.std() > 0.05
    assert torch.equal(batch.values["image"], FACES.load("valid", False).values["image"])


def test_every_view_follows_from_the_picture_alone(noise):
    before = noise.clone()
    together = views_of(noise)
    for i, picture in enumerate(noise):
        alone = views_of(picture[None])
        for name, view in alone.items():
            torch.testing.assert_close(view[0], together[name][i], rtol=0, atol=1e-6)
    assert torch.equal(noise, before)
    assert torch.equal(together["image"], noise)


def test_grey_is_pillows(noise):
    pixels = (noise[0] * 255).round()
    colour = Image.fromarray(pixels.permute(1, 2, 0).byte().numpy())
    theirs = torch.from_numpy(np.array(colour.convert("L"))).float()
    ours = views_of(pixels[None] / 255)["grey"][0, 0] * 255
    assert (ours - theirs).abs().max() <= 0.51
    assert views_of(flat(1.0))["grey"].min() == pytest.approx(1)


def test_edges_are_scipys_sobel(noise):
    views = views_of(noise)
    for grey, edges in zip(views["grey"], views["edges"], strict=True):
        across = ndimage.sobel(grey[0].numpy(), axis=1, mode="nearest")
        down = ndimage.sobel(grey[0].numpy(), axis=0, mode="nearest")
        expected = np.minimum(np.hypot(across, down) / 4, 1)
        np.testing.assert_allclose(edges[0].numpy(), expected, atol=1e-5)


def test_an_edge_between_black_and_white_is_white_and_a_flat_picture_has_none():
    half = flat(0.0)
    half[..., 16:] = 1
    edges = views_of(half)["edges"][0, 0]
    torch.testing.assert_close(edges[:, 15:17], torch.ones(32, 2))
    assert edges[:, :15].max() == edges[:, 17:].max() == 0
    assert views_of(flat(0.6))["edges"].max() == pytest.approx(0, abs=1e-6)


def test_only_the_middle_is_masked(noise):
    masked = views_of(noise)["masked"]
    assert masked[..., 8:24, 8:24].max() == 0
    masked[..., 8:24, 8:24] = noise[..., 8:24, 8:24]
    assert torch.equal(masked, noise)


def test_the_watermark_is_half_transparent_and_everywhere(noise):
    black, white = (views_of(flat(value))["watermarked"] for value in (0.0, 1.0))
    marked = black > 0
    assert black.unique().tolist() == pytest.approx([0, 0.35])
    assert white.unique().tolist() == pytest.approx([0.65, 1])
    assert torch.equal(white < 1, marked)
    for row in range(0, 32, 8):
        for column in range(0, 32, 8):
            shown = marked[..., row : row + 8, column : column + 8].any()
            assert shown == ((row + column) % 16 == 0)
    # What was there can be told from what is seen.
    seen = views_of(noise)["watermarked"]
    torch.testing.assert_close(torch.where(marked, (seen - 0.35) / 0.3, seen), noise)


def test_pictures_of_other_sizes_have_views():
    views = views_of(torch.rand(2, 3, 20, 45))
    sizes = {name: tuple(view.shape) for name, view in views.items()}
    assert set(sizes.values()) == {(2, 3, 20, 45), (2, 1, 20, 45)}


def test_missing_faces_are_answered_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match="python -m mvae data faces"):
        VISION.load("train", False)
