"""CelebA's loader, on files in the official format that the tests write."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from mvae.data import DatasetError, celeba, torchvision_import
from mvae.data.celeba import CELEBA, CELEBA19, COLUMNS

#: The official second line.
NAMES = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose "
    "Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee "
    "Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard "
    "Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair "
    "Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young"
)
HEADER = NAMES.split()
IMAGES = [f"{number:06}.jpg" for number in range(1, 13)]
#: Of the twelve images, eight are to learn from.
PARTITION = {image: 0 if i < 8 else 1 if i < 10 else 2 for i, image in enumerate(IMAGES)}


def rows() -> dict[str, list[int]]:
    """Give every image 40 values, no two alike."""
    source = random.Random(0)
    return {image: [source.choice((-1, 1)) for _ in HEADER] for image in IMAGES}


def write_list(
    folder: Path,
    header: list[str],
    table: dict[str, list[int]],
    end: str,
    count: int | None = None,
) -> None:
    """Write the attributes as the official file has them: padded, a space after the names."""
    lines = [str(len(table) if count is None else count), " ".join(header) + " "]
    lines += [f"{image} " + " ".join(f"{v:2}" for v in row) for image, row in table.items()]
    text = "".join(line + end for line in lines)
    (folder / "list_attr_celeba.txt").write_bytes(text.encode())


def edit(path: Path, line: int, text: str) -> None:
    """Replace a line, counted from 1."""
    lines = path.read_text().split("\n")
    lines[line - 1] = text
    path.write_text("\n".join(lines))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Write twelve images, each of a grey of its own, and both lists; give their folder."""
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    for i, image in enumerate(IMAGES):
        picture = Image.new("RGB", (178, 218), (20 * i, 20 * i, 20 * i))
        picture.save(folder / "img_align_celeba" / image, "JPEG", quality=95)
    write_list(folder, HEADER, rows(), "\n")
    partition = "".join(f"{image} {part}\n" for image, part in PARTITION.items())
    (folder / "list_eval_partition.txt").write_text(partition)
    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    return folder


def wanted(*images: str) -> list[list[float]]:
    """Give the 18 attributes of some images as tags."""
    places = [HEADER.index(column) for column in COLUMNS]
    return [[float(rows()[image][place] == 1) for place in places] for image in images]


def message_of(dataset=CELEBA, split="train") -> str:
    with pytest.raises(DatasetError) as caught:
        dataset.load(split, False)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


# Whole files


