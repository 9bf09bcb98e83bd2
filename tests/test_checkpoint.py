"""Checkpoints: round trips, and a sentence for every way in which a file can be wrong."""

from __future__ import annotations

import ast
import json
import math
import re
import subprocess
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mvae
from mvae.checkpoint import (
    ModelConfig,
    available,
    load_metrics,
    load_model,
    load_samples,
    load_saved,
    save_model,
    version,
    weights_at_most,
)
from mvae.data import DATASETS
from mvae.files import CheckpointError, save_listed, save_tensors, sha256, sums
from mvae.training.recipes import config_for
from tests.bundled import CHECKPOINTS
from tests.checkpoint_edits import edit_tensors


@pytest.fixture
def folder(toy_config, tmp_path):
    """Save a toy model as the checkpoint toys/mvae."""
    torch.manual_seed(0)
    config = toy_config()
    save_model(tmp_path / "toys" / "mvae", config, config.build().state_dict())
    return tmp_path / "toys" / "mvae"


def assert_fails_with(folder: Path, *words: str) -> None:
    """Loading fails, with these words and without saying where this machine keeps its files."""
    with pytest.raises(CheckpointError) as caught:
        load_model("toys", "mvae", folder.parent.parent)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert str(folder.parent.parent) not in message
    assert "\n" not in message


def test_weights_return_as_they_were_in_half_precision(toy_config, tmp_path):
    torch.manual_seed(1)
    config = toy_config()
    model = config.build()
    save_model(tmp_path / "toys" / "mvae", config, model.state_dict())
    loaded, same = load_model("toys", "mvae", tmp_path)
    assert same == config
    assert available(tmp_path) == {"toys": ["mvae"]}
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight.half().float()), name
    stored = safetensors.torch.load_file(tmp_path / "toys" / "mvae" / "weights.safetensors")
    assert {w.dtype for w in stored.values()} == {torch.float16}


def test_config_is_readable_json(folder):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["objective"]["name"] == "sub-sampled"
    assert [m["name"] for m in config["modalities"]] == ["image", "label", "point", "colour"]


NAME = "decoders.1.net.0.weight"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop(NAME), ["lacks", NAME]),
        (lambda w: w.update(stranger=torch.zeros(2)), ["stranger", "does not know"]),
        (lambda w: w.update({NAME: torch.zeros(5, 2)}), [NAME, "(5, 2)", "(8, 2)"]),
        (lambda w: w[NAME].view(-1)[3:4].fill_(math.nan), [NAME, "not finite"]),
        (lambda w: w[NAME].view(-1)[3:4].fill_(math.inf), [NAME, "not finite"]),
    ],
    ids=["missing", "extra", "shape", "nan", "infinity"],
)
def test_wrong_tensors_are_named(folder, change, words):
    edit_tensors(folder / "weights.safetensors", change)
    assert_fails_with(folder, "toys/mvae/weights.safetensors", *words)


@pytest.mark.parametrize(
    "dtype", ["bfloat16", "float64", "complex64", "int8", "int32", "int64", "uint8", "bool"]
)
def test_weights_of_another_type_are_refused(folder, dtype):
    wrong = getattr(torch, dtype)
    edit_tensors(
        folder / "weights.safetensors", lambda w: w.update({NAME: w[NAME].float().abs().to(wrong)})
    )
    assert_fails_with(folder, "toys/mvae/weights.safetensors", NAME, str(wrong), "torch.float16")


def test_single_precision_is_taken_as_it_is(folder):
    edit_tensors(
        folder / "weights.safetensors", lambda w: w.update({NAME: torch.full((8, 2), 1 / 3)})
    )
    loaded, _ = load_model("toys", "mvae", folder.parent.parent)
    assert torch.equal(loaded.state_dict()[NAME], torch.full((8, 2), 1 / 3))


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_single_bit_of_the_weights_can_change_unseen(folder, place, bit):
    path = folder / "weights.safetensors"
    before = path.read_bytes()
    after = bytearray(before)
    after[int(place * len(after))] ^= 1 << bit
    path.write_bytes(after)
    try:
        assert_fails_with(folder, "toys/mvae/weights.safetensors", "damaged", "SHA-256")
    finally:
        path.write_bytes(before)


def test_weights_that_no_configuration_names_are_refused(folder):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    del config["weights_sha256"]
    (folder / "config.json").write_text(json.dumps(config))
    assert_fails_with(folder, "toys/mvae/config.json", "weights_sha256", "train again")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"dataset": "mnist"}, "mnist/mvae"),
        ({"model": "mvae-cover"}, "toys/mvae-cover"),
        ({"training": {"epochs": 1, "seed": 3}}, "toys/mvae-seed-3"),
    ],
)
def test_the_configuration_of_another_checkpoint_is_refused(folder, changes, name):
    change_config(folder, **changes)
    assert_fails_with(folder, "toys/mvae/config.json describes", name)


