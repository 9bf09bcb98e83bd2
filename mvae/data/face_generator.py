"""Faces with known attributes: traits sampled from a Bayesian network and rendered in a style.

A face's traits are sampled in the order of :data:`TRAITS`, each with probabilities given by its
parents. The style is DiceBear's `Pixel Art <https://www.dicebear.com/styles/pixel-art/>`_ (CC0),
which draws on 16 × 16 cells, here of 2 × 2 pixels. Three things in it are changed, so that every
attribute is visible: beards are opaque (the skin would show through a dark one), dark lenses are
dark, and earrings are in front of the hair. Everything that is not an attribute (which of several
hairstyles, the shades, the eyes, the clothes, the background, the direction of the face) is chosen
by the style from the face's number.

=============  ===================================================================================
attribute      what the style draws
=============  ===================================================================================
long hair      one of eight hairstyles that reach below the chin
curly hair     one of three hairstyles with loose curls
bald           no hair on the head (a beard is possible), and so no hair colour either
black hair     hair and beard in one of two shades of black
brown hair     hair and beard in one of two shades of brown
blond hair     hair and beard in one of two shades of blond
grey hair      hair and beard in one of two shades of grey
red hair       hair and beard in one of two shades of red; any other hair is dyed blue or green
pale skin      head and body in one of two pale shades; other skin that is not dark is medium
dark skin      head and body in one of two dark shades
glasses        one of six frames with clear lenses
sunglasses     one of seven frames with dark lenses
hat            one of six caps and hats
earrings       one of three pairs at the ears
beard          one of six full beards, in the colour of the hair
lipstick       the mouth is bright red or pink instead of lip-coloured
smiling        a mouth with one corner or both turned up, or laughing
mouth open     a mouth with an inside: laughing, round, or showing teeth
=============  ===================================================================================
"""

from __future__ import annotations

import io
import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

if TYPE_CHECKING:
    from dicebear import Style

__all__ = ["ATTRIBUTES", "TRAITS", "Trait", "attributes", "draw_traits", "render"]

SIDE = 32

NO_YES = ("no", "yes")


@dataclass(frozen=True)
class Trait:
    """A node of the Bayesian network.

    Args:
        name: the name of the trait.
        values: the values it may have.
        parents: the traits on which it depends, sampled before it.
        table: the probability of each of its values, given the values of its parents.
    """

    name: str
    values: tuple[str, ...]
    parents: tuple[str, ...]
    table: Mapping[tuple[str, ...], tuple[float, ...]]


#: The network. Its probabilities are not measured on people; the dependencies are there for models
#: to learn.
TRAITS = (
    Trait("skin", ("pale", "medium", "dark"), (), {(): (0.32, 0.36, 0.32)}),
    Trait(
        "tone",
        ("black", "brown", "blond", "grey", "red", "dyed"),
        ("skin",),
        {
            ("pale",): (0.10, 0.24, 0.26, 0.16, 0.20, 0.04),
            ("medium",): (0.26, 0.30, 0.14, 0.16, 0.08, 0.06),
            ("dark",): (0.54, 0.14, 0.05, 0.18, 0.05, 0.04),
        },
    ),
    Trait(
        "cut",
        ("bald", "curly", "long", "short"),
        ("tone",),
        {
            ("black",): (0.12, 0.30, 0.30, 0.28),
            ("brown",): (0.12, 0.18, 0.38, 0.32),
            ("blond",): (0.08, 0.14, 0.50, 0.28),
            ("grey",): (0.36, 0.10, 0.18, 0.36),
            ("red",): (0.08, 0.32, 0.36, 0.24),
            ("dyed",): (0.04, 0.26, 0.40, 0.30),
        },
    ),
    Trait(
        "beard",
        NO_YES,
        ("cut",),
        {
            ("bald",): (0.35, 0.65),
            ("curly",): (0.70, 0.30),
            ("long",): (0.92, 0.08),
            ("short",): (0.55, 0.45),
        },
    ),
    Trait("lipstick", NO_YES, ("beard",), {("no",): (0.45, 0.55), ("yes",): (0.96, 0.04)}),
    Trait("earrings", NO_YES, ("lipstick",), {("no",): (0.84, 0.16), ("yes",): (0.42, 0.58)}),
    Trait(
        "eyewear",
        ("none", "glasses", "sunglasses"),
        ("tone",),
        {
            ("black",): (0.60, 0.20, 0.20),
            ("brown",): (0.60, 0.20, 0.20),
            ("blond",): (0.55, 0.15, 0.30),
            ("grey",): (0.30, 0.60, 0.10),
            ("red",): (0.60, 0.22, 0.18),
            ("dyed",): (0.40, 0.15, 0.45),
        },
    ),
    Trait(
        "hat",
        NO_YES,
        ("eyewear",),
        {("none",): (0.82, 0.18), ("glasses",): (0.88, 0.12), ("sunglasses",): (0.50, 0.50)},
    ),
    Trait("smiling", NO_YES, ("lipstick",), {("no",): (0.58, 0.42), ("yes",): (0.34, 0.66)}),
    Trait("mouth open", NO_YES, ("smiling",), {("no",): (0.80, 0.20), ("yes",): (0.55, 0.45)}),
)

