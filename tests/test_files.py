"""Files: one writer a folder, what killed ones leave behind, damage, and the layout of JSON."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mvae.cli import app
from mvae.files import CheckpointError, read, to_json, version_of, write_atomically, writing
from mvae.training.trainer import Trainer
from mvae.training.zoo import train

#: Begins to write a file, says so, and waits to be killed.
HALF = """
import os, sys
from pathlib import Path
from mvae.files import write_atomically, writing
def wait(*_):
    print("ready", flush=True)
    sys.stdin.read()
os.fsync = wait
with writing(Path(sys.argv[1])):
    write_atomically(Path(sys.argv[1]) / "weights", b"new" * 1000)
"""


@pytest.fixture
def writer(tmp_path):
    """Start another process that has written half of a file into the folder ``mnist/mvae``."""
    folder = tmp_path / "mnist" / "mvae"
    where = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", HALF, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=where,
    )
    assert process.stdout.readline() == "ready\n"
    yield folder, process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_folder_has_one_writer_until_it_ends_or_is_killed(writer):
    folder, process = writer
    (half,) = folder.iterdir()
    with pytest.raises(CheckpointError, match=r"writing into mnist/mvae; wait for it to finish"):  # noqa: SIM117
        with writing(folder):
            pass
    assert [*folder.iterdir()] == [half]
    process.send_signal(signal.SIGKILL)
    process.wait()
    # The lock is gone with the process, and what it left is removed.
    with writing(folder):
        assert not [*folder.iterdir()]


def test_a_temporary_file_that_is_being_written_stays(tmp_path, monkeypatch):
    swept, replace = [], os.replace

    def sweep(old, new):
        with writing(tmp_path):
            swept.append(old)
        replace(old, new)

    monkeypatch.setattr(os, "replace", sweep)
    write_atomically(tmp_path / "file", b"content")
    assert swept
    assert read(tmp_path / "file") == b"content"


@pytest.mark.slow
def test_two_trainings_of_one_folder_are_one_and_a_sentence(few_digits, writer):
    folder, _ = writer
    command = ["train", "mnist", "--recipe", "mvae", "--root", str(folder.parent.parent)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "Another command is writing into mnist/mvae" in result.stderr.splitlines()[-1]


def test_an_unfinished_training_holds_its_folder(few_digits, toy_config, toy_batch, tmp_path):
    data = toy_batch(n=8)
    first = train(toy_config(), data, data, tmp_path / "toys" / "mvae")
    next(first)
    with pytest.raises(CheckpointError, match="Another command"):
        next(train(toy_config(), data, data, tmp_path / "toys" / "mvae"))
    # Another folder is free, and so is this one once the training is given up.
    next(train(toy_config(), data, data, tmp_path / "toys" / "other"))
    first.close()
    *_, last = train(toy_config(), data, data, tmp_path / "toys" / "mvae")
    assert last.epoch == last.epochs


@pytest.mark.parametrize(
    "command",
    [
        "train mnist --recipe classifier",
        "search mnist --recipe mvae-2d",
        "supervise mnist",
        "data mnist --write-samples",
    ],
)
def test_what_all_models_share_has_one_writer_too(few_digits, tmp_path, monkeypatch, command):
    monkeypatch.setattr(Trainer, "_run_epoch", lambda self: pytest.fail("it began to work"))
    with writing(tmp_path / "mnist"):
        result = CliRunner().invoke(app, [*command.split(), "--root", str(tmp_path)])
    assert result.exit_code == 2, result.output
    assert "Another command is writing into" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["evaluate mnist/mvae", "map mnist/mvae"])
def test_what_belongs_to_a_model_is_written_by_one(few_digits, trained_root, command):
    with writing(trained_root / "mnist" / "mvae"):
        result = CliRunner().invoke(app, [*command.split(), "--root", str(trained_root)])
    assert result.exit_code == 2, result.output
    assert "Another command is writing into mnist/mvae" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("where", ["/proc/mnist/mvae", "a file", "a file/mvae", "x" * 300])
def test_a_place_where_nothing_can_be_written_is_refused(tmp_path, where):
    (tmp_path / "a file").write_text("No folder.")
    with pytest.raises(CheckpointError, match="Nothing can be written into"):  # noqa: SIM117
        with writing(tmp_path / where):
            pytest.fail("it began to work")


def test_a_disk_without_room_for_a_first_byte_is_refused(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(CheckpointError, match="No space left"):  # noqa: SIM117
        with writing(tmp_path):
            pytest.fail("it began to work")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    folder = tmp_path / "mnist" / "mvae" / "weights"
    folder.mkdir(parents=True)
    for path, words in (
        (folder, "mnist/mvae/weights cannot be read: Is a directory"),
        (folder / "none", "no file mvae/weights/none"),
        (folder / ("x" * 300), "cannot be read: File name too long"),
    ):
        with pytest.raises(CheckpointError, match=words):
            read(path)
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        version_of(folder / "none")


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
def test_failed_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new" * 1000)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_replaces_a_file_and_makes_its_folder(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    for content in (b"old", b"new"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


NAMES = st.text(max_size=8)
CONTENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(NAMES, inner, max_size=8),
    max_leaves=20,
)


@settings(max_examples=25)
@given(content=CONTENT)
def test_json_is_read_back_as_it_was_whatever_takes_one_line(content):
    assert json.dumps(json.loads(to_json(content))) == json.dumps(content)


def test_a_figure_takes_one_line():
    figure = {"mean": 0.123456789012345, "n": 10000, "by_dimension": [0.1] * 64}
    ranks = [[7] * 20] * 16
    lines = to_json({"protocol": {"seed": 0, "text": "x" * 99}, "test": {"a": figure, "b": ranks}})
    assert f'  "a": {json.dumps(figure)},' in lines.splitlines()
    assert f'  "b": {json.dumps(ranks)}' in lines.splitlines()
    assert f'  "text": "{"x" * 99}"' in lines.splitlines()
