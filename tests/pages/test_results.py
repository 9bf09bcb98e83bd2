"""The Results page: tables of measured figures, and what is withheld."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df

from mvae import search_path
from mvae.checkpoint import load_metrics
from mvae.csv_files import write_rows
from mvae.evaluation.log_likelihood import ESTIMATOR
from mvae.files import sha256, write_json
from mvae.results.external_models import FILE, ExternalModel
from pages.parts.server import loading
from tests.bundled import CHECKPOINTS

CACHES = (
    *(loading._load, loading.samples_of, loading.metrics_of),
    *(loading.records_of, loading.external_models_of),
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
        "diversity": {"label->image": figure(0.71)},
        "coverage_90%": {"image": figure(0.8), "label": figure(0.9), "image+label": figure(0.7)},
        "entropy": {
            "": figure(90.8),
            "image": figure(60),
            "label": figure(89),
            "image+label": figure(59),
        },
        "used_latents": {"image": figure(16), "label": figure(9), "image+label": figure(17)},
        "ranks": {"image": RANKS, "label": RANKS, "image+label": RANKS},
        "rank_band": {"image": [0.9, 1.1], "label": [0.8, 1.2], "image+label": [0.9, 1.1]},
    }
    protocol = {
        "weights_sha256": sha256(folder / "weights.safetensors"),
        "estimator": ESTIMATOR,
        "K": 1000,
        "proposal": "the mixture",
        "date": "2026-11-23",
        "command": f"python -m mvae evaluate mnist/{model}",
    }
    write_json(folder / "metrics.json", {"protocol": protocol, "test": test})


def rewrite(path: Path, old: str, new: str) -> None:
    """Change a file of figures."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new))
    loading.records_of.clear()


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Give the checkpoints of MNIST with figures that are known."""
    shutil.copytree(CHECKPOINTS / "mnist", tmp_path / "mnist")
    for path in (tmp_path / "mnist").glob("*/metrics.json"):
        path.unlink()
    (tmp_path / "mnist" / FILE).unlink(missing_ok=True)
    measure(tmp_path, "mvae", -80.0)
    measure(tmp_path, "jmvae", -79.0)
    monkeypatch.setattr(search_path, "CHECKPOINTS", tmp_path)
    for cached in CACHES:
        cached.clear()
    yield tmp_path
    for cached in CACHES:
        cached.clear()


def cell(page, model: str, column: str) -> str:
    """Read what a cell shows."""
    frame = page.app.dataframe[0]
    shown = convert_arrow_bytes_to_pandas_df(frame.proto.arrow_data.styler.display_values)
    place = [f"models={model}," in link for link in frame.value["model"]].index(True)
    return shown.iloc[place, list(frame.value.columns).index(column)]


def greyed(page) -> list[tuple[str, str]]:
    """List the cells that are grey, by model and column."""
    frame = page.app.dataframe[0]
    models = [re.search(r"models=([^,]*)", link)[1] for link in frame.value["model"]]
    found = re.findall(r"row(\d+)_col(\d+)", frame.proto.arrow_data.styler.styles)
    return [(models[int(i)], frame.value.columns[int(j)]) for i, j in found]


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
    assert table["k̂ image, label"].tolist() == [3, 3]
    assert cell(page, "jmvae", "image, label") == "−79.00 ± 0.25, n 1,000"
    assert table["to the best, image, label"].tolist() == ["best", "−1.00 ± 0.35, unpaired"]
    assert table["epochs"].tolist() == [20, 20]
    assert table["λ"].tolist() == ["10", "1"]
    assert table["model"].iloc[0] == "compare?data=mnist&models=jmvae,mvae-cover"


def test_a_kind_of_figure_is_kept_by_the_link_and_filters_narrow_it(visit, measured):
    page = visit("results.py", kind="coherence")
    assert [trace["x"] for trace in drawn(page)["data"]] == [[0.5, 0.5], [0.71, 0.71], [0.6, 0.6]]
    page.set("multiselect", "results given", ["label"])
    assert [trace["x"] for trace in drawn(page)["data"]] == [[0.5, 0.5], [0.71, 0.71]]
    page.set("multiselect", "results models", ["mvae"])
    assert [trace["y"] for trace in drawn(page)["data"]] == [["mvae"], ["mvae"]]
    page.set("pills", "kind", "accuracy")
    assert page.url["kind"] == "accuracy"
    assert [trace["x"] for trace in drawn(page)["data"]] == [[0.9]]


def test_a_machine_whose_estimates_cross_is_said_to_bound_nothing(visit, measured):
    path = measured / "mnist/jmvae/metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    ways = {"forward": figure(20), "reverse": figure(10)}
    for crossed in (False, True):
        metrics["test"]["log_partition"] = ways | {"crossed": crossed}
        path.write_text(json.dumps(metrics))
        for cached in CACHES:
            cached.clear()
        page = visit("results.py", kind="loglik")
        said = " ".join(caption.value for caption in page.app.caption)
        assert ("For jmvae the forward estimate lies above the reverse one" in said) == crossed


def test_average_precision_stands_beside_what_a_random_ranking_reaches(visit, measured):
    path = measured / "mnist/mvae/metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    metrics["test"] |= {
        "average_precision": {"image->label": figure(0.2)},
        "average_precision_chance": {"image->label": figure(0.0456)},
    }
    path.write_text(json.dumps(metrics))
    page = visit("results.py", kind="average_precision")
    said = " ".join(caption.value for caption in page.app.caption)
    assert "A random ranking reaches 0.046 (image → label) on average." in said
    page.set("pills", "kind", "accuracy")
    assert "random ranking" not in " ".join(caption.value for caption in page.app.caption)


def test_models_are_ranked_by_what_most_of_them_have(visit, measured):
    path = measured / "mnist/mvae/metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    # First in its file, and of this model alone: that must not put it above a better one.
    metrics["test"]["loglik"] = {"label": figure(-2.3)} | metrics["test"]["loglik"]
    path.write_text(json.dumps(metrics))
    joint, conditional, label = drawn(visit("results.py"))["data"]
    assert joint["y"] == conditional["y"] == ["jmvae", "mvae"]
    assert label["y"] == ["mvae"]


def test_what_its_own_diagnostics_distrust_is_grey_unranked_and_not_drawn(visit, measured):
    rewrite(measured / "mnist/jmvae/metrics.json", '"k_hat_over_0.7": 3', '"k_hat_over_0.7": 101')
    page = visit("results.py")
    joint, conditional = drawn(page)["data"]
    assert joint["y"] == ["mvae"]
    assert conditional["y"] == ["jmvae", "mvae"]
    table = page.app.dataframe[0].value
    assert table["to the best, image, label"].tolist() == ["best", ""]
    assert greyed(page) == [("jmvae", "image, label")]
    assert cell(page, "jmvae", "image, label") == "−79.00 ± 0.25, n 1,000"
    assert page.remarks.count("A grey figure is not reliable: k̂ > 0.7 for more than a tenth") == 1


def test_figures_of_an_earlier_estimator_leave_their_cells_without_a_number(visit, measured):
    rewrite(measured / "mnist/jmvae/metrics.json", ESTIMATOR, "older")
    page = visit("results.py")
    assert [trace["y"] for trace in drawn(page)["data"]] == [["mvae"], ["mvae"]]
    table = page.app.dataframe[0].value
    assert table["image, label"].isna().tolist() == [False, True]
    assert table["note"].tolist() == ["", "scored by an earlier estimator"]
    assert "-79" not in table.to_csv()
    assert "To score again, run `python -m mvae evaluate mnist/jmvae`." in page.remarks
    rewrite(measured / "mnist/mvae/metrics.json", ESTIMATOR, "older")
    assert len(visit("results.py").app.get("plotly_chart")) == 1  # the ranks of the posteriors
    # What no importance weights gave is as it was.
    other = visit("results.py", kind="accuracy")
    assert drawn(other)["data"][0]["y"] == ["jmvae", "mvae"]


def test_paired_differences_tell_what_the_errors_of_the_figures_hide(visit, measured):
    path = measured / "mnist/jmvae/metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    weights = sha256(measured / "mnist/mvae/weights.safetensors")
    metrics["test"]["paired_with"] = {"mvae": weights}
    metrics["test"]["paired"] = {"loglik": {"image+label": {"mvae": 0.06}}}
    metrics["test"]["loglik"]["image|label"]["mean"] = -77.9
    metrics["test"]["paired"]["loglik"]["image|label"] = {"mvae": 0.06}
    path.write_text(json.dumps(metrics))
    page = visit("results.py")
    table = page.app.dataframe[0].value
    assert table["to the best, image, label"].tolist() == ["best", "−1.00 ± 0.06"]
    assert table["to the best, image | label"].tolist() == ["best", "−0.10 ± 0.06, tied"]


def test_coherence_stands_beside_diversity_and_ranks_nobody(visit, measured):
    for model, pair in {"mvae": (1.0, 0.05), "jmvae": (0.9, 0.8)}.items():
        path = measured / f"mnist/{model}/metrics.json"
        metrics = json.loads(path.read_text("utf-8"))
        for kind, mean in zip(("coherence", "diversity"), pair, strict=True):
            metrics["test"][kind] = {"label->image": figure(mean)}
        path.write_text(json.dumps(metrics))
    page = visit("results.py", kind="coherence")
    table = page.app.dataframe[0].value
    columns = list(table.columns)
    assert columns[columns.index("label → image") + 1] == "label → image, diversity"
    assert table["label → image, diversity"].tolist() == [0.8, 0.05]
    assert not [c for c in columns if "best" in c]
    assert "always generates the mean of a class" in page.remarks
    choices = page.app.button_group(key="kind").options
    assert not [option for option in choices if option == "diversity"]


def test_more_epochs_are_said_and_who_is_best_without_them(visit, measured):
    measure(measured, "mvae-cover", -78.5)
    page = visit("results.py")
    table = page.app.dataframe[0].value
    assert table["epochs"].tolist() == [40, 20, 20]
    assert table["λ"].tolist() == ["15", "10", "1"]
    assert "**mvae-cover** had 40 epochs, most models 20" in page.remarks
    assert "models with 20 epochs, **jmvae** is the best in **image, label**." in page.remarks
    short = measured / "mnist/mvae-cover-short"
    shutil.copy(CHECKPOINTS / "mnist/mvae/weights.safetensors", short)
    measure(measured, "mvae-cover-short", -80.5)
    loading.records_of.clear()
    page = visit("results.py")
    assert (
        "With the objective of **mvae-cover** and 20 epochs, **mvae-cover-short** is "
        "0.50 ± 0.35 below **mvae**, a tie (unpaired)." in page.remarks
    )


def test_figures_of_other_weights_are_withheld_and_named(visit, measured):
    shutil.copy(measured / "mnist/mvae/metrics.json", measured / "mnist/vae/metrics.json")
    page = visit("results.py")
    assert "figures of vae are withheld" in page.problems
    assert "python -m mvae evaluate mnist/vae" in page.problems
    assert set(drawn(page)["data"][0]["y"]) == {"jmvae", "mvae"}


def test_a_calibrated_posterior_has_flat_ranks_and_says_how_many_latents_it_uses(visit, measured):
    page = visit("results.py")
    histograms = drawn(page, 1)
    bands = [
        (shape["y0"], shape["y1"])
        for shape in histograms["layout"]["shapes"]
        if shape["type"] == "rect"
    ]
    assert bands == [(0.9, 1.1), (0.8, 1.2), (0.9, 1.1)]
    said = " ".join(caption.value for caption in page.app.caption)
    assert "of 64: 16 given image, 9 given label, 17 given image, label" in said
    assert "a posterior that ignores the data is calibrated too" in said
    assert [trace["y"] for trace in histograms["data"]] == [[1.0] * 20] * 3
    titles = [a["text"] for a in histograms["layout"]["annotations"]]
    assert titles == ["<b>given image</b>", "<b>given label</b>", "<b>given image, label</b>"]


def test_nothing_measured_is_said(visit, measured):
    for path in (measured / "mnist").glob("*/metrics.json"):
        path.unlink()
    remarks = visit("results.py").remarks
    assert "Nothing has been measured yet. To measure, run `python -m mvae evaluate`." in remarks


def cells(page) -> str:
    return next(h.proto.body for h in page.app.get("html") if "<table>" in h.proto.body)


def test_every_situation_has_a_cell_that_opens_it(visit, measured):
    page = visit("missing.py", model="mvae", sample="3")
    table = cells(page)
    for value in ("0.600", "0.900", "0.500"):
        assert value in table
    # A model that paints the mean of a class is coherent; how alike its pictures are stands below.
    assert "0.500<small>diversity 0.71</small>" in table
    assert "n = 1,000 in each cell" in page.remarks
    assert "0.600<small>" not in table
    assert "0.900<small>" not in table
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
    assert "Click a cell" not in page.remarks


def test_nats_of_each_target_have_shades_of_their_own(visit):
    page = visit("missing.py", data="translation", model="mvae-cover", shown="predictive")
    columns = [re.findall(r"#0072b2 (\d+)%", row) for row in cells(page).split("</tr>")]
    shades = [[int(share) for share in row] for row in columns if row]
    assert len(shades[0]) == 2  # given nothing, the least is known of both
    assert shades[0] == [8, 8]
    assert sorted(share for row in shades[1:] for share in row) == [50, 50]


def test_of_many_situations_those_with_all_modalities_or_all_but_one_or_one_are_shown(visit):
    table = visit("results.py", data="views").app.dataframe[0].value
    figures = [
        c for c in table if c.endswith("of 7") and not c.startswith(("±", "k", "to the best"))
    ]
    assert figures == [*("1 of 7", "6 of 7", "7 of 7", "the next | 1 of 7", "the next | 6 of 7")]


def test_a_model_without_figures_says_how_to_make_them(visit, measured):
    page = visit("missing.py", model="vae")
    assert "python -m mvae evaluate mnist/vae" in page.remarks


def test_other_libraries_models_stand_beside_ours_and_what_is_reported_beside_both(visit, measured):
    assert not any("other libraries" in m.value for m in visit("results.py").app.markdown)
    numbers = (-70.68, 0.25, 0.0, 0.0, 10_000, 1000, ESTIMATOR)
    ours = ExternalModel("mvae", "this project", "binarised at 0.5", *numbers, run="mvae")
    others = (-71.5, 0.25, -0.83, 0.02, 10_000, 1000)
    theirs = ExternalModel("mvae", "MultiVae 1.0.3", "binarised at 0.5", *others, ESTIMATOR)
    older = ExternalModel("jmvae", "MultiVae 1.0.3", "binarised at 0.5", *others, "older")
    write_rows(measured / "mnist" / FILE, [ours, theirs, older])
    loading.external_models_of.clear()
    app = visit("results.py").app
    table = app.dataframe[1].value
    assert list(table["trained by"]) == ["this project", "MultiVae 1.0.3", "reported", "reported"]
    # One model has one log p: that of metrics.json.
    assert list(table["log p"]) == [-80, -71.5, -86.26, -86.86]
    assert list(table["n"][:2]) == [1000, 10_000]
    assert list(table["epochs"][:2]) == [20, 20]
    assert table["above the first"][1] == -0.83
    said = " ".join(c.value for c in app.caption)
    assert "10,000 test samples" in said
    assert "1 of 3 were scored by an earlier estimator and are not shown" in said
    assert "Not stated there" in said
    # only where log p is shown
    other = visit("results.py", kind="coherence").app
    assert not any("other libraries" in m.value for m in other.markdown)


def test_a_damaged_table_of_other_libraries_is_named(visit, measured):
    (measured / "mnist" / FILE).write_text("model,n\nmvae,many\n")
    loading.external_models_of.clear()
    page = visit("results.py")
    assert any("peers.csv is damaged" in e.value for e in page.app.error)


def test_runs_without_weights_are_shown_and_further_seeds_only_if_asked_for(visit):
    page = visit("results.py", data="translation", kind="bleu")
    assert "cvae" in drawn(page)["data"][0]["y"]
    page = visit("results.py", data="mnist", kind="accuracy")
    assert "mvae-cover-short" in drawn(page)["data"][0]["y"]
    assert "mvae-seed-1" not in drawn(page)["data"][0]["y"]
    page.set("multiselect", "results models", ["mvae-seed-1"])
    assert drawn(page)["data"][0]["y"] == ["mvae-seed-1"]
