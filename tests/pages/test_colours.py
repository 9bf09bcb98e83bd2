"""Colours of modalities: as many as a model may have, told apart by everybody in both themes."""

from __future__ import annotations

import numpy as np
import pytest

from pages.parts.colours import LABELS, MORE, OTHERS, colours_of
from tests.toys import TOYS, image, label

ALL = (*OTHERS, *LABELS, *MORE)
# Colour-vision deficiency after Machado, Oliveira & Fernandes 2009, of full severity.
VISIONS = {
    "usual": np.eye(3),
    "without green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "without red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
}


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Ottosson 2020, https://bottosson.github.io/posts/oklab."""
    cones = rgb @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    return np.cbrt(cones) @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )


@pytest.mark.parametrize(
    ("vision", "least"), list(zip(VISIONS, (0.077, 0.054, 0.054), strict=True))
)
def test_every_two_colours_are_told_apart(vision, least):
    """A just noticeable difference is about 0.02."""
    seen = np.stack([np.clip(VISIONS[vision] @ linear(c), 0, 1) for c in ALL])
    places = oklab(seen)
    apart = np.linalg.norm(places[:, None] - places, axis=-1) + np.eye(len(ALL))
    assert apart.min() > least


@pytest.mark.parametrize("paper", ["#ffffff", "#14161b"])
def test_further_colours_stand_out_from_the_paper(paper):
    def luminance(colour: str) -> float:
        return float(linear(colour) @ [0.2126, 0.7152, 0.0722])

    for colour in MORE:
        dark, light = sorted((luminance(colour), luminance(paper)))
        assert (light + 0.05) / (dark + 0.05) >= 2.5


@pytest.mark.parametrize("data", TOYS)
def test_every_modality_of_a_model_has_a_colour_of_its_own(data):
    colours = colours_of(TOYS[data])
    assert list(colours) == [m.name for m in TOYS[data]]
    assert len(set(colours.values())) == len(colours)


def test_words_are_warm_and_the_first_of_the_rest_blue():
    colours = colours_of([label("a", "x", "y"), image("b", 1, 4, 4), label("c", "x", "y")])
    assert colours == {"a": LABELS[0], "b": OTHERS[0], "c": LABELS[1]}


def test_more_modalities_than_colours_share_the_further_ones():
    many = [label(f"m{i}", "x", "y") for i in range(60)]
    assert set(colours_of(many).values()) == set(ALL)
