"""The error of a data set that cannot be loaded."""

from __future__ import annotations

import pytest

from mvae.data import DatasetError, data_folder
from mvae.data.dataset import Dataset, Split

__all__ = ["load_error"]


def load_error(dataset: Dataset, split: Split = "train") -> str:
    """Return the error of loading a split: one sentence on one line, without a path."""
    with pytest.raises(DatasetError) as caught:
        dataset.load(split, False)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert str(data_folder()) not in message
    return message
