"""Uploads cost little memory, whatever is in them, and only what is used is opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mvae.errors import InputError
from mvae.images.decoding import _pixels_of_webp
from mvae.images.preprocessing import picture_from_upload
from tests.drawings import FRAME, file_of, five

ROOT = Path(__file__).parents[2]
#: MB by which the memory of a server may grow while an upload is read.
MOST = 60


def paper(mode: str, width: int, height: int) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.full((height, width), 1000, np.uint16))
    return Image.new(mode, (width, height), "white")


def photograph() -> Image.Image:
    """Take a noisy picture of 12 megapixels, as a phone does."""
    return Image.effect_noise((4000, 3000), 30).convert("RGB")


READ = {
    "16 bits.png": lambda: file_of(paper("I;16", 4400, 4400)),
    "12 megapixels.jpg": lambda: file_of(photograph(), "JPEG", quality=80),
    "progressive.jpg": lambda: file_of(photograph(), "JPEG", quality=60, progressive=True),
    "cmyk.jpg": lambda: file_of(paper("CMYK", 4000, 3000), "JPEG"),
    "25 megapixels.jpg": lambda: file_of(paper("RGB", 5000, 5000), "JPEG"),
    "4K.png": lambda: file_of(paper("RGBA", 3840, 2160)),
    "grey and clear.png": lambda: file_of(paper("LA", 3000, 3000)),
    "palette.gif": lambda: file_of(paper("P", 5000, 5000), "GIF"),
    "lossless.webp": lambda: file_of(paper("RGBA", 1580, 1580), "WEBP", lossless=True),
    "lossy.webp": lambda: file_of(paper("RGB", 1580, 1580), "WEBP"),
    "bitmap.bmp": lambda: file_of(paper("RGB", 1800, 1800), "BMP"),
}
REFUSED = {
    "16 bits of 25 megapixels.png": lambda: file_of(paper("I;16", 5000, 5000)),
    "colours of 25 megapixels.png": lambda: file_of(paper("RGBA", 5000, 5000)),
    "huge.gif": lambda: file_of(paper("P", 9000, 9000), "GIF"),
    "long.jpg": lambda: file_of(paper("RGB", 60_000, 400), "JPEG"),
    "all colours, progressive.jpg": lambda: file_of(
        paper("RGB", 4000, 3000), "JPEG", subsampling=0, progressive=True
    ),
    # The header alone: Pillow would make room for two canvases of a gigabyte.
    "huge.webp": lambda: (
        b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + 2 * (15_999).to_bytes(3, "little")
    ),
    "floats.tiff": lambda: file_of(
        Image.fromarray(np.zeros((5000, 5000), np.float32)), "TIFF", compression="tiff_deflate"
    ),
}


@pytest.mark.slow
def test_no_upload_costs_much_memory(tmp_path):
    files = []
    for name, make in (READ | REFUSED).items():
        files.append(tmp_path / name)
        files[-1].write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-m", "tests.images.upload_memory", *map(str, files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [name for name, _, _ in rows] == [*READ, *REFUSED, *3 * [next(iter(READ))]]
    for name, grown, said in rows:
        assert float(grown) <= MOST, (name, grown)
        assert ("pixels" in said or "PNG, JPEG" in said) == (name in REFUSED), (name, said)


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "TGA", "ICO", "PCX", "JPEG2000", "AVIF", "EPS"])
def test_what_nobody_uses_is_refused_with_what_is_taken(kind):
    try:
        data = file_of(five(64).convert("RGB"), kind)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {kind}")
    with pytest.raises(InputError, match="Choose a PNG, JPEG, WebP, GIF or BMP"):
        picture_from_upload(data, FRAME)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_pixels_of_a_webp_are_counted_before_it_is_opened(mode, lossless):

    data = file_of(
        Image.new(mode, (300, 211), (9, 8, 7, 100)[: len(mode)]), "WEBP", lossless=lossless
    )
    assert _pixels_of_webp(data) == 300 * 211
    assert _pixels_of_webp(file_of(five(64))) == 0
