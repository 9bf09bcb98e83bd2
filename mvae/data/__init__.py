"""Data sets: what each is made of, and its three splits."""

from __future__ import annotations

from mvae.data.celeba import CELEBA, CELEBA19
from mvae.data.clipart import CLIPART
from mvae.data.dataset import Dataset, DatasetError, data_folder
from mvae.data.faces import FACES
from mvae.data.faces19 import FACES19
from mvae.data.fashion import FASHION
from mvae.data.mirflickr import MIRFLICKR
from mvae.data.mnist import MNIST
from mvae.data.multimnist import MULTIMNIST
from mvae.data.quadrants import QUADRANTS
from mvae.data.translation import TRANSLATION
from mvae.data.views import VIEWS
from mvae.data.vision import VISION

__all__ = ["DATASETS", "Dataset", "DatasetError", "data_folder"]

#: Every data set by its name.
DATASETS: dict[str, Dataset] = {
    d.name: d
    for d in (
        *(MNIST, FASHION, QUADRANTS, MULTIMNIST, FACES, FACES19, VISION, CLIPART, TRANSLATION),
        *(VIEWS, CELEBA, CELEBA19, MIRFLICKR),
    )
}
