"""The Results page: tables of measured figures, and what is withheld."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from mvae import checkpoint
from mvae.checkpoint import CHECKPOINTS, load_metrics, sha256, write_json
from mvae.peers import FILE, Peer
from mvae.rows import write_rows
from pages.parts import loading

CACHES = (
    *(loading._load, loading.samples_of, loading.metrics_of),
    *(loading.records_of, loading.peers_of),
)
RANKS = [[100] * 20] * 64


def figure(mean: float, **more: object) -> dict[str, object]:
    return {"mean": mean, "se": 0.25, "n": 1000, **more}


def measure(root: Path, model: str, joint: float) -> None:
    """Write figures of a checkpoint's very weights."""
    folder = root / "mnist" / model
    test = {
        "loglik": {
            "image+label": figure(joint, **{"k_hat_over_0.7": 3}),
            "image|label": figure(joint + 2, **{"k_hat_over_0.7": 4}),
        },
        "accuracy": {"image->label": figure(0.9)},
        "coherence": {"->image": figure(0.6), "label->image": figure(0.5)},
        "coverage_90%": {"image": figure(0.8), "label": figure(0.9), "image+label": figure(0.7)},
        "entropy": {
            "": figure(90.8),
            "image": figure(60),
            "label": figure(89),
            "image+label": figure(59),
        },
        "ranks": {"image": RANKS, "label": RANKS, "image+label": RANKS},
    }
    protocol = {
        "weights_sha256": sha256(folder / "weights.safetensors"),
        "K": 1000,
        "proposal": "the mixture",
        "date": "2026-11-23",
        "command": f"python -m mvae evaluate mnist/{model}",
    }
    write_json(folder / "metrics.json", {"protocol": protocol, "test": test})


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Give the checkpoints of MNIST with figures that are known."""
    shutil.copytree(CHECKPOINTS / "mnist", tmp_path / "mnist")
    for path in (tmp_path / "mnist").glob("*/metrics.json"):
        path.unlink()
    (tmp_path / "mnist" / FILE).unlink(missing_ok=True)
    measure(tmp_path, "mvae", -80.0)
    measure(tmp_path, "jmvae", -79.0)
    monkeypatch.setattr(checkpoint, "CHECKPOINTS", tmp_path)
    for cached in CACHES:
        cached.clear()
    yield tmp_path
    for cached in CACHES:
        cached.clear()


def drawn(page, index: int = 0) -> dict:
    return json.loads(page.app.get("plotly_chart")[index].proto.spec)


def test_models_are_ranked_with_error_bars_and_the_protocol(visit, measured):
    page = visit("results.py")
    assert "MNIST" in page.headline
    joint, conditional = drawn(page)["data"]
    assert joint["y"] == ["jmvae", "mvae"]
    assert joint["x"] == [-79, -80]
    assert joint["error_x"]["array"] == pytest.approx([0.49, 0.49])
    assert "the mixture" in joint["customdata"][0][3]
    titles = [a["text"] for a in drawn(page)["layout"]["annotations"]]
    assert titles == ["<b>image, label</b>", "<b>image | label</b>"]
    assert conditional["x"] == [-77, -78]
    table = page.app.dataframe[0].value
    assert table["image, label"].tolist() == [-79, -80]
    assert table["± image, label"].tolist() == [0.25, 0.25]
    assert table["k̂ image, label"].tolist() == [3, 3]
    assert table["model"][0] == "compare?data=mnist&models=jmvae,mvae-cover"


def test_a_kind_of_figure_is_kept_by_the_link_and_filters_narrow_it(visit, measured):
    page = visit("results.py", kind="coherence")
    assert [trace["x"] for trace in drawn(page)["data"]] == [[0.5, 0.5], [0.6, 0.6]]
    page.set("multiselect", "results given", ["label"])
    assert [trace["x"] for trace in drawn(page)["data"]] == [[0.5, 0.5]]
    page.set("multiselect", "results models", ["mvae"])
    assert [trace["y"] for trace in drawn(page)["data"]] == [["mvae"]]
    page.set("pills", "kind", "accuracy")
    assert page.url["kind"] == "accuracy"
    assert [trace["x"] for trace in drawn(page)["data"]] == [[0.9]]


def test_models_are_ranked_by_what_most_of_them_have(visit, measured):
    path = measured / "mnist/mvae/metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    # First in its file, and of this model alone: that must not put it above a better one.
    metrics["test"]["loglik"] = {"label": figure(-2.3)} | metrics["test"]["loglik"]
    path.write_text(json.dumps(metrics))
    joint, conditional, label = drawn(visit("results.py"))["data"]
    assert joint["y"] == conditional["y"] == ["jmvae", "mvae"]
    assert label["y"] == ["mvae"]


def test_figures_of_other_weights_are_withheld_and_named(visit, measured):
    shutil.copy(measured / "mnist/mvae/metrics.json", measured / "mnist/vae/metrics.json")
    page = visit("results.py")
    assert "Figures of vae are withheld" in page.problems
    assert "python -m mvae evaluate mnist/vae" in page.problems
    assert set(drawn(page)["data"][0]["y"]) == {"jmvae", "mvae"}


def test_an_honest_belief_has_flat_ranks(visit, measured):
    page = visit("results.py")
    histograms = drawn(page, 1)
    assert [trace["y"] for trace in histograms["data"]] == [[1.0] * 20] * 3
    titles = [a["text"] for a in histograms["layout"]["annotations"]]
    assert titles == ["<b>given image</b>", "<b>given label</b>", "<b>given image, label</b>"]


def test_nothing_measured_is_said(visit, measured):
    for path in (measured / "mnist").glob("*/metrics.json"):
        path.unlink()
    remarks = visit("results.py").remarks
    assert "Nothing was measured yet: `python -m mvae evaluate` does it." in remarks


def cells(page) -> str:
    return next(h.proto.body for h in page.app.get("html") if "<table>" in h.proto.body)


def test_every_situation_has_a_cell_that_opens_it(visit, measured):
    page = visit("missing.py", model="mvae", sample="3")
    table = cells(page)
    for value in ("0.600", "0.900", "0.500"):
        assert value in table
    assert 'href="./?data=mnist&amp;model=mvae&amp;supply=label&amp;sample=3"' in table
    assert "supply=image&amp;" in table
    page.set("pills", "shown", "entropy")
    assert page.url["shown"] == "entropy"
    table = cells(page)
    assert "90.8" in table
    assert "59.0" in table
    assert "given nothing" not in table


def test_what_is_right_is_shown_where_no_picture_is_generated(visit):
    page = visit("missing.py", data="views", model="mvae-cover")
    right = load_metrics("views", "mvae-cover").test["accuracy"]["1 of 7->label"]["mean"]
    assert f">{right:.3f}<" in cells(page)
    assert "●" not in page.remarks  # it is counted how many are supplied, not told which
    assert "A click" not in page.remarks


def test_nats_of_each_target_have_shades_of_their_own(visit):
    page = visit("missing.py", data="translation", model="mvae-cover", shown="predictive")
    columns = [re.findall(r"#0072b2 (\d+)%", row) for row in cells(page).split("</tr>")]
    shades = [[int(share) for share in row] for row in columns if row]
    assert len(shades[0]) == 2  # given nothing, the least is known of both
    assert shades[0] == [8, 8]
    assert sorted(share for row in shades[1:] for share in row) == [50, 50]


def test_of_many_situations_those_with_all_modalities_or_all_but_one_or_one_are_shown(visit):
    table = visit("results.py", data="views").app.dataframe[0].value
    assert [c for c in table if c.endswith("of 7") and c[0] not in "±k"] == [
        *("1 of 7", "6 of 7", "7 of 7", "the next | 1 of 7", "the next | 6 of 7")
    ]


def test_a_model_without_figures_says_how_to_make_them(visit, measured):
    page = visit("missing.py", model="vae")
    assert "python -m mvae evaluate mnist/vae" in page.remarks


def test_other_libraries_models_stand_beside_ours_and_what_is_reported_beside_both(visit, measured):
    assert not any("other libraries" in m.value for m in visit("results.py").app.markdown)
    ours = Peer("mvae", "this project", "binarised at 0.5", -70.67, 0.25, 0.0, 0.0, 10_000, 1000)
    theirs = Peer(
        "mvae", "MultiVae 1.0.3", "binarised at 0.5", -71.5, 0.25, -0.83, 0.02, 10_000, 1000
    )
    write_rows(measured / "mnist" / FILE, [ours, theirs])
    loading.peers_of.clear()
    app = visit("results.py").app
    table = app.dataframe[1].value
    assert list(table["trained by"]) == ["this project", "MultiVae 1.0.3", "reported", "reported"]
    assert list(table["log p"]) == [-70.67, -71.5, -86.26, -86.86]
    assert table["above mvae"][1] == -0.83
    said = " ".join(c.value for c in app.caption)
    assert "10,000 test samples" in said
    assert "What is not told of them" in said
    # only where log p is shown
    other = visit("results.py", kind="coherence").app
    assert not any("other libraries" in m.value for m in other.markdown)


def test_a_damaged_table_of_other_libraries_is_named(visit, measured):
    (measured / "mnist" / FILE).write_text("model,n\nmvae,many\n")
    loading.peers_of.clear()
    page = visit("results.py")
    assert any("peers.csv is damaged" in e.value for e in page.app.error)


def test_runs_without_weights_are_shown_and_further_seeds_only_if_asked_for(visit):
    page = visit("results.py", data="translation", kind="bleu")
    assert "cvae" in drawn(page)["data"][0]["y"]
    page = visit("results.py", data="mnist")
    assert "mvae-cover-short" in drawn(page)["data"][0]["y"]
    assert "mvae-seed-1" not in drawn(page)["data"][0]["y"]
    page.set("multiselect", "results models", ["mvae-seed-1"])
    assert drawn(page)["data"][0]["y"] == ["mvae-seed-1"]
