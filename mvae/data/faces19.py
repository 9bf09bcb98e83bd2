"""Faces, 19 modalities: the portrait, and each of its 18 attributes as a label."""

from __future__ import annotations

from mvae.batch import Batch
from mvae.data.annotations import as_labels
from mvae.data.dataset import Dataset, Split
from mvae.data.face_generator import ATTRIBUTES
from mvae.data.faces import FACE, FACE_FACTS, FACES_SOURCE, face_split, make

__all__ = ["FACES19"]

MODALITIES = (FACE, *as_labels(ATTRIBUTES))


def load(split: Split, download: bool = False) -> Batch:
    """Load a split."""
    images, table = face_split(split)
    return Batch.of(MODALITIES, {"image": images, **table})


FACES19 = Dataset(
    "faces19", "Faces, 19 modalities", MODALITIES, FACES_SOURCE, load, FACE_FACTS, make
)