def test_a_version_is_that_of_configuration_and_weights(folder):
    root = folder.parent.parent
    seen = [version("toys", "mvae", root)]
    assert version("toys", "mvae", root) == seen[0]
    change_config(folder, summary="In other words.")
    seen.append(version("toys", "mvae", root))
    edit_tensors(folder / "weights.safetensors", lambda w: w[NAME].add_(1))
    seen.append(version("toys", "mvae", root))
    assert len(set(seen)) == 3
    (folder / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"toys/mvae/weights\.safetensors"):
        version("toys", "mvae", root)


@pytest.mark.slow
def test_everything_bundled_names_its_weights():
    checked = 0
    for dataset, models in available(CHECKPOINTS).items():
        for path in (CHECKPOINTS / dataset).rglob("[cms]*.safetensors"):
            assert sums(path.parent)[path.name] == sha256(path), path
        for model in models:
            folder = CHECKPOINTS / dataset / model
            saved = load_saved(folder)
            assert saved.weights_sha256 == sha256(folder / "weights.safetensors"), folder
            checked += 1
    assert checked > 40


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_truncated_weights_are_called_damaged(folder, length):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    assert_fails_with(folder, "toys/mvae/weights.safetensors", "damaged")


def test_weights_that_cannot_be_read_are_named(folder):
    path = folder / "weights.safetensors"
    path.unlink()
    path.mkdir()
    assert_fails_with(folder, "toys/mvae/weights.safetensors", "cannot be read")


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


@pytest.mark.parametrize("text", [b"", b"{", b'{"latents": 2', b"[]", b"\xff\xfe", b"null"])
def test_config_that_is_no_description_is_called_invalid(folder, text):
    (folder / "config.json").write_bytes(text)
    assert_fails_with(folder, "toys/mvae/config.json", "not valid")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"latents": 0}, "latents"),
        ({"latents": "many"}, "latents"),
        ({"latents": 10**9}, "latents"),
        ({"objective": {"name": "magic"}}, "objective"),
        ({"modalities": []}, "modalities"),
        ({"modalities": [{"name": "x"}]}, "modalities.0"),
        ({"colour": "red"}, "colour"),
        ({"training": {"epochs": -1}}, "training.epochs"),
    ],
)
def test_config_with_a_wrong_field_names_it(folder, changes, word):
    change_config(folder, **changes)
    assert_fails_with(folder, "toys/mvae/config.json", "not valid", word)


def test_config_with_doubled_modalities_is_refused(folder):
    modalities = json.loads((folder / "config.json").read_text("utf-8"))["modalities"]
    change_config(folder, modalities=[modalities[0], modalities[0]])
    assert_fails_with(folder, "toys/mvae/config.json")


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ({"hidden": [-3]}, "modalities.0.hidden.0"),
        ({"shape": [1, -2, -2]}, "modalities.0.shape.1"),
        ({"hidden": [10**9]}, "modalities.0.hidden.0"),
        ({"hidden": [10**30]}, "modalities.0.hidden.0"),
        ({"hidden": [8] * 1000}, "modalities.0.hidden"),
        ({"hidden": [60_000, 60_000]}, "weights"),
        ({"shape": [1, 100_000, 100_000]}, "modalities.0.shape.1"),
        ({"shape": [3, 60_000, 60_000]}, "numbers"),
        ({"shape": [1, 2000, 2000], "hidden": [2000]}, "weights"),
        ({"convolutions": [10**9]}, "modalities.0.convolutions.0"),
        ({"convolutions": [60_000, 60_000]}, "weights"),
        ({"tile": [0, 10**9]}, "modalities.0.tile.1"),
        ({"tile": [-1, 0]}, "modalities.0.tile.0"),
        ({"weight": math.inf}, "modalities.0.weight"),
        ({"weight": 1e300}, "modalities.0.weight"),
    ],
)
def test_config_with_impossible_sizes_is_refused_before_anything_is_made(
    folder, field, word, monkeypatch
):
    monkeypatch.setattr(ModelConfig, "build", lambda self: pytest.fail("it was made"))
    modalities = json.loads((folder / "config.json").read_text("utf-8"))["modalities"]
    change_config(folder, modalities=[modalities[0] | field, *modalities[1:]])
    assert_fails_with(folder, "toys/mvae/config.json", "not valid", word)


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"epochs": 10**23}},
        {"training": {"epochs": 1, "batch": 10**12}},
        {"training": {"epochs": 1, "learning_rate": math.inf}},
        {"training": {"epochs": 1, "seed": -1}},
        {"training": {"epochs": 1, "seed": 10**23}},
    ],
)
def test_config_with_an_impossible_training_is_refused(folder, changes):
    change_config(folder, **changes)
    assert_fails_with(folder, "toys/mvae/config.json", "not valid", "training.")


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("recipe", ["mvae", "cvae", "rbm", "dbm", "deep-rbm", "dae", "jmvae"])
def test_weights_are_counted_well_before_they_are_made(dataset, recipe):
    config = config_for(dataset, recipe)
    try:
        with torch.device("meta"):
            model = config.build()
    except CheckpointError as error:
        assert f"{dataset}/{recipe} cannot be built" in str(error)  # noqa: PT017
    else:
        made = sum(w.numel() for w in model.parameters())
        assert made < 1.4 * weights_at_most(config.modalities, config.latents)


