"""Pictures from visitors: any file becomes a digit as MNIST has them, or a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from torch import Tensor

from mvae.errors import InputError
from mvae.images.preprocessing import normalise_ink, picture_from_upload
from tests.drawings import FRAME, file_of, five


def read(picture: Image.Image, kind: str = "PNG", **options: object) -> Tensor:
    return picture_from_upload(file_of(picture, kind, **options), FRAME)


REFERENCE = read(five())


def check_as_mnist(picture: Tensor) -> None:
    assert picture.shape == FRAME
    assert picture.dtype == torch.float32
    assert picture.min() == 0
    assert picture.max() == 1
    rows, columns = torch.nonzero(picture[0], as_tuple=True)
    assert rows.max() - rows.min() < 20
    assert columns.max() - columns.min() < 20
    places = torch.arange(28.0)
    for mass in (picture[0].sum(0), picture[0].sum(1)):
        assert abs((mass * places).sum() / mass.sum() - 14) <= 0.5 + 1e-4


def check_alike(picture: Tensor, other: Tensor = REFERENCE, bits: int = 12) -> None:
    check_as_mnist(picture)
    assert (picture - other).abs().mean() < 0.025
    assert ((picture > 0.5) != (other > 0.5)).sum() <= bits


def as_mode(mode: str) -> Image.Image:
    grey = five()
    if mode == "LA":
        return Image.merge("LA", (Image.new("L", grey.size), ImageOps.invert(grey)))
    if mode == "RGBA":
        nothing = Image.new("L", grey.size)
        return Image.merge("RGBA", (nothing, nothing, nothing, ImageOps.invert(grey)))
    if mode == "I;16":
        return Image.fromarray(np.asarray(grey, dtype=np.uint16) * 257)
    return grey.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("1", "PNG"),
        ("L", "PNG"),
        ("LA", "PNG"),
        ("P", "PNG"),
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("I;16", "PNG"),
        ("P", "GIF"),
        ("RGB", "BMP"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGBA", "WEBP"),
    ],
)
def test_every_mode_gives_the_same_digit(mode: str, kind: str) -> None:
    check_alike(read(as_mode(mode), kind))


def test_palette_with_transparency() -> None:
    paper = five().point(lambda tone: 255 * (tone > 127)).convert("P")
    check_alike(read(paper, transparency=255))


def test_transparency_with_light_ink() -> None:
    ink = ImageOps.invert(five())
    white = Image.new("L", ink.size, 255)
    check_alike(read(Image.merge("LA", (white, ink))))


def test_cut_corners_are_not_ink() -> None:
    alpha = Image.new("L", (400, 400))
    ImageDraw.Draw(alpha).rounded_rectangle((0, 0, 399, 399), radius=60, fill=255)
    dark = ImageOps.invert(five())
    check_alike(read(Image.merge("LA", (dark, alpha))))


@pytest.mark.parametrize("side", [120, 1300])
@pytest.mark.parametrize(("size", "at"), [(0.6, (0.2, 0.2)), (0.4, (0.55, 0.05)), (0.9, (0, 0.05))])
@pytest.mark.parametrize("light", [False, True])
def test_size_place_and_polarity_do_not_matter(
    side: int, size: float, at: tuple[float, float], light: bool
) -> None:
    picture = five(side, size, at)
    # cropped at the border, the widest digit loses a corner of its stroke
    check_alike(read(ImageOps.invert(picture) if light else picture), bits=25)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_respected(orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = five().transpose(undo[orientation]) if orientation > 1 else five()
    exif = Image.Exif()
    exif[0x0112] = orientation
    check_alike(read(stored, "JPEG", exif=exif, quality=90))


@pytest.mark.parametrize("noise", [2, 6, 12])
@pytest.mark.parametrize("light", [(0.9, 0.4), (0.5, 0.9), (0.8, 0.8)])
def test_photograph_of_a_digit_on_paper(noise: float, light: tuple[float, float]) -> None:
    drawn = five(1000).filter(ImageFilter.GaussianBlur(2))
    y, x = np.mgrid[:1000, :1000] / 1000
    lamp = light[0] + (light[1] - light[0]) * x - 0.15 * y * y
    values = 255 * lamp * (0.2 + 0.8 * np.asarray(drawn) / 255)
    values += np.random.default_rng(0).normal(0, noise, values.shape)
    values[700:704, 60:64] = 0  # a crumb
    photo = Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")
    check_alike(read(photo, "JPEG", quality=75))


def test_thin_pen_is_drawn_on() -> None:
    picture = Image.new("L", (900, 900), 255)
    ImageDraw.Draw(picture).ellipse((200, 100, 600, 800), outline=0, width=6)
    binary = read(picture)[0] > 0.5
    assert 50 < binary.sum() < 130  # a closed ring, neither broken nor a blot
    assert all(binary[row].any() for row in range(5, 23))


def test_clothes_keep_their_greys_and_fill_the_frame() -> None:
    shown = Image.new("L", (300, 300), 255)
    draw = ImageDraw.Draw(shown)
    draw.rectangle((100, 50, 199, 149), fill=0)
    draw.rectangle((100, 150, 199, 249), fill=128)
    picture = picture_from_upload(file_of(shown), FRAME, "filled")[0]
    assert picture[:14, 7:21].min() > 0.999
    assert torch.allclose(picture[14:, 7:21], torch.tensor(127 / 255), atol=0.01)
    assert max(picture[:, :7].max(), picture[:, 21:].max()) < 1e-6


# Several things, each in its place


def two_fives(side: int = 600) -> Image.Image:
    paper = Image.new("L", (side, side), 255)
    small = five(side // 2, 0.8, (0.2, 0.1))
    paper.paste(small, (0, 0))
    paper.paste(small, (side // 2, side // 2))
    return paper


def test_what_lies_anywhere_stays_in_its_place() -> None:
    picture = picture_from_upload(file_of(two_fives()), (1, 50, 50), "free")[0]
    assert picture.shape == (50, 50)
    one, other = picture[:25, :25], picture[25:, 25:]
    assert one.sum() > 50
    assert torch.allclose(one, other, atol=0.02)
    assert max(picture[:25, 25:].max(), picture[25:, :25].max()) < 1e-6
    alone = normalise_ink(torch.nn.functional.pad(one, (0, 25, 0, 25)), (1, 50, 50), "free")[0]
    assert torch.allclose(alone[:25, :25], one / one.max(), atol=1e-6)


def test_a_wide_picture_of_things_anywhere_is_put_whole_into_the_frame() -> None:
    paper = Image.new("L", (800, 400), 255)
    for left in (20, 680):
        ImageDraw.Draw(paper).rectangle((left, 50, left + 99, 349), fill=0)
    picture = picture_from_upload(file_of(paper), (1, 40, 40), "free")[0]
    rows, columns = torch.nonzero(picture > 0.5, as_tuple=True)
    assert columns.unique().tolist() == [*range(1, 6), *range(34, 39)]
    assert (rows.min(), rows.max()) == (13, 26)  # in the middle of the frame's height


def test_thin_pen_is_drawn_on_where_things_lie_anywhere() -> None:
    paper = Image.new("L", (900, 900), 255)
    ImageDraw.Draw(paper).ellipse((100, 100, 400, 500), outline=0, width=6)
    binary = picture_from_upload(file_of(paper), (1, 50, 50), "free")[0] > 0.5
    assert all(binary[row].any() for row in range(6, 27))
    assert not binary[29:].any()
    assert not binary[:, 24:].any()


# Pictures in colour

RED, BLUE, WHITE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (1.0, 1.0, 1.0)


def in_colour(picture: Image.Image, kind: str = "PNG", **options: object) -> Tensor:
    return picture_from_upload(file_of(picture, kind, **options), (3, 8, 8))


def check_colour(pixels: Tensor, colour: tuple[float, float, float], within: float = 0.02) -> None:
    assert (pixels.flatten(1) - torch.tensor(colour)[:, None]).abs().max() < within


def halves(mode: str = "RGB") -> Image.Image:
    """Paint a red half, a blue quarter and a white one; the middle is half red and half blue."""
    paper = Image.new("RGB", (160, 80), "white")
    paper.paste((255, 0, 0), (0, 0, 80, 80))
    paper.paste((0, 0, 255), (80, 0, 120, 80))
    return paper.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("RGB", "PNG", {}),
        ("RGBA", "WEBP", {"lossless": True}),
        ("P", "GIF", {}),
        ("RGB", "JPEG", {"quality": 95, "subsampling": 0}),
        ("CMYK", "JPEG", {"quality": 95, "subsampling": 0}),
    ],
)
def test_a_picture_in_colour_keeps_its_middle(
    mode: str, kind: str, options: dict[str, object]
) -> None:
    picture = in_colour(halves(mode), kind, **options)
    assert picture.shape == (3, 8, 8)
    assert picture.dtype == torch.float32
    check_colour(picture[:, :, :4], RED)
    check_colour(picture[:, :, 4:], BLUE)


def test_a_picture_in_colour_is_averaged_down() -> None:
    squares = np.indices((80, 80)).sum(0) % 2 * 255
    picture = in_colour(Image.fromarray(squares.astype(np.uint8)))
    assert (picture - 0.5).abs().max() < 0.01


def test_what_is_transparent_shows_white() -> None:
    nothing = Image.new("RGBA", (80, 80), (255, 0, 0, 0))
    check_colour(in_colour(nothing), WHITE)
    nothing.paste((0, 0, 255, 255), (0, 0, 40, 80))
    picture = in_colour(nothing)
    check_colour(picture[:, :, :4], BLUE)
    check_colour(picture[:, :, 4:], WHITE)


def test_a_picture_in_colour_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    stored = halves().crop((40, 0, 120, 80)).transpose(Image.Transpose.ROTATE_90)
    picture = in_colour(stored, exif=exif)
    check_colour(picture[:, :, :4], RED)
    check_colour(picture[:, :, 4:], BLUE)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16"])
def test_greys_are_colours_too(mode: str) -> None:
    picture = in_colour(as_mode(mode) if mode != "1" else five().convert("1"))
    assert torch.equal(picture[0], picture[1])
    assert torch.equal(picture[0], picture[2])
    assert picture.min() < 0.6 < 0.9 < picture.max()


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 500), (2, 3)])
def test_tiny_and_plain_pictures_in_colour(size: tuple[int, int]) -> None:
    check_colour(in_colour(Image.new("RGB", size, (255, 0, 0))), RED)


def test_a_file_that_is_no_picture_in_colour() -> None:
    with pytest.raises(InputError, match="not a picture"):
        picture_from_upload(b"This is a text.", (3, 8, 8))
    with pytest.raises(InputError, match="damaged"):
        picture_from_upload(file_of(halves())[:-60], (3, 8, 8))


@pytest.mark.parametrize(("size", "wanted"), [((2000, 2), (1, 20)), ((2, 2000), (20, 1))])
def test_extremely_thin_ink(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    line = torch.ones(size[1], size[0])
    rows, columns = torch.nonzero(normalise_ink(line, FRAME)[0], as_tuple=True)
    assert (len(rows.unique()), len(columns.unique())) == wanted


@pytest.mark.parametrize("size", [(1, 1), (1, 28), (5000, 1), (3, 3)])
def test_tiny_blank_pictures(size: tuple[int, int]) -> None:
    for tone in (0, 255):
        with pytest.raises(InputError, match="no ink"):
            read(Image.new("L", size, tone))


def test_tiny_picture_with_ink() -> None:
    line = Image.new("L", (28, 1), 255)
    line.putpixel((20, 0), 0)
    assert read(line)[0].sum() > 0


def test_normalised_is_normalised_again_to_itself() -> None:
    assert torch.allclose(normalise_ink(REFERENCE[0], FRAME), REFERENCE, atol=1e-6)
    check_alike(read(Image.fromarray((REFERENCE[0] * 255).round().byte().numpy())), bits=2)


def test_other_frames() -> None:
    assert normalise_ink(REFERENCE[0], (1, 56, 42)).shape == (1, 56, 42)
    with pytest.raises(ValueError, match="one channel"):
        picture_from_upload(file_of(five()), (2, 28, 28))
    with pytest.raises(ValueError, match="one channel"):
        normalise_ink(torch.ones(2, 2), (3, 28, 28))
    with pytest.raises(InputError, match="no ink"):
        normalise_ink(torch.zeros(9, 9), FRAME)


def test_noise_alone_is_blank() -> None:
    noise = np.random.default_rng(0).normal(200, 8, (300, 300)).clip(0, 255).astype(np.uint8)
    with pytest.raises(InputError, match="no ink"):
        read(Image.fromarray(noise))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_damage_gives_a_picture_or_a_sentence(kind: str) -> None:
    whole = file_of(five(60), kind)
    source = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in source.integers(0, min(len(whole), 300), size=3):
            damaged[place] = source.integers(256)
        try:
            picture = picture_from_upload(
                bytes(damaged[: source.integers(1, len(whole) + 1)]), FRAME
            )
        except InputError:
            continue
        assert picture.isfinite().all()
