"""Data sets: what each is made of, and its three splits."""

from __future__ import annotations

from mvae.data.dataset import Dataset, DatasetError, data_folder
from mvae.data.fashion import FASHION
from mvae.data.mnist import MNIST
from mvae.data.quadrants import QUADRANTS

__all__ = ["DATASETS", "Dataset", "DatasetError", "data_folder"]

#: Every data set by its name.
DATASETS: dict[str, Dataset] = {d.name: d for d in (MNIST, FASHION, QUADRANTS)}
