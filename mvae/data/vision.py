"""Vision: a face, and four processed versions of it: grey, edges, masked, watermarked."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from mvae.batch import Batch
from mvae.data.dataset import Dataset, Split
from mvae.data.faces import FACE, FACE_FACTS, FACES_SOURCE, face_split, make
from mvae.modality import Modality

__all__ = ["VISION", "views_of"]


def _grey_view(name: str) -> Modality:
    """Return the modality of a view with one channel."""
    return Modality(
        name=name,
        kind="image",
        shape=(1, *FACE.shape[1:]),
        likelihood="bernoulli-cross-entropy",
        hidden=(256,),
        convolutions=(16, 32, 32),
    )


MODALITIES = (
    FACE,
    _grey_view("grey"),
    _grey_view("edges"),
    FACE.model_copy(update={"name": "masked"}),
    FACE.model_copy(update={"name": "watermarked"}),
)

#: Brightness of red, green and blue light (ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)
#: Sobel's estimate of the slope from left to right; transposed, from top to bottom.
SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
#: The watermark, which is repeated like the black squares of a chessboard, its opacity, and its
#: grey value, which contrasts with light and dark.
MARK = ("#...#", "##.##", "#.#.#", "#...#", "#...#")
OPACITY, INK = 0.7, 0.5


def views_of(picture: Tensor) -> dict[str, Tensor]:
    r"""Turn pictures into all five modalities; each is a function of the picture alone.

    - ``image``: the picture x.
    - ``grey``: its luma, 0.299 R + 0.587 G + 0.114 B.
    - ``edges``: the magnitude of the grey picture's gradient from Sobel's filters, where 1 is a
      straight edge between black and white, :math:`\min(1, \sqrt{s_x^2 + s_y^2} / 4)`; beyond the
      border the outermost pixels are repeated.
    - ``masked``: the middle, half the height and half the width, is black.
    - ``watermarked``: (1 − a) x + ½ a, where a is 0.7 on a small grey M, repeated, and 0 elsewhere.

    Args:
        picture: ``(B, 3, H, W)`` in [0, 1].

    Returns:
        dict: name to ``(B, 3, H, W)``, or ``(B, 1, H, W)`` for ``grey`` and ``edges``, in [0, 1].

    Example:
        >>> views = views_of(torch.rand(2, 3, 32, 32))
        >>> {name: tuple(view.shape[1:]) for name, view in views.items()}["edges"]
        (1, 32, 32)
    """
    _, _, height, width = picture.shape
    grey = (picture * picture.new_tensor(LUMA).reshape(3, 1, 1)).sum(1, keepdim=True).clamp(max=1)
    across = picture.new_tensor(SOBEL)
    filters = torch.stack([across, across.T]).unsqueeze(1)  # (2, 1, 3, 3)
    slopes = conv2d(pad(grey, (1, 1, 1, 1), mode="replicate"), filters)  # (B, 2, H, W)
    masked = picture.clone()
    masked[..., height // 4 : height - height // 4, width // 4 : width - width // 4] = 0
    mark = picture.new_tensor([[cell == "#" for cell in row] for row in MARK]) * OPACITY
    square = pad(mark, (0, 3, 0, 3))  # (8, 8)
    board = torch.block_diag(square, square)
    rows, columns = (-(-side // len(board)) for side in (height, width))
    alpha = board.repeat(rows, columns)[:height, :width]
    return {
        "image": picture,
        "grey": grey,
        "edges": (slopes.norm(dim=1, keepdim=True) / 4).clamp(max=1),
        "masked": masked,
        "watermarked": picture * (1 - alpha) + INK * alpha,
    }


def load(split: Split, download: bool = False) -> Batch:
    """Load a split."""
    images, _ = face_split(split)
    return Batch.of(MODALITIES, views_of(images))


VISION = Dataset(
    "vision",
    "Faces, five views",
    MODALITIES,
    FACES_SOURCE,
    load,
    (
        FACE_FACTS[0],
        "Each face in five views, four of them computed from the first: in colour; grey (its "
        "luma); its edges (Sobel's filters); masked (the middle, half as high and as wide, is "
        "black); watermarked (a repeated grey M, three tenths transparent).",
    ),
    make,
    derive=views_of,
)
