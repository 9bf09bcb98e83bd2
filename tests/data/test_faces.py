"""Generated faces: what is drawn, what of it is seen, and shards that survive interruption."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import torch
from dicebear import Avatar
from scipy.stats import chisquare

from mvae import files
from mvae.data import DatasetError
from mvae.data import faces as faces_module
from mvae.data.face_generator import (
    ATTRIBUTES,
    TRAITS,
    _style,
    attributes,
    draw_traits,
    render,
    style_options,
)
from mvae.data.faces import FACES, make
from mvae.data.faces19 import FACES19

SPLITS = ("train", "valid", "test")


@pytest.fixture
def own_faces(few_faces, tmp_path, monkeypatch) -> Path:
    """Set the data folder to a copy that a test may damage; give the folder of the shards."""
    shutil.copytree(few_faces / "faces", tmp_path / "faces")
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    return tmp_path / "faces"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# What is drawn


@pytest.fixture(scope="module")
def many() -> list[dict[str, str]]:
    return [draw_traits(number) for number in range(6000)]


def test_every_row_of_the_network_is_a_distribution_and_none_is_missing():
    values = {trait.name: trait.values for trait in TRAITS}
    for i, trait in enumerate(TRAITS):
        assert set(trait.parents) <= {before.name for before in TRAITS[:i]}
        rows = [()]
        for parent in trait.parents:
            rows = [(*row, value) for row in rows for value in values[parent]]
        assert set(trait.table) == set(rows)
        for row in trait.table.values():
            assert len(row) == len(trait.values)
            assert min(row) > 0
            assert sum(row) == pytest.approx(1)


def test_traits_come_as_often_as_the_network_says(many):
    for trait in TRAITS:
        for parents, row in trait.table.items():
            of = [t for t in many if tuple(t[parent] for parent in trait.parents) == parents]
            counts = Counter(t[trait.name] for t in of)
            seen = [counts[value] for value in trait.values]
            assert chisquare(seen, [p * len(of) for p in row]).pvalue > 1e-4, (trait.name, parents)


def test_no_attribute_is_constant_or_says_the_same_as_another(many):
    table = torch.tensor([attributes(traits) for traits in many])
    share = table.float().mean(0)
    assert len(ATTRIBUTES) == table.shape[1] == 18
    assert share.min() > 0.05
    assert share.max() < 0.95
    for one, other in combinations(table.T, 2):
        assert 0.05 < (one == other).float().mean() < 0.95


def test_one_attribute_tells_something_of_another(many):
    table = torch.tensor([attributes(traits) for traits in many]).float()
    between = dict(zip(ATTRIBUTES, torch.corrcoef(table.T), strict=True))
    place = list(ATTRIBUTES).index
    assert between["beard"][place("long hair")] < -0.3
    assert between["grey hair"][place("glasses")] > 0.2
    assert between["sunglasses"][place("hat")] > 0.2
    assert between["hat"][place("smiling")].abs() < 0.05  # and nothing of a third


def test_a_bald_head_has_no_tone_of_hair(many):
    names = list(ATTRIBUTES)
    for traits in many:
        has = dict(zip(names, attributes(traits), strict=True))
        assert sum(has[name] for name in ("long hair", "curly hair", "bald")) <= 1
        tones = sum(has[f"{tone} hair"] for tone in ("black", "brown", "blond", "grey", "red"))
        assert tones == (not has["bald"] and traits["tone"] != "dyed")


def test_the_style_draws_what_the_attributes_say():
    for number in range(60):
        traits = draw_traits(number)
        has = dict(zip(ATTRIBUTES, attributes(traits), strict=True))
        drawn = Avatar(_style(), style_options(number, traits)).to_json()["options"]
        assert ("hatVariant" in drawn) == has["hat"]
        assert ("beardVariant" in drawn) == has["beard"]
        assert ("accessoriesVariant" in drawn) == has["earrings"]
        assert ("hairVariant" not in drawn) == has["bald"]
        assert drawn.get("glassesVariant", "").startswith("light") == has["glasses"]
        assert drawn.get("glassesVariant", "").startswith("dark") == has["sunglasses"]
        if not has["mouth open"]:
            assert drawn["mouthVariant"].startswith("happy") == has["smiling"]


@pytest.mark.parametrize("trait", TRAITS, ids=lambda trait: trait.name)
def test_every_attribute_is_seen(trait):
    """With another value of a trait, at least two cells of the picture differ clearly."""
    for number in range(30):
        traits = draw_traits(number)
        if trait.name == "tone" and traits["cut"] == "bald":
            continue
        picture = render(number, traits).int()
        for value in set(trait.values) - {traits[trait.name]}:
            other = render(number, traits | {trait.name: value}).int()
            clear = ((picture - other).abs().amax(0) > 40).sum()
            assert clear >= 8, (number, value)


def test_what_is_no_attribute_varies():
    traits = draw_traits(0)
    pictures = [render(number, traits) for number in range(12)]
    assert len({picture.numpy().tobytes() for picture in pictures}) == 12
    corners = {tuple(picture[:, 0, 0].tolist()) for picture in pictures}
    assert len(corners) > 3  # the background


def test_what_the_attributes_are_is_said(few_faces):
    from mvae.data import face_generator

    for name in ATTRIBUTES:
        assert f"\n{name} " in face_generator.__doc__
        words = set(name.split()) - {"hair", "skin"}
        assert all(word in " ".join(FACES.facts).lower() for word in words)
    assert "CC0" in FACES.source


# Splits


@pytest.mark.parametrize("dataset", [FACES, FACES19], ids=lambda dataset: dataset.name)
def test_splits_fit_the_modalities_and_share_no_face(few_faces, dataset):
    batches = {split: dataset.load(split, False) for split in SPLITS}
    assert [len(batch) for batch in batches.values()] == [100, 10, 10]
    pictures = set()
    for batch in batches.values():
        assert batch.present.all()
        assert batch.names == tuple(m.name for m in dataset.modalities)
        image = batch.values["image"]
        assert image.shape[1:] == (3, 32, 32)
        assert image.min() >= 0
        assert 0.5 < image.max() <= 1
        pictures |= {picture.numpy().tobytes() for picture in image}
    assert len(pictures) == 120


def test_pictures_keep_their_attributes(few_faces):
    for split, start in (("train", 0), ("valid", 100), ("test", 110)):
        batch = FACES.load(split, False)
        for i in (0, len(batch) - 1):
            traits = draw_traits(start + i)
            expected = render(start + i, traits).float() / 255
            assert torch.equal(batch.values["image"][i], expected)
            assert batch.values["attributes"][i].tolist() == attributes(traits)


def test_in_19_modalities_each_attribute_stands_by_itself(few_faces):
    tags, apart = FACES.load("test", False), FACES19.load("test", False)
    assert torch.equal(tags.values["image"], apart.values["image"])
    names = FACES.modalities[1].categories
    assert [m.name for m in FACES19.modalities] == ["image", *names]
    for i, m in enumerate(FACES19.modalities[1:]):
        assert (m.kind, m.categories) == ("label", ("no", "yes"))
        assert torch.equal(apart.values[m.name], tags.values["attributes"][:, i].long())


# Making them


def test_progress_counts_the_faces(few_faces):
    progress = list(make())
    assert progress[0] == (5, 120)
    assert progress[-1] == (120, 120)
    assert [done for done, _ in progress] == sorted({done for done, _ in progress})


@pytest.mark.slow
def test_another_process_makes_the_same_bytes(few_faces, tmp_path):
    code = (
        "from mvae.data import faces; faces.SHARD = 5; made = faces.make(); next(made); next(made)"
    )
    environment = {
        "MVAE_DATA": str(tmp_path),
        "PYTHONHASHSEED": "77",
        "PYTHONPATH": ":".join(sys.path),
    }
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    made = contents(tmp_path / "faces")
    assert len(made) == 2
    assert made.items() <= contents(few_faces / "faces").items()


def test_an_interrupted_run_goes_on_where_it_was(few_faces, tmp_path, monkeypatch):
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    drawn = []

    def interrupted(number, traits):
        drawn.append(number)
        if len(drawn) == 13:
            raise KeyboardInterrupt
        return render(number, traits)

    monkeypatch.setattr(faces_module, "render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(make())
    assert sorted(contents(tmp_path / "faces")) == ["shard-00.safetensors", "shard-01.safetensors"]
    list(make())
    assert drawn == [*range(13), *range(10, 120)]
    assert contents(tmp_path / "faces") == contents(few_faces / "faces")


def test_a_half_written_shard_is_never_taken_for_a_whole_one(few_faces, tmp_path, monkeypatch):
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", stop)
        with pytest.raises(KeyboardInterrupt):
            list(make())
    assert contents(tmp_path / "faces") == {}
    # As a power cut leaves it: nobody could clear up.
    whole = contents(few_faces / "faces")
    (tmp_path / "faces" / "tmpabc.tmp").write_bytes(whole["shard-00.safetensors"][:1000])
    list(make())
    (tmp_path / "faces" / "tmpabc.tmp").unlink()
    assert contents(tmp_path / "faces") == whole


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "faces of another size"])
def test_a_damaged_shard_is_named_and_made_again(own_faces, few_faces, damage):
    path = own_faces / "shard-21.safetensors"
    content = path.read_bytes()
    if damage == "faces of another size":
        tensors = files.load_tensors(path)
        files.save_tensors(path, tensors | {"image": tensors["image"][:, :, :16]})
    else:
        path.write_bytes({"cut": content[:-9], "empty": b"", "other": b"\x00" * 99}[damage])
    assert len(FACES.load("train", False)) == 100  # the rest is as good as before
    with pytest.raises(DatasetError) as caught:
        FACES.load("valid", False)
    message = str(caught.value)
    assert message.startswith("faces/shard-21.safetensors is damaged.")
    assert "python -m mvae data faces" in message
    list(make())
    assert contents(own_faces) == contents(few_faces / "faces")


@pytest.mark.parametrize("dataset", [FACES, FACES19], ids=lambda dataset: dataset.name)
def test_missing_faces_are_answered_with_what_to_do(tmp_path, monkeypatch, dataset):
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    for split, shard in (("train", "00"), ("valid", "20"), ("test", "22")):
        with pytest.raises(DatasetError) as caught:
            dataset.load(split, False)
        message = str(caught.value)
        assert message.startswith(f"faces/shard-{shard}.safetensors is missing.")
        assert "`python -m mvae data faces`" in message
        assert "MVAE_DATA" in message
        assert message.endswith(".")
        assert "\n" not in message


def test_loading_needs_no_drawing_library_and_making_says_which(few_faces, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dicebear", None)
    assert len(FACES.load("test", False)) == 10
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match=r"dicebear.*requirements\.txt"):
        list(make())


def test_a_folder_that_takes_nothing_is_said(few_faces, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MVAE_DATA", str(tmp_path / "file"))
    with pytest.raises(DatasetError, match=r"shard-00\.safetensors cannot be written: .*MVAE_DATA"):
        list(make())