#: The attributes by name, each a trait and the value that it must have.
ATTRIBUTES = {
    "long hair": ("cut", "long"),
    "curly hair": ("cut", "curly"),
    "bald": ("cut", "bald"),
    "black hair": ("tone", "black"),
    "brown hair": ("tone", "brown"),
    "blond hair": ("tone", "blond"),
    "grey hair": ("tone", "grey"),
    "red hair": ("tone", "red"),
    "pale skin": ("skin", "pale"),
    "dark skin": ("skin", "dark"),
    "glasses": ("eyewear", "glasses"),
    "sunglasses": ("eyewear", "sunglasses"),
    "hat": ("hat", "yes"),
    "earrings": ("earrings", "yes"),
    "beard": ("beard", "yes"),
    "lipstick": ("lipstick", "yes"),
    "smiling": ("smiling", "yes"),
    "mouth open": ("mouth open", "yes"),
}


def draw_traits(number: int) -> dict[str, str]:
    """Sample the traits of a face, the same for a given number on every machine.

    Example:
        >>> draw_traits(7) == draw_traits(7)
        True
        >>> sorted(draw_traits(7)) == sorted(trait.name for trait in TRAITS)
        True
    """
    generator = torch.Generator().manual_seed(number)
    uniforms = torch.rand(len(TRAITS), generator=generator, dtype=torch.float64).tolist()
    traits: dict[str, str] = {}
    for trait, u in zip(TRAITS, uniforms, strict=True):
        row = trait.table[tuple(traits[parent] for parent in trait.parents)]
        # The last value is chosen if rounding makes the sum of probabilities less than 1.
        traits[trait.name] = trait.values[bisect_right(list(accumulate(row[:-1])), u)]
    return traits


def attributes(traits: Mapping[str, str]) -> list[bool]:
    """Return for each of :data:`ATTRIBUTES`, in their order, whether a face has it."""
    bald = traits["cut"] == "bald"
    return [
        traits[trait] == value and not (trait == "tone" and bald)
        for trait, value in ATTRIBUTES.values()
    ]


def _variants(prefix: str, *numbers: int) -> list[str]:
    """Return the names of the numbered variants of a component."""
    return [f"{prefix}{number:02}" for number in numbers]


