"""Files that are no picture, or none that can be used: each gets a sentence."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from mvae.errors import InputError
from mvae.images.preprocessing import picture_from_upload
from tests.drawings import FRAME, file_of, five


def png_header(width: int, height: int) -> bytes:
    """Give a valid PNG that claims a size and holds next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + size + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b"\0" * (10 * 1024 * 1024 + 1), "10 MB"),
        (b"This is a text.", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (png_header(5001, 5000), "25 million"),
        (png_header(10_000, 10_000), "25 million"),  # Pillow would only warn
        (png_header(20_000, 20_000), "25 million"),  # Pillow would raise
        (png_header(28, 28), "damaged"),
        (file_of(five())[:-900], "damaged"),
        (file_of(five(), "JPEG")[:3000], "damaged"),
        (file_of(five())[:20], "not a picture|damaged"),
        (file_of(Image.new("RGB", (300, 200), "white")), "no ink"),
        (file_of(Image.new("RGBA", (300, 200))), "no ink"),
        (file_of(Image.linear_gradient("L")), "no ink"),
    ],
)
def test_unusable_files_are_told_apart(data: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        picture_from_upload(data, FRAME)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_bomb_warning_turned_into_an_error_elsewhere(recwarn: pytest.WarningsRecorder) -> None:
    import warnings

    warnings.simplefilter("error")
    with pytest.raises(InputError, match="25 million"):
        picture_from_upload(png_header(10_000, 10_000), FRAME)
