"""What people are told when data cannot be used."""

from __future__ import annotations

import pytest

from mvae.data import DatasetError, data_folder
from mvae.data.dataset import Dataset, Split

__all__ = ["sentence_of"]


def sentence_of(dataset: Dataset, split: Split = "train") -> str:
    """Load a split that cannot be loaded; give what it says, which is on one line and no path."""
    with pytest.raises(DatasetError) as caught:
        dataset.load(split, False)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert str(data_folder()) not in message
    return message
