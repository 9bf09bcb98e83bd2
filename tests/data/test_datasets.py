"""Data sets and pictures, on files in torchvision's layout that the tests write."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

import mvae
from mvae.checkpoint import load_samples
from mvae.data import DATASETS, DatasetError, data_folder, torchvision_import
from mvae.data.samples import write_samples
from mvae.images.tiling import assemble, cut, picture_shape
from mvae.modality import Modality

SPLITS = ("train", "valid", "test")
#: Those that are made of torchvision's files; the others have tests of their own in tests/data.
OF_TORCHVISION = ("mnist", "fashion", "quadrants")


def rows(batch, name="image") -> set[bytes]:
    return {x.numpy().tobytes() for x in batch.values[name]}


@pytest.mark.parametrize("dataset", ["mnist", "fashion"])
def test_splits_are_disjoint_and_together_everything(digits, dataset):
    train, valid, test = (DATASETS[dataset].load(split, False) for split in SPLITS)
    assert (len(train), len(valid), len(test)) == (80, 5000, 40)
    assert len(rows(train) | rows(valid)) == 5080
    assert not (rows(train) | rows(valid)) & rows(test)


@pytest.mark.parametrize("dataset", OF_TORCHVISION)
def test_validation_split_has_500_of_each_class(digits, dataset):
    labels = DATASETS[dataset].load("valid", False).values["label"]
    assert labels.bincount().tolist() == [500] * 10


def test_splits_are_the_same_every_time(digits):
    torch.manual_seed(1)
    first = DATASETS["mnist"].load("valid", False)
    torch.manual_seed(2)
    again = DATASETS["mnist"].load("valid", False)
    assert all(torch.equal(first.values[n], again.values[n]) for n in first.names)


@pytest.mark.parametrize("dataset", OF_TORCHVISION)
def test_batches_are_complete_and_fit_the_modalities(digits, dataset):
    source = DATASETS[dataset]
    batch = source.load("test", False)
    assert batch.present.all()
    assert batch.names == tuple(m.name for m in source.modalities)
    for m in source.modalities:
        x = batch.values[m.name]
        assert x.shape == (40, *m.event_shape)
        if m.kind == "image":
            grey = ((x > 0) & (x < 1)).any()
            assert grey == (dataset == "fashion")
            assert x.min() >= 0
            assert x.max() <= 1


def test_pictures_keep_their_labels(digits):
    for split in SPLITS:
        batch = DATASETS["fashion"].load(split, False)
        for picture, label in zip(batch.values["image"][:40], batch.values["label"], strict=False):
            c = int(label)
            top, left = 2 + 14 * (c // 5), 1 + 5 * (c % 5)
            assert picture[0, top : top + 10, left : left + 5].min() >= 100 / 255


def test_quarters_are_the_mnist_pictures_cut(digits):
    for split in SPLITS:
        whole, quarters = (DATASETS[name].load(split, False) for name in ("mnist", "quadrants"))
        modalities = DATASETS["quadrants"].modalities
        assert torch.equal(assemble(modalities, quarters.values), whole.values["image"])
        assert torch.equal(quarters.values["label"], whole.values["label"])
    tiles = cut(modalities, whole.values["image"])
    assert all(torch.equal(tile, quarters.values[name]) for name, tile in tiles.items())
    assert picture_shape(modalities) == (1, 28, 28)


def test_a_picture_of_one_whole_image_is_that_image(digits):
    modalities = DATASETS["fashion"].modalities
    batch = DATASETS["fashion"].load("test", False)
    assert torch.equal(assemble(modalities, batch.values), batch.values["image"])
    samples = {"image": torch.rand(3, 5, 1, 28, 28)}
    assert torch.equal(assemble(modalities, samples), samples["image"])


def test_without_images_there_is_no_picture():
    label = Modality(name="label", kind="label", shape=(3,), likelihood="categorical")
    assert picture_shape([label]) is None
    with pytest.raises(ValueError, match="no image modality"):
        assemble([label], {"label": torch.tensor([0])})


@pytest.mark.parametrize("dataset", DATASETS)
def test_missing_data_are_answered_with_what_to_do(tmp_path, monkeypatch, dataset):
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    try:
        batch = DATASETS[dataset].load("train", False)
    except DatasetError as error:
        message = str(error)
    else:  # a data set that an installed package brings has no raw data
        assert len(batch) > 0
        return
    assert "MVAE_DATA" in message
    assert message.endswith(".")
    assert "python -m mvae data" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("file", "length"),
    [("t10k-images-idx3-ubyte", 0), ("t10k-images-idx3-ubyte", 900), ("t10k-labels-idx1-ubyte", 9)],
)
def test_damaged_data_are_a_data_set_error(few_digits, tmp_path, monkeypatch, file, length):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (few_digits / "MNIST" / "raw").iterdir():
        content = path.read_bytes()
        (raw / path.name).write_bytes(content[:length] if path.name == file else content)
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match="MNIST"):
        DATASETS["mnist"].load("test", False)


def test_data_folder_is_the_environments_or_in_the_cache(monkeypatch):
    monkeypatch.setenv("MVAE_DATA", "~/somewhere")
    assert data_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("MVAE_DATA")
    assert data_folder() == Path.home() / ".cache" / "mvae"


@pytest.mark.parametrize("dataset", OF_TORCHVISION)
def test_bundled_examples_are_balanced_test_pictures(digits, tmp_path, dataset):
    source = DATASETS[dataset]
    assert write_samples(dataset, tmp_path, per_class=3) == 30
    batch, test = load_samples(dataset, source.modalities, tmp_path), source.load("test", False)
    labels = batch.values["label"].tolist()
    assert labels == list(range(10)) * 3
    images = assemble(source.modalities, batch.values)
    originals = assemble(source.modalities, test.values)
    for picture in images:
        assert any(torch.allclose(picture, original, atol=1e-6) for original in originals)
    assert len({x.numpy().tobytes() for x in images}) == 30
    note = (tmp_path / dataset / "SOURCE.txt").read_text("utf-8")
    assert source.source in note


def test_examples_are_the_same_every_time(digits, tmp_path):
    for root in ("a", "b"):
        write_samples("quadrants", tmp_path / root, per_class=2)
    one, other = (tmp_path / r / "quadrants" / "samples.safetensors" for r in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()


def test_every_data_set_names_its_source_and_licence():
    for dataset in DATASETS.values():
        assert "http" in dataset.source
        assert any(
            licence in dataset.source
            for licence in (
                *("MIT", "BSD", "CC BY", "CC0", "MPL-2.0", "public domain", "non-commercial"),
            )
        )


def test_torchvision_has_one_door():
    package = Path(mvae.__file__).parent
    for path in package.rglob("*.py"):
        if path == package / "data/torchvision_import.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "torchvision" for name in names), path


def test_the_door_hides_no_other_failure(monkeypatch):
    def fail(_):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(torchvision_import, "import_module", fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        torchvision_import.datasets.__wrapped__()
