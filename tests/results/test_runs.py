"""Training runs on disk: their figures over the seeds, and their curves."""

from __future__ import annotations

import pytest

from mvae.checkpoint import available, load_metrics, save_model
from mvae.evaluation.keys import FigureKey
from mvae.evaluation.reliability import DISTRUSTED
from mvae.files import CheckpointError
from mvae.results.runs import Spread, headline_figures, load_history, runs, training_variants
from mvae.training.recipes import config_for
from tests.results.written_runs import write_run

JOINT = FigureKey("loglik", asked=("image", "label"))
INFERRED = FigureKey("accuracy", ("image",), ("label",))


def figures(loglik, accuracy=0.9):
    return {
        "loglik": {"image+label": {"mean": loglik, "se": 0.5, "n": 1000}},
        "accuracy": {"image->label": {"mean": accuracy, "se": 0.01, "n": 1000}},
    }


def test_seeds_of_a_way_to_train_are_averaged(tmp_path):
    for seed, loglik in ((2, -83.0), (0, -85.0), (1, -81.0)):
        write_run(tmp_path, "mvae", seed, figures(loglik))
    write_run(tmp_path, "mvae-joint", 0, figures(-90.0) | {"decoder_evaluations": {"image": 1.0}})
    write_run(tmp_path, "bivcca", 0, figures(-99.0))  # another network
    joint, mvae = sorted(training_variants(runs("mnist", tmp_path)), key=lambda way: len(way.seeds))
    assert mvae.seeds == (0, 1, 2)
    joint_log_p, accuracy = mvae.figures[JOINT], mvae.figures[INFERRED]
    assert (joint_log_p.mean, joint_log_p.sd) == pytest.approx((-83.0, 2.0))
    assert (joint_log_p.n, joint_log_p.seeds) == (1000, (0, 1, 2))
    assert (accuracy.mean, accuracy.sd) == pytest.approx((0.9, 0.0))
    assert mvae.evaluations == {}
    assert joint.config.model == "mvae-joint"
    assert joint.figures[JOINT] == Spread(-90.0, None, 1000, (0,))
    assert joint.evaluations == {"image": 1.0}
    # They are read, but cannot be chosen: there are no weights.
    assert available(tmp_path) == {}


def test_figures_of_other_samples_or_estimators_form_no_spread(tmp_path):
    write_run(tmp_path, "mvae", 0, figures(-70.0) | {"accuracy": {}})
    # The first seed is scored on more samples than the others; one of them by other means.
    path = tmp_path / "mnist/mvae/metrics.json"
    path.write_text(path.read_text("utf-8").replace('"n": 1000', '"n": 10000'))
    write_run(tmp_path, "mvae", 1, figures(-81.0, 0.8))
    write_run(tmp_path, "mvae", 2, figures(-83.0, 0.9), {"date": "2026-11-23", "command": "other"})
    write_run(tmp_path, "mvae", 3, figures(-10.0, 0.7), {"estimator": "older"})
    write_run(tmp_path, "mvae", 4, figures(-20.0, 0.6), {"K": 17})
    (way,) = training_variants(runs("mnist", tmp_path))
    assert way.seeds == (0, 1, 2, 3, 4)
    assert way.figures[JOINT] == Spread(-82.0, 2.0**0.5, 1000, (1, 2))
    assert way.figures[INFERRED].seeds == (1, 2)


def test_what_its_diagnostics_distrust_is_no_part_of_a_spread(tmp_path):
    for seed, over in enumerate((0, 100, 101)):
        test = figures(-80.0)
        test["loglik"]["image+label"]["k_hat_over_0.7"] = over
        write_run(tmp_path, "mvae", seed, test)
    (way,) = training_variants(runs("mnist", tmp_path))
    assert way.figures[JOINT].seeds == (0, 1)
    distrusted = next(r for r in runs("mnist", tmp_path) if r.config.training.seed == 2)
    found = headline_figures(distrusted.config, distrusted.metrics)
    assert found[JOINT].doubt == DISTRUSTED
    assert found[INFERRED].doubt == ""


