"""The lesson: every step opens, every question is answered rightly and wrongly, links restore."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mvae.checkpoint import load_metrics
from pages.parts.lesson import STEPS, DraggableExperts, Scene
from pages.parts.lesson_scenes import read_experts, write_experts

NUMBERS = range(1, len(STEPS) + 1)


def words(text: str) -> int:
    return len(re.findall(r"[\w’'./²·-]+", text))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.title)
def test_no_step_is_longer_than_120_words_and_one_answer_is_right(step):
    said = [step.title, step.text, step.task, step.question, *(o.text for o in step.options)]
    assert words(" ".join(said)) <= 120
    assert sum(option.right for option in step.options) == 1
    assert len({option.text for option in step.options}) == len(step.options) >= 2


def test_there_are_six_to_eight_steps_of_different_titles():
    assert 6 <= len({step.title for step in STEPS}) == len(STEPS) <= 8


@pytest.mark.parametrize("number", NUMBERS)
def test_every_step_drives_the_stage_and_every_answer_is_checked(visit, number):
    page = visit("learn.py", step=str(number))
    step = STEPS[number - 1]
    check_stage(page.stage, step.scene)
    assert page.headline == f"### {step.title}"
    assert not page.problems
    assert not page.app.success
    for option in step.options:
        page.set("radio", f"answer {number}", option)
        replies = [x.value for x in (page.app.success if option.right else page.app.warning)]
        assert any(option.reply in reply for reply in replies)
        assert bool(page.app.success) == option.right


def check_stage(data: dict[str, Any], scene: Scene | DraggableExperts) -> None:
    """Compare what the stage is given with what the step has to show."""
    if isinstance(scene, DraggableExperts):
        assert [w["name"] for w in data["experts"]] == [w.name for w in scene.experts]
        assert (data["prior"], data["mixture"]) == (scene.prior, scene.mixture)
        assert len({w["colour"] for w in data["experts"]}) == len(scene.experts)
    else:
        assert data["panels"] == list(scene.panels)
        assert data["experts"]
        assert (data["latents"] == 2) == scene.flat


def test_the_way_through_the_lesson(visit):
    page = visit("learn.py")
    for number in NUMBERS[:-1]:
        assert page.headline == f"### {STEPS[number - 1].title}"
        next(b for b in page.app.button if b.label == "Next").click().run()
        page.check()
        assert page.url["step"] == str(number + 1)
    assert next(b for b in page.app.button if b.label == "Next").disabled
    next(b for b in page.app.button if b.label == "Back").click().run()
    assert page.check().url["step"] == str(len(STEPS) - 1)
    page.set("button_group", "step", 2)
    assert page.headline == f"### {STEPS[1].title}"


def test_a_link_places_the_experts(visit):
    page = visit("learn.py", step="3", lesson="-1,0.5,1;2,1.5,0")
    first, second = page.stage["experts"]
    assert (first["mean"], first["std"], first["on"]) == ([-1.0], [0.5], True)
    assert (second["mean"], second["std"], second["on"]) == ([2.0], [1.5], False)
    assert page.url["lesson"] == "-1,0.5,1;2,1.5,0"
    next(b for b in page.app.button if b.label == "Next").click().run()
    assert "lesson" not in page.check().url


@pytest.mark.parametrize(
    "text",
    ["", "1,2", "a,b,c;1,1,1", "nan,1,1;1,1,1", "0,0,1;0,1,1", "9e9,1,1;0,1,1", "1,1,1" * 99],
)
def test_a_link_that_places_them_wrongly_gets_a_sentence(visit, text):
    page = visit("learn.py", step="3", lesson=text)
    assert "describes experts that do not fit this step" in page.problems
    assert page.stage["experts"][0]["mean"] == [2.0]


@pytest.mark.parametrize("step", ["0", "9", "x", "-1", "1.5", "²"])
def test_a_step_that_is_not_there_gets_a_sentence(visit, step):
    page = visit(step=step)
    assert "of the lesson, which has 8" in page.problems
    page.app.switch_page("learn.py").run()
    assert page.headline == f"### {STEPS[0].title}"


number = st.integers(-4000, 4000).map(lambda n: n / 1000)
width = st.integers(200, 3000).map(lambda n: n / 1000)


@given(st.tuples(number, width, st.sampled_from([0, 1])), st.tuples(number, width, st.just(1)))
def test_what_is_written_of_experts_is_read_again(first, second):
    scene = STEPS[2].scene
    found = read_experts(write_experts([list(first), list(second)]), scene)
    assert [(w.mean[0], w.std[0], w.on) for w in found.experts] == [
        (first[0], first[1], bool(first[2])),
        (second[0], second[1], True),
    ]


@given(st.recursive(st.none() | st.floats() | st.text(max_size=3), st.lists, max_leaves=8))
def test_whatever_a_browser_sends_experts_are_read_or_refused(sent):
    found = read_experts(write_experts(sent), STEPS[2].scene)
    assert found is None or len(found.experts) == 2


@pytest.mark.parametrize("number", [10**400, float("nan"), float("inf"), "1", None, [1]])
def test_numbers_that_are_none_are_refused_and_not_replaced(number):
    assert write_experts([[number, 1, 1], [0, 1, 1]]) == ""
    assert read_experts("", STEPS[2].scene) is None


def test_evidence_of_a_step_is_what_the_link_says(visit):
    number = next(i for i in NUMBERS if isinstance(s := STEPS[i - 1].scene, Scene) and s.tiles)
    page = visit("learn.py", step=str(number))
    assert len(page.stage["evidence"]) == 1
    page = visit("learn.py", step=str(number), lesson="label,top right,nonsense")
    assert page.stage["evidence"] == ["label", "top right"]
    assert visit("learn.py", step=str(number), lesson="").stage["evidence"] == []


def test_the_contradiction_is_said_to_be_one(visit):
    number = next(i for i in NUMBERS if isinstance(s := STEPS[i - 1].scene, Scene) and s.label)
    page = visit("learn.py", step=str(number))
    assert "conflict more than" in page.remarks


def test_the_trainings_of_the_last_step_differ(visit):
    page = visit("learn.py", step=str(len(STEPS)))
    seen = [page.stage["decoders"]]
    for training in (1, 2):
        page.set("button_group", "training", training)
        assert page.url["training"] == str(training)
        assert (
            visit("learn.py", step=str(len(STEPS)), training=str(training)).stage["decoders"]
            not in seen
        )
        seen.append(page.stage["decoders"])
    assert len(set(seen)) == 3


def test_trainings_are_compared_at_equal_budgets_by_their_own_figures(visit):
    page = visit("learn.py", step=str(len(STEPS)))
    rows = page.app.dataframe[0].value.to_dict("records")
    joint, subsampled = (load_metrics("mnist", name).test for name in ("mvae-joint", "mvae"))
    by = {(row["training"].removesuffix(" ●"), row["epochs"], row["λ"]): row for row in rows}
    assert {("joint", 20, "1"), ("sub-sampled", 20, "1"), ("covering", 20, "10")} <= set(by)
    assert by["sub-sampled", 20, "1"]["ELBO of the label"].startswith(
        f"−{-subsampled['elbo']['label']['mean']:.3f} ± "
    )
    for row in rows:  # whoever is not on the stage has an equal among the other trainings
        alike = [r for r in rows if (r["epochs"], r["λ"]) == (row["epochs"], row["λ"])]
        assert row["training"].endswith("●") or len({r["training"] for r in alike}) > 1
    label = [test["elbo"]["label"]["mean"] for test in (subsampled, joint)]
    named = [test["accuracy"]["image->label"]["mean"] for test in (subsampled, joint)]
    told = page.remarks
    assert "**sub-sampled** compared with **joint**, both after 20 epochs, λ = 1:" in told
    assert "label is −{:.2f} instead of −{:.2f}".format(*(-x for x in label)) in told
    assert "image→label is {:.3f} instead of {:.3f}".format(*named) in told
    assert "**covering** compared with **sub-sampled**, both after 20 epochs, λ = 10 and 1:" in told
    assert f"cannot exceed −{math.log(10):.2f} nats." in told
    assert load_metrics("mnist", "mvae").protocol["coherence"] in told


def test_the_last_step_names_every_term_of_covering():
    assert all(term in STEPS[-1].text for term in "γκρ")
    assert "confident" not in STEPS[-1].text


@pytest.mark.parametrize("number", NUMBERS)
def test_the_code_of_every_step_gives_what_the_stage_is_given(visit, number):
    page = visit("learn.py", step=str(number))
    scope: dict = {}
    exec(page.app.code[0].value, scope)
    data = page.stage
    if data["scene"] == "posterior":
        assert list(scope["inference"].evidence) == data["evidence"]
        wanted = page.products.posterior[-1, 0]
        assert (scope["inference"].posterior.mean - wanted.mean).abs().max() < 1e-4
        assert (scope["inference"].posterior.logvar - wanted.logvar).abs().max() < 1e-4
        if data["exact"]:
            gap = scope["exact"].kl_from(scope["inference"].posterior)
            assert gap == pytest.approx(data["exact"]["gap"])
        return
    precision = sum(torch.tensor(w["std"]) ** -2 for w in data["experts"]) + data["prior"]
    assert torch.allclose(scope["T"], precision)
    if data["prior"]:
        assert torch.allclose(scope["product"].posterior.std[0], precision**-0.5)


def test_the_code_leaves_out_who_is_switched_off(visit):
    page = visit("learn.py", step="3", lesson="-1,0.5,1;2,1.5,0")
    scope: dict = {}
    exec(page.app.code[0].value, scope)
    assert scope["T"].tolist() == pytest.approx([5.0])
    assert scope["product"].posterior.mean[0].tolist() == pytest.approx([-0.8])
