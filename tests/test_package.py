"""The package: what an installation of it brings, exports, and says where a library is missing."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mvae
from mvae import cli, launch

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CORE, EXTRAS = PROJECT["dependencies"], PROJECT["optional-dependencies"]


def lines_of(path: str) -> list[str]:
    """Return the requirements of a file without its comments."""
    lines = (ROOT / path).read_text("utf-8").splitlines()
    return [line.partition("#")[0].strip() for line in lines]


def test_an_installation_brings_what_requirements_name():
    assert sorted(CORE + EXTRAS["app"] + EXTRAS["train"]) == sorted(lines_of("requirements.txt"))
    assert EXTRAS["dev"] == lines_of("tests/requirements.txt")


def without_extras(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as if no library of the extras were installed."""
    names = {line.partition("==")[0] for line in (*EXTRAS["app"], *EXTRAS["train"])}
    modules = [m for m, found in packages_distributions().items() if names & set(found)]
    assert {"streamlit", "plotly", "umap", "torchvision"} <= set(modules)
    code = f"import sys; sys.modules |= dict.fromkeys({modules}); from mvae.cli import app; app()"
    return subprocess.run(
        [sys.executable, "-c", code, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
    )


@pytest.mark.slow
def test_the_library_alone_infers():
    done = without_extras("infer", "quadrants/mvae-cover", "--supply", "top left,label")
    assert done.returncode == 0, done.stderr
    assert "+ top left" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "library", "extra"),
    [("app", "streamlit", "app"), ("map quadrants/mvae-2d", "umap", "train")],
)
def test_what_needs_an_extra_says_how_to_get_it(tmp_path, command, library, extra):
    done = without_extras(*command.split(), MVAE_CHECKPOINTS=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"This needs {library}, which is not installed: pip install 'mvae-explorer[{extra}]'."
    ]


def test_every_public_name_is_where_type_checkers_are_told_that_it_is():
    tree = ast.parse(Path(mvae.__file__).read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        (alias.name, node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {name for name, _ in typed} | {"__version__"} == set(mvae.__all__)
    for name, module in typed:
        assert getattr(mvae, name) is getattr(importlib.import_module(module), name)
    assert set(mvae.__all__) <= set(dir(mvae))
    with pytest.raises(AttributeError, match="no attribute 'MVEA'"):
        mvae.MVEA  # noqa: B018


def test_importing_the_package_is_quick():
    """A public name is imported when it is used: the version is known without torch."""
    code = "import sys, mvae; print(mvae.__version__, 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == [mvae.__version__, "False"]


def test_the_version_is_that_of_the_package():
    assert PROJECT["dynamic"] == ["version"]
    result = CliRunner().invoke(cli.app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout == f"mvae {mvae.__version__}\n"
    citation = (ROOT / "CITATION.cff").read_text("utf-8").splitlines()
    assert f"version: {mvae.__version__}" in citation


def test_the_explorer_is_served_to_this_machine_with_the_options_that_are_given(monkeypatch):
    started = []
    monkeypatch.setattr(launch.os, "execv", lambda _, command: started.append(command))
    options = ["--port", "8600", "--server.baseUrlPath", "mvae"]
    result = CliRunner().invoke(cli.app, ["app", *options])
    assert result.exit_code == 0, result.output
    (command,) = started
    at = command.index("run")
    assert command[1:at] == ["-P", "-m", "streamlit"]
    assert Path(command[at + 1]) == ROOT / "app.py"
    given = command[at + 2 :]
    pairs = dict(zip(given[::2], given[1::2], strict=True))
    assert pairs == {
        "--server.address": "localhost",
        "--server.port": "8600",
        "--server.baseUrlPath": "mvae",
    }