@pytest.mark.parametrize(
    ("dataset", "model"), [("toys", "other"), ("cats", "mvae"), ("..", "toys"), ("toys", "../mvae")]
)
def test_unknown_names_are_answered_with_the_known_ones(folder, dataset, model):
    with pytest.raises(CheckpointError, match=r"no checkpoint .* There are: toys/mvae\."):
        load_model(dataset, model, folder.parent.parent)


def test_a_folder_without_checkpoints_says_none(tmp_path):
    with pytest.raises(CheckpointError, match="There are: none"):
        load_model("toys", "mvae", tmp_path)


def test_a_checkpoint_without_weights_is_not_available(folder):
    (folder / "weights.safetensors").unlink()
    assert available(folder.parent.parent) == {}


@pytest.fixture
def samples(toys, tmp_path):
    """Write three examples of the toys, whose picture is binary."""
    tensors = {
        "image": torch.tensor([0, 255, 0]).to(torch.uint8).reshape(3, 1, 1, 1).expand(3, 1, 2, 2),
        "label": torch.tensor([0, 1, 2]),
        "point": torch.zeros(3, 2),
        "colour": torch.tensor([3, 2, 1]),
    }
    save_tensors(tmp_path / "toys" / "samples.safetensors", tensors)
    return tensors


def test_samples_are_a_batch_of_grey_values_between_0_and_1(samples, toys, tmp_path):
    samples["image"] = (samples["image"].int() + 51).clamp(max=255).to(torch.uint8)
    save_tensors(tmp_path / "toys" / "samples.safetensors", samples)
    grey = toys[0].model_copy(update={"likelihood": "bernoulli-cross-entropy"})
    batch = load_samples("toys", (grey, *toys[1:]), tmp_path)
    assert batch.present.all()
    torch.testing.assert_close(batch.values["image"][:, 0, 0, 0], torch.tensor([0.2, 1.0, 0.2]))
    assert batch.values["label"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("point"), "has no point"),
        (lambda t: t.update(label=torch.tensor([0, 1, 9])), "label must be an index"),
        (lambda t: t.update(image=t["image"] // 2), "image must be 0 or 1"),
        (lambda t: t.update(point=torch.full((3, 2), math.nan)), "point is missing"),
        (lambda t: t.update(point=torch.zeros(3, 5)), "point must be of shape"),
        (lambda t: t.update(point=torch.full((3, 2), math.inf)), "point must be finite"),
    ],
)
def test_samples_that_do_not_fit_are_refused(samples, toys, tmp_path, change, words):
    change(samples)
    save_tensors(tmp_path / "toys" / "samples.safetensors", samples)
    with pytest.raises(CheckpointError, match=words) as caught:
        load_samples("toys", toys, tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_files_that_are_listed_with_their_hash_are_checked(samples, toys, tmp_path):
    path = tmp_path / "toys" / "samples.safetensors"
    save_listed(path, samples)
    save_listed(path.with_name("other.safetensors"), samples)
    load_samples("toys", toys, tmp_path)
    done = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=path.parent, check=False)
    assert done.returncode == 0
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"toys/samples\.safetensors is damaged .*SHA256SUMS"):
        load_samples("toys", toys, tmp_path)
    (path.parent / "SHA256SUMS").write_text("What is this?\n")
    with pytest.raises(CheckpointError, match=r"toys/SHA256SUMS is damaged"):
        load_samples("toys", toys, tmp_path)


def test_absent_samples_are_named(toys, tmp_path):
    with pytest.raises(CheckpointError, match=r"no file .*toys/samples\.safetensors") as caught:
        load_samples("toys", toys, tmp_path)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors", "metrics.json"])
def test_a_folder_in_the_place_of_a_file_is_named(folder, name):
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    root = folder.parent.parent
    load = load_metrics if name == "metrics.json" else load_model
    with pytest.raises(CheckpointError, match=rf"toys/mvae/{re.escape(name)} cannot be read"):
        load("toys", "mvae", root)


def test_metrics_belong_to_exactly_these_weights(folder):
    root, path = folder.parent.parent, folder / "weights.safetensors"
    assert load_metrics("toys", "mvae", root) is None
    metrics = {"protocol": {"weights_sha256": sha256(path)}, "test": {"elbo": {"mean": 1.0}}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    assert load_metrics("toys", "mvae", root).test == metrics["test"]
    save_tensors(path, {"other": torch.zeros(1)})
    assert load_metrics("toys", "mvae", root) is None
    (folder / "metrics.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"toys/mvae/metrics\.json is not valid"):
        load_metrics("toys", "mvae", root)


def test_library_unpickles_nothing():
    for path in Path(mvae.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = {alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")}
            names |= {node.module} if isinstance(node, ast.ImportFrom) else set()
            assert not names & {"pickle", "dill", "joblib", "cloudpickle", "shelve"}, path
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save")}