def test_official_files_are_read_without_a_warning(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = {split: CELEBA.load(split, False) for split in ("train", "valid", "test")}
    parts = {"train": IMAGES[:8], "valid": IMAGES[8:10], "test": IMAGES[10:]}
    for split, images in parts.items():
        batch = batches[split]
        assert batch.present.all()
        assert batch.values["image"].shape == (len(images), 3, 64, 64)
        greys = batch.values["image"].mean((1, 2, 3)) * 255
        assert greys.tolist() == pytest.approx([20 * IMAGES.index(i) for i in images], abs=1)
        assert batch.values["attributes"].tolist() == wanted(*images)


def test_torchvision_reads_the_same_attributes(folder, monkeypatch):
    """With its checksums off: they hold for the whole files only."""
    for name, header in (
        ("identity_CelebA.txt", ""),
        ("list_bbox_celeba.txt", "12\nimage_id x_1 y_1 width height\n"),
        ("list_landmarks_align_celeba.txt", "12\nlefteye_x lefteye_y\n"),
    ):
        (folder / name).write_text(header + "".join(f"{image} 1 1\n" for image in IMAGES))
    theirs = torchvision_import.datasets().CelebA
    monkeypatch.setattr(theirs, "_check_integrity", lambda self: True)
    for split in ("train", "valid", "test"):
        raw = theirs(folder.parent, split=split)
        places = [raw.attr_names.index(column) for column in COLUMNS]
        ours = CELEBA.load(split, False).values["attributes"]
        assert torch.equal(raw.attr[:, places].float(), ours)


def test_19_modalities_hold_the_same(folder):
    tags, apart = CELEBA.load("train", False), CELEBA19.load("train", False)
    assert len(CELEBA19.modalities) == 19
    assert torch.equal(tags.values["image"], apart.values["image"])
    for i, m in enumerate(CELEBA19.modalities[1:]):
        assert (m.name, m.categories) == (CELEBA.modalities[1].categories[i], ("no", "yes"))
        assert torch.equal(apart.values[m.name], tags.values["attributes"][:, i].long())


def test_the_middle_is_cut_out(folder):
    """Exactly the middle 148 × 148: what is outside is red, a stripe at its left edge blue."""
    picture = Image.new("RGB", (178, 218), "red")
    picture.paste("lime", (15, 35, 15 + 148, 35 + 148))
    picture.paste("blue", (15, 35, 15 + 37, 35 + 148))
    picture.save(folder / "img_align_celeba" / IMAGES[0], "PNG")
    red, green, blue = CELEBA.load("train", False).values["image"][0]
    assert red.max() == 0
    assert blue[:, :15].min() == green[:, 17:].min() == 1


def test_columns_are_found_by_name(folder):
    """In any order, and beside others that nobody knows, of which a warning tells."""
    header = ["Unheard_Of", *reversed(HEADER)]
    table = {image: [1, *reversed(row)] for image, row in rows().items()}
    write_list(folder, header, table, "\n")
    with pytest.warns(UserWarning, match="are ignored") as caught:
        batch = CELEBA.load("valid", False)
    assert batch.values["attributes"].tolist() == wanted(*IMAGES[8:10])
    assert [str(warning.message) for warning in caught] == [
        "celeba/list_attr_celeba.txt, line 2: columns that CelebA does not have are ignored: "
        "Unheard_Of."
    ]


def test_windows_line_ends_are_read(folder):
    write_list(folder, HEADER, rows(), "\r\n")
    path = folder / "list_attr_celeba.txt"
    path.write_bytes("\ufeff".encode() + path.read_bytes())  # as some editors mark UTF-8
    path = folder / "list_eval_partition.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert CELEBA.load("valid", False).values["attributes"].tolist() == wanted(*IMAGES[8:10])


def test_no_more_training_images_than_fit_into_memory(folder, monkeypatch):
    monkeypatch.setattr(celeba, "MAX_TRAINING_IMAGES", 3)
    batch = CELEBA.load("train", False)
    assert batch.values["attributes"].tolist() == wanted(*IMAGES[:3])


# Copies that are not whole


def test_a_shorter_copy_is_read_whatever_its_count_says(folder):
    """Rows were cut off, the count of 202,599 was not, and the partition knows all images."""
    table = dict(list(rows().items())[:9])
    write_list(folder, HEADER, table, "\n", count=202599)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert CELEBA.load("train", False).values["attributes"].tolist() == wanted(*IMAGES[:8])
        assert len(CELEBA.load("valid", False)) == 1
        assert "No image of the test split" in message_of(split="test")
    count = "celeba/list_attr_celeba.txt, line 1: the count is 202599, but 9 rows follow."
    assert [str(warning.message) for warning in caught] == [
        *(count, count),
        "1 of 2 valid images in celeba/img_align_celeba are left out: 000010.jpg has no "
        "attributes.",
        count,
    ]


def test_missing_and_broken_images_are_named_and_left_out(folder):
    images = folder / "img_align_celeba"
    (images / "000002.jpg").unlink()
    whole = (images / "000004.jpg").read_bytes()
    (images / "000004.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "000005.jpg").write_bytes(b"no picture")
    Image.new("RGB", (64, 64)).save(images / "000007.jpg")
    with pytest.warns(UserWarning, match="are left out") as caught:
        batch = CELEBA.load("train", False)
    good = [IMAGES[i] for i in (0, 2, 5, 7)]
    assert batch.values["attributes"].tolist() == wanted(*good)
    greys = batch.values["image"].mean((1, 2, 3)) * 255
    assert greys.tolist() == pytest.approx([20 * IMAGES.index(i) for i in good], abs=1)
    assert [str(warning.message) for warning in caught] == [
        "4 of 8 train images in celeba/img_align_celeba are left out: 000002.jpg is missing, "
        "000004.jpg is damaged or too small, 000005.jpg is damaged or too small, "
        "000007.jpg is damaged or too small."
    ]
    assert len(CELEBA.load("valid", False)) == 2


def test_without_any_image_it_says_so(folder):
    for image in IMAGES:
        (folder / "img_align_celeba" / image).unlink()
    message = message_of()
    assert "8 of 8 train images" in message
    assert "000005.jpg is missing, and 3 more" in message
    assert "MVAE_DATA" in message


@pytest.mark.parametrize(
    ("dataset", "name"),
    [(CELEBA, "list_attr_celeba.txt"), (CELEBA19, "list_eval_partition.txt")],
    ids=["celeba", "celeba19"],
)
def test_missing_lists_are_answered_with_what_to_do(folder, dataset, name):
    (folder / name).unlink()
    message = message_of(dataset)
    assert f"celeba/{name}: No such file" in message
    assert "`python -m mvae data celeba`" in message
    assert "MVAE_DATA" in message


# Lists that are not in the format


@pytest.mark.parametrize(
    ("line", "text", "problem"),
    [
        (1, "image_id,Bald,Bangs", "line 1: a count is expected, not 'image_id,Bald,Bangs'"),
        (2, " ".join(HEADER).replace("Bangs ", ""), "line 2: there is no column Bangs"),
        (
            2,
            f"{' '.join(HEADER)} More",
            "line 3: 42 fields, a file name first, are expected, not 4",
        ),
    ],
)
def test_attributes_of_which_nothing_can_be_used_are_refused(folder, line, text, problem):
    edit(folder / "list_attr_celeba.txt", line, text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the column that nobody knows
        assert message_of().startswith(f"celeba/list_attr_celeba.txt, {problem}")


@pytest.mark.parametrize(
    ("line", "text", "problem"),
    [
        (5, "000003.jpg -1  1 -1", "41 fields, a file name first, are expected, not 4"),
        (5, "", "41 fields, a file name first, are expected, not 0"),
        (5, "000003.jpg" + " 0" * 40, "an attribute is 1 or -1, not '0'"),
    ],
)
def test_a_wrong_line_of_the_attributes_is_named_and_left_out(folder, line, text, problem):
    edit(folder / "list_attr_celeba.txt", line, text)
    with pytest.warns(UserWarning, match="left out") as caught:
        batch = CELEBA.load("train", False)
    good = [image for image in IMAGES[:8] if image != "000003.jpg"]
    assert batch.values["attributes"].tolist() == wanted(*good)
    assert [str(warning.message) for warning in caught] == [
        f"1 of 12 rows of celeba/list_attr_celeba.txt are left out: line {line}: {problem}.",
        "1 of 8 train images in celeba/img_align_celeba are left out: 000003.jpg has no "
        "attributes.",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("000003.jpg 3", "a part is 0, 1 or 2, not '3'"),
        ("000003", "2 fields, a file name first, are expected, not 1"),
    ],
)
def test_a_wrong_line_of_the_partition_is_named_and_left_out(folder, text, problem):
    edit(folder / "list_eval_partition.txt", 3, text)
    with pytest.warns(UserWarning, match="left out") as caught:
        batch = CELEBA.load("train", False)
    assert len(batch) == 7
    assert [str(warning.message) for warning in caught] == [
        f"1 of 12 rows of celeba/list_eval_partition.txt are left out: line 3: {problem}."
    ]


@pytest.mark.parametrize("content", [b"", b"202599"])
def test_an_empty_list_is_refused(folder, content):
    (folder / "list_attr_celeba.txt").write_bytes(content)
    assert message_of().startswith("celeba/list_attr_celeba.txt, line ")


def test_a_list_that_is_no_text_is_refused(folder):
    (folder / "list_attr_celeba.txt").write_bytes(b"\x89PNG\xff\xfe")
    assert message_of() == (
        "celeba/list_attr_celeba.txt is not a text file. Restore the official one."
    )


# Fetching


def test_torchvision_fetches_only_what_is_not_there_and_only_when_allowed(folder, monkeypatch):
    fetched = []

    def fetch(root, download):
        fetched.append((root, download))
        folder.with_name("elsewhere").rename(folder)

    monkeypatch.setattr(torchvision_import, "datasets", lambda: SimpleNamespace(CelebA=fetch))
    assert len(CELEBA.load("train", True)) == 8
    assert fetched == []
    folder.rename(folder.with_name("elsewhere"))
    message_of()
    assert fetched == []
    assert len(CELEBA.load("train", True)) == 8
    assert fetched == [(folder.parent, True)]


def test_why_nothing_could_be_fetched_is_said(tmp_path, monkeypatch):
    def fetch(root, download):
        raise RuntimeError("'gdown' is required.\nInstall it.")

    monkeypatch.setenv("MVAE_DATA", str(tmp_path))
    monkeypatch.setattr(torchvision_import, "datasets", lambda: SimpleNamespace(CelebA=fetch))
    with pytest.raises(
        DatasetError,
        match=r"\('gdown' is required\. Install it\).*`pip install gdown`.*https://.*MVAE_DATA",
    ):
        CELEBA.load("train", True)
