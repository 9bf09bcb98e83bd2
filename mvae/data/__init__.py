"""Data sets: the modalities of each, and its three splits."""

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

__all__ = ["DATASETS", "Dataset", "DatasetError", "data_folder", "dataset_of"]

#: Every data set, by name.
DATASETS: dict[str, Dataset] = {
    d.name: d
    for d in (
        *(MNIST, FASHION, QUADRANTS, MULTIMNIST, FACES, FACES19, VISION, CLIPART, TRANSLATION),
        *(VIEWS, CELEBA, CELEBA19, MIRFLICKR),
    )
}


def dataset_of(name: str) -> Dataset:
    """Return a data set by its name.

    Raises:
        DatasetError: if there is no data set of that name.

    Example:
        >>> dataset_of("mnist").title
        'MNIST'
    """
    if name not in DATASETS:
        raise DatasetError(f"No data set is called {name!r}. There are: {', '.join(DATASETS)}.")
    return DATASETS[name]