SKIN = {"pale": ["ffe3cf", "ffd9b8"], "medium": ["dba877", "cf9b69"], "dark": ["8d5524", "92592a"]}
HAIR = {
    "black": ["0f0c0a", "1d1716"],
    "brown": ["4a2812", "542e14"],
    "blond": ["f7d038", "edc12f"],
    "grey": ["c4c4c4", "aeaeb2"],
    "red": ["c2461a", "d0551c"],
    "dyed": ["0098b8", "7fb814"],
}
CUTS = {
    "bald": [],
    "curly": ["long15", "short11", "short13"],
    "long": _variants("long", 1, 3, 7, 8, 9, 12, 13, 20),
    "short": [
        *_variants("short", 1, 2, 3, 4, 6, 8, 9, 10, 14, 15, 16, 17, 19, 22),
        *_variants("long", 11, 14),
    ],
}
#: The hairstyles that remain recognisable under every hat.
CUTS_UNDER_HAT = CUTS | {
    "short": [*_variants("short", 1, 14, 15, 17), "long11"],
}
GLASSES = {
    "none": [],
    "glasses": _variants("light", 1, 2, 3, 5, 6, 7),
    "sunglasses": _variants("dark", 1, 2, 3, 4, 5, 6, 7),
}
#: Shapes of the mouth, by whether it smiles and whether it is open.
MOUTHS = {
    ("no", "no"): _variants("sad", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    ("no", "yes"): _variants("happy", 1, 12, 13),
    ("yes", "no"): _variants("happy", 3, 4, 7, 8, 9, 10, 11),
    ("yes", "yes"): ["happy06"],
}
#: Colours of a mouth with and without lipstick: both are visible on every skin and every beard.
LIPSTICK, LIPS = ["e0115f", "d8102f"], ["e8737f", "d9697a"]
BEARDS = _variants("variant", 1, 3, 5, 6, 7, 8)
EARRINGS = _variants("variant", 1, 2, 3)
HATS = _variants("variant", 2, 3, 5, 6, 7, 8)


def style_options(number: int, traits: Mapping[str, str]) -> dict[str, Any]:
    """Return the style's options for a face; the style chooses from lists by the face's number."""

    def select(component: str, variants: Sequence[str]) -> dict[str, Any]:
        if not variants:
            return {f"{component}Probability": 0}
        return {f"{component}Probability": 100, f"{component}Variant": list(variants)}

    under_hat, bearded = traits["hat"] == "yes", traits["beard"] == "yes"
    return {
        "seed": f"face {number}",
        "flip": ["none", "horizontal"],
        "backgroundColor": [
            *("b6e3f4", "c0aede", "d1d4f9", "ffd5dc", "ffdfbf"),
            *("c7ecc9", "7fa7d6", "8fbf9a", "b48ead", "e6a58c"),
        ],
        "skinColor": SKIN[traits["skin"]],
        "hairColor": HAIR[traits["tone"]],
        **select("hair", (CUTS_UNDER_HAT if under_hat else CUTS)[traits["cut"]]),
        **select("beard", BEARDS if bearded else []),
        **select("glasses", GLASSES[traits["eyewear"]]),
        "glassesColor": ["191919", "2f2f2f", "1f4e79", "6a1b5a"],
        **select("hat", HATS if under_hat else []),
        "hatColor": ["2663a3", "3d8a6b", "cc6192", "614f8a"],
        **select("accessories", EARRINGS if traits["earrings"] == "yes" else []),
        "accessoriesColor": ["ff9d00", "fffdf5", "1b3fae", "b5179e"],
        "mouthVariant": MOUTHS[traits["smiling"], traits["mouth open"]],
        "mouthColor": LIPSTICK if traits["lipstick"] == "yes" else LIPS,
    }


@cache
def _style() -> Style:
    """Load the style, with the changes described above."""
    from dicebear import Style

    text = files("dicebear_styles").joinpath("pixel-art.json").read_text("utf-8")
    definition = json.loads(text)
    components = definition["components"]
    for beard in components["beard"]["variants"].values():
        mask, (_, lightened) = beard["elements"][0], beard["elements"][1]["children"]
        # The mask is filled with the hair colour, so the skin would show through a dark beard.
        mask["children"][0]["attributes"]["fill"] = "white"
        lightened["attributes"]["fill-opacity"] = ".1"
    for name, frame in components["glasses"]["variants"].items():
        for element in frame["elements"]:
            if name.startswith("dark") and element["attributes"]["fill"] == "black":
                element["attributes"]["fill-opacity"] = ".8"
    layers = definition["canvas"]["elements"]
    layers.sort(key=lambda layer: layer["name"] == "accessories")  # the last is in front
    return Style(definition)


def render(number: int, traits: Mapping[str, str]) -> Tensor:
    """Render a face.

    Args:
        number: the number of the face, which determines everything that its traits do not.
        traits: a value for each of :data:`TRAITS`.

    Returns:
        Tensor: bytes ``(3, 32, 32)``.

    Raises:
        ImportError: if DiceBear or resvg is not installed.

    Example:
        >>> render(7, draw_traits(7)).shape
        torch.Size([3, 32, 32])
    """
    from dicebear import Avatar
    from resvg_py import svg_to_bytes

    # Each of the style's 16 × 16 cells is 2 × 2 pixels, so no edge needs smoothing.
    picture = svg_to_bytes(
        svg_string=str(Avatar(_style(), style_options(number, traits))),
        width=SIDE,
        height=SIDE,
        skip_system_fonts=True,
    )
    pixels = np.array(Image.open(io.BytesIO(picture)).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)
