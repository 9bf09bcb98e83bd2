"""What README says of budgets and λ is what the configurations say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mvae.checkpoint import ModelConfig
from mvae.results.runs import runs, weight_of
from mvae.search_path import CHECKPOINTS

README = Path(__file__).resolve().parents[1] / "README.md"
DATASETS = sorted(path.name for path in CHECKPOINTS.iterdir() if path.is_dir())
COLUMNS = {
    "epochs": lambda config: f"{config.training.epochs}",
    "batch": lambda config: f"{config.training.batch}",
    "learning_rate": lambda config: f"{config.training.learning_rate:g}",
    "λ": lambda config: weight_of(config) or "none",
}


def row(dataset: str, configs: dict[str, ModelConfig]) -> str:
    """Write what most models of a data set have in common, and what the others have instead."""
    usual, others = [], []
    for name, read in COLUMNS.items():
        values = {model: read(config) for model, config in configs.items()}
        common = Counter(values.values()).most_common(1)[0][0]
        usual.append(common)
        for value in sorted(set(values.values()) - {common}, key=float):
            models = ", ".join(f"`{model}`" for model, x in values.items() if x == value)
            others.append(f"{name} {value}: {models}")
    return f"| `{dataset}` | {' | '.join(usual)} | {'; '.join(others) or 'none'} |"


@pytest.mark.parametrize("dataset", DATASETS)
def test_readme_says_which_models_differ_from_the_budget_of_their_data_set(dataset):
    first = {r.name: r.config for r in runs(dataset) if not r.config.training.seed}
    assert row(dataset, first) in README.read_text("utf-8")
