"""Faces: a generated portrait of 32 × 32 pixels, and which of 18 attributes it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from mvae.batch import Batch
from mvae.data.annotations import as_tags
from mvae.data.dataset import Dataset, DatasetError, Split, data_folder
from mvae.data.face_generator import ATTRIBUTES, attributes, draw_traits, render
from mvae.files import CheckpointError, load_tensors, save_tensors
from mvae.modality import Modality

__all__ = ["FACE", "FACES", "FACES_SOURCE", "FACE_FACTS", "face_split", "make"]

FACES_SOURCE = (
    "Faces drawn by the style Pixel Art of DiceBear, https://www.dicebear.com/styles/pixel-art, "
    "CC0 1.0; its beards, dark lenses and earrings were made easier to see"
)

#: The portrait.
FACE = Modality(
    name="image",
    kind="image",
    shape=(3, 32, 32),
    likelihood="bernoulli-cross-entropy",
    hidden=(256,),
    convolutions=(32, 64, 64),
)

MODALITIES = (FACE, as_tags(ATTRIBUTES))

#: Facts about the faces, for users.
FACE_FACTS = (
    "24,000 generated colour faces of 32 × 32 pixels, drawn on 16 × 16 cells: 20,000 for training, "
    "2,000 for choosing settings, and 2,000 for testing. They show no real person.",
    "Hairstyle: long hair (below the chin), curly hair, bald; otherwise short. Hair colour: black, "
    "brown, blond, grey, red; otherwise dyed, and none if the head is bald. Skin: pale, dark; "
    "otherwise medium. Eyes: glasses (clear lenses) or sunglasses (dark ones).",
    "Present or absent: hat, earrings, beard, lipstick (a bright red or pink mouth), smiling (a "
    "corner of the mouth turned up), mouth open (with a visible inside).",
    "Attributes depend on each other through a small Bayesian network: bearded faces rarely have "
    "long hair or lipstick, grey hair often comes with glasses, and sunglasses with a hat. The "
    "exact hairstyle, shades, eyes, clothes and background are random.",
)

SHARD = 1000
#: The shards of each split, with 1,000 consecutive faces each.
SHARDS: dict[Split, range] = {
    "train": range(20),
    "valid": range(20, 22),
    "test": range(22, 24),
}


def _path(shard: int) -> Path:
    return data_folder() / "faces" / f"shard-{shard:02}.safetensors"


def _read(shard: int) -> dict[str, Tensor]:
    """Read a shard: bytes ``image`` (n, 3, 32, 32), and a 0 or 1 per face for each attribute.

    Raises:
        DatasetError: if it is missing or incomplete.
    """
    path, problem = _path(shard), "is damaged"
    shapes = {"image": (SHARD, *FACE.shape), **dict.fromkeys(ATTRIBUTES, (SHARD,))}
    try:
        tensors = load_tensors(path)
        if all(
            name in tensors and tensors[name].shape == shape and tensors[name].dtype == torch.uint8
            for name, shape in shapes.items()
        ):
            return tensors
    except CheckpointError:
        problem = problem if path.exists() else "is missing"
    raise DatasetError(
        f"faces/{path.name} {problem}. `python -m mvae data faces` makes it, in a few seconds "
        "(all faces: a few minutes); otherwise set MVAE_DATA to the folder that contains faces."
    )


def make() -> Iterator[tuple[int, int]]:
    """Make the shards that are missing or damaged, one after the other; yield the progress.

    A face depends only on its number, and a shard is written completely or not at all: if
    interrupted at any time, this resumes, and the bytes are the same.

    Raises:
        DatasetError: if the drawing libraries are not installed, or a shard cannot be written.
    """
    total = sum(map(len, SHARDS.values()))
    for shard in range(total):
        try:
            _read(shard)
        except DatasetError:
            try:
                _make(shard)
            except ImportError as error:
                raise DatasetError(
                    f"Faces cannot be drawn ({error}). Install the packages in requirements.txt."
                ) from None
            except OSError as error:
                raise DatasetError(
                    f"faces/{_path(shard).name} cannot be written: {error.strerror}. Set "
                    "MVAE_DATA to a folder with room for 100 MB, and run the command again."
                ) from None
        yield (shard + 1) * SHARD, total * SHARD


def _make(shard: int) -> None:
    """Draw the faces of a shard and write it."""
    images, table = [], []
    for number in range(shard * SHARD, (shard + 1) * SHARD):
        traits = draw_traits(number)
        images.append(render(number, traits))
        table.append(attributes(traits))
    columns = torch.tensor(table, dtype=torch.uint8).unbind(1)
    tensors = {"image": torch.stack(images), **dict(zip(ATTRIBUTES, columns, strict=True))}
    save_tensors(_path(shard), tensors)


def face_split(split: Split) -> tuple[Tensor, dict[str, Tensor]]:
    """Load a split: images ``(B, 3, 32, 32)`` in [0, 1], and a 0 or 1 per face by attribute.

    Raises:
        DatasetError: if a shard is missing or damaged; the message names the first.
    """
    shards = [_read(shard) for shard in SHARDS[split]]
    images = torch.cat([shard["image"] for shard in shards]).float() / 255
    return images, {name: torch.cat([shard[name] for shard in shards]) for name in ATTRIBUTES}


def load(split: Split, download: bool = False) -> Batch:
    """Load a split."""
    images, table = face_split(split)
    return Batch.of(MODALITIES, {"image": images, "attributes": torch.stack([*table.values()], 1)})


FACES = Dataset("faces", "Faces", MODALITIES, FACES_SOURCE, load, FACE_FACTS, make)