def test_runs_of_another_budget_or_objective_are_another_way(tmp_path):
    write_run(tmp_path, "mvae", 0, figures(-85.0))
    write_run(tmp_path, "mvae", 1, figures(-84.0), epochs=2)
    write_run(tmp_path, "mvae-k2", 0, figures(-84.0))
    assert [way.seeds for way in training_variants(runs("mnist", tmp_path))] == [(0,), (0,), (1,)]


def test_figures_of_other_weights_do_not_count(tmp_path):
    folder, config = write_run(tmp_path, "mvae-2d", 0, figures(-85.0), {"weights_sha256": "0"})
    assert load_metrics("mnist", "mvae-2d", tmp_path).test
    save_model(folder, config, config.build().state_dict())
    assert load_metrics("mnist", "mvae-2d", tmp_path) is None
    (way,) = training_variants(runs("mnist", tmp_path))
    assert way.figures == way.evaluations == {}


def test_a_seeds_folder_may_be_named_other_than_its_model(tmp_path):
    write_run(tmp_path, "mvae", 3, figures(-85.0))
    (run,) = runs("mnist", tmp_path)
    assert (run.name, run.config.model, run.config.training.seed) == ("mvae-seed-3", "mvae", 3)


def keys(data):
    return [f"{key.kind} {key}" for key in headline_figures(config_for(data, "mvae"), None)]


def test_what_was_not_measured_is_none(tmp_path):
    config = config_for("mnist", "mvae")
    assert set(headline_figures(config, None).values()) == {None}
    write_run(tmp_path, "mvae", 0, figures(-85.0))
    found = headline_figures(config, load_metrics("mnist", "mvae", tmp_path))
    assert [key for key, x in found.items() if x] == [JOINT, INFERRED]
    assert (found[JOINT].mean, found[INFERRED].mean) == (-85.0, 0.9)


def test_what_models_are_compared_by_fits_their_data():
    assert keys("quadrants")[1] == ("accuracy top left+top right+bottom left+bottom right->label")
    assert keys("views")[1:] == [
        *("loglik the next|1 of 7", "accuracy 1 of 7->label", "accuracy 6 of 7->label")
    ]
    assert keys("translation")[1:] == ["bleu vietnamese->english", "bleu english->vietnamese"]
    views = headline_figures(config_for("views", "mvae"), load_metrics("views", "mvae"))
    one, all_others = (x.mean for key, x in views.items() if key.kind == "accuracy")
    assert one < all_others
    clipart = headline_figures(config_for("clipart", "mvae"), load_metrics("clipart", "mvae"))
    chance = load_metrics("clipart", "mvae").test["average_precision_chance"]
    for given, asked in (("image", "tags"), ("tags", "image")):
        key = FigureKey("average_precision", (given,), (asked,))
        assert clipart[key].mean > chance[str(key)]["mean"]
    vision = headline_figures(config_for("vision", "mvae"), load_metrics("vision", "mvae"))
    assert {key.kind for key in vision} == {"loglik", "predictive"}
    assert None not in (*views.values(), *vision.values())


def test_curves_are_read_by_column_and_a_damaged_file_is_named(tmp_path):
    assert load_history("mnist", "mvae", tmp_path) == {}
    folder = tmp_path / "mnist" / "mvae"
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("epoch,loss\n1,2.5\n2,1.5\n")
    assert load_history("mnist", "mvae", tmp_path) == {"epoch": [1, 2], "loss": [2.5, 1.5]}
    for content in (
        *(b"", b"epoch,loss\n1\n", b"epoch,loss\n1,many\n", b"epoch\n" + 200_000 * b"1"),
        *(b"epoch\n\xff\n", b"epoch\n\0\n"),
    ):
        (folder / "history.csv").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"history\.csv is damaged"):
            load_history("mnist", "mvae", tmp_path)
    (folder / "history.csv").unlink()
    (folder / "history.csv").mkdir()
    with pytest.raises(CheckpointError, match=r"history\.csv cannot be read"):
        load_history("mnist", "mvae", tmp_path)
