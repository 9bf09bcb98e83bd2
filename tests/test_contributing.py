"""What CONTRIBUTING.md and README.md name exists, their code runs, and nothing is forgotten."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from mvae.checkpoint import load_samples
from mvae.data import DATASETS, DatasetError
from mvae.files import CheckpointError
from mvae.training.budgets import BUDGETS
from mvae.training.recipes import config_for
from pages.parts.links import LISTS, SIMPLE
from pages.parts.view import View
from tests.pages.test_plain import PAGES

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ("README.md", "CONTRIBUTING.md", "docs/checkpoints.md", "docs/pages/evaluation.md")
#: A file or a folder of the repository, without what a reader puts in place of NAME.
PATH = re.compile(r"(?<![\w/.])(?:mvae|pages|tests|docs|examples|\.ci|\.github)/[\w./-]*")
LINK = re.compile(r"\]\(((?!https?:|#)[^)#]+)")


@pytest.mark.parametrize("text", TEXTS)
def test_every_path_that_is_named_exists(text):
    content = (ROOT / text).read_text("utf-8")
    paths = {p.rstrip(".") for p in PATH.findall(content) if "NAME" not in p}
    named = {ROOT / p for p in paths if p.endswith("/") or Path(p).suffix}
    named |= {(ROOT / text).parent / link for link in LINK.findall(content)}
    assert named
    assert {str(path) for path in named if not path.exists()} == set()


@pytest.mark.parametrize("text", ["README.md", "docs/pages/index.md"])
def test_the_python_of_a_text_runs(text, capsys):
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / text).read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, names)  # each goes on where the last one ended
    assert capsys.readouterr().out


def test_every_field_of_a_view_is_kept_in_links():
    elsewhere = {"data", "model", "supply", "models", "entries"}
    assert {f.name for f in fields(View)} == {*SIMPLE, *LISTS, *elsewhere}


def test_every_page_is_in_the_navigation_and_shown_hostile_checkpoints():
    pages = {path.name for path in (ROOT / "pages").glob("*.py")} - {"frame.py", "__init__.py"}
    frame = (ROOT / "pages" / "frame.py").read_text("utf-8")
    assert set(re.findall(r'st\.Page\("(.+?)"', frame)) == pages
    assert set(PAGES) == pages


def test_every_data_set_has_a_budget_and_one_without_is_told_where_it_goes(monkeypatch):
    assert BUDGETS.keys() == DATASETS.keys()
    monkeypatch.delitem(BUDGETS, "views")
    with pytest.raises(DatasetError, match=r"^views has no budget: .*training/budgets\.py\.$"):
        config_for("views", "mvae")


def test_lacking_examples_are_answered_with_the_command_that_writes_them(tmp_path):
    with pytest.raises(CheckpointError, match=r"`python -m mvae data views --write-samples`"):
        load_samples("views", DATASETS["views"].modalities, tmp_path)
