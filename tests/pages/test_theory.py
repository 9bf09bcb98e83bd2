"""The Theory page: its choices and links, its numbers, and the grid held against the objective."""

from __future__ import annotations

import json
from itertools import combinations

import pytest
import streamlit
import torch
from hypothesis import given
from hypothesis import strategies as st

from mvae.analysis.theory import DIVERGENCES, NOISE, PAIRS, kl, solve
from mvae.models.objectives import SubSampled, log_likelihoods
from pages.parts import quadrature
from pages.parts.links import parse, url_of
from pages.parts.quadrature import captions
from pages.parts.training_step_table import METHODS, step_rows, step_table
from pages.parts.view import View

VIEWS = st.builds(
    View,
    data=st.just("mnist"),
    model=st.just("mvae-cover"),
    pair=st.sampled_from(list(PAIRS)),
    best=st.sampled_from(DIVERGENCES),
    noise=st.integers(0, len(NOISE) - 1),
    method=st.sampled_from(list(METHODS)),
    count=st.sampled_from([2, 3]),
)


def table(page) -> str:
    return next(x.proto.body for x in page.app.get("html") if "<table" in x.proto.body)


def rows_of(data: dict, panel: int) -> dict[str, list[list[str]]]:
    return {
        f"{row['name']} {row.get('side') or ''}".strip(): row["values"]
        for row in data["panels"][panel]["rows"]
    }


# Choices and links


@given(VIEWS)
def test_a_link_restores_what_is_chosen(view):
    assert parse(url_of(view)) == (view, [])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"pair": "cubic"}, "pair of modalities called “cubic”"),
        ({"best": "worst"}, "meaning of best called “worst”"),
        ({"noise": "41"}, "numbered 0 to 40"),
        ({"noise": "-1"}, "numbered 0 to 40"),
        ({"method": "giant"}, "training step called “giant”"),
        ({"count": "9"}, "number of modalities called “9”"),
    ],
)
def test_a_link_that_cannot_be_followed_gets_a_sentence_and_a_page(visit, params, words):
    page = visit(**params)
    assert words in page.problems
    page.app.switch_page("theory.py").run()
    assert page.check().headline == "### When is a product right?"
    assert not params.keys() & page.url.keys()


def test_another_pair_changes_the_curves_and_the_link(visit):
    page = visit("theory.py")
    assert page.component("mvae_quadrature")["key"] == "linear reverse"
    assert "pair" not in page.url
    page.set("button_group", "pair", "square")
    assert page.component("mvae_quadrature")["key"] == "square reverse"
    assert page.url["pair"] == "square"
    assert "two modes" in page.remarks
    page.set("button_group", "pair", "linear")
    assert page.component("mvae_quadrature")["key"] == "linear reverse"
    assert "pair" not in page.url


def test_another_meaning_of_best_changes_the_gaussians_and_the_link(visit):
    page = visit("theory.py", pair="square")
    before = rows_of(page.component("mvae_quadrature"), 1)
    assert "q₁, best for p(z|x₁) right" in before
    page.set("button_group", "best", "forward")
    after = rows_of(page.component("mvae_quadrature"), 1)
    assert "q₁, best for p(z|x₁)" in after
    assert page.url["best"] == "forward"
    assert "moment matching" in page.remarks
    page.set("button_group", "best", "reverse")
    assert rows_of(page.component("mvae_quadrature"), 1) == before
    assert "best" not in page.url


def test_another_step_and_another_number_of_modalities_change_the_grid(visit):
    page = visit("theory.py")
    seen = [table(page)]
    for key, value in (("count", 3), ("method", "denoising"), ("method", "dbm"), ("count", 2)):
        page.set("button_group", key, value)
        assert table(page) not in seen
        seen.append(table(page))
    assert page.url["method"] == "dbm"
    assert "count" not in page.url
    page.set("button_group", "method", "sub-sampled")
    assert table(page) == seen[0]


def test_the_noise_of_a_link_is_where_the_handle_stands(visit):
    assert visit("theory.py", noise="33").component("mvae_quadrature")["noise"] == 33
    assert visit("theory.py").component("mvae_quadrature")["noise"] == View.noise


@pytest.mark.parametrize(
    ("sent", "kept"), [(0, 0), (40, 40), (41, 7), (-1, 7), ("3", 7), (None, 7), (2.5, 7), (True, 7)]
)
def test_a_noise_level_is_not_trusted(monkeypatch, sent, kept):
    state = {"quadrature": {"noise": sent}, "view": View("", "", noise=7)}
    monkeypatch.setattr(streamlit, "session_state", state)
    quadrature._released()
    assert state["view"].noise == kept


def test_the_page_has_no_choice_of_data_and_keeps_that_of_the_others(visit):
    page = visit(sample="6").switch("image", False)
    page.app.switch_page("theory.py").run()
    assert not page.check().app.selectbox
    page.set("button_group", "pair", "outliers")
    page.app.switch_page("experts.py").run()
    assert page.check().url["sample"] == "6"
    assert "Given label" in page.headline


# What is told


def test_the_numbers_beside_the_curves_are_those_of_the_library():
    data = quadrature.describe("linear", "reverse")
    product, best = (rows_of(data, 1)[name] for name in ("product q₁q₂/p", rows(data)[-1]))
    assert set(product[1]) == set(product[2]) == {"0.000"}
    assert product == best
    data = quadrature.describe("square", "reverse")
    solution = solve(PAIRS["square"], "reverse")
    joint = quadrature._on_grid(solution.joint)
    divergence = kl(joint, solution.posteriors[3]).tolist()
    assert rows_of(data, 1)[rows(data)[-1]][1] == [captions.number(x) for x in divergence]


def rows(data: dict) -> list[str]:
    return list(rows_of(data, 1))


def test_every_level_has_its_curves_numbers_and_sentences():
    for pair in PAIRS:
        for best in DIVERGENCES:
            data = quadrature.describe(pair, best)
            assert len(data["words"]) == len(data["levels"]) == len(NOISE)
            for panel in data["panels"]:
                assert len(panel["notes"]) == len(NOISE)
                for row in panel["rows"]:
                    assert len(row.get("curve", NOISE)) == len(NOISE)
                    assert all(len(column) == len(NOISE) for column in row["values"])
            assert len(json.dumps(data, ensure_ascii=False)) < 400_000


def test_negative_precision_is_shown_and_explained():
    notes = quadrature.describe("square", "forward")["panels"][1]["notes"]
    assert "negative precision (q₁/p: −0.318)" in notes[0]
    assert "no expert of an MVAE can represent it" in notes[0]
    assert "negative" not in notes[40]
    assert "it is not drawn" in captions.precision(0.4, 0.5)
    assert "q₂/p: −0.500" in captions.precision(0.4, 0.5)


def test_both_tied_optima_are_told():
    data = quadrature.describe("square", "reverse")
    assert data["tied"][0]
    assert not data["tied"][40]
    assert "Two Gaussians are equally good" in data["panels"][1]["notes"][0]
    assert "Two Gaussians" not in data["panels"][1]["notes"][40]


def test_widening_is_told_as_it_is():
    notes = quadrature.describe("outliers", "reverse")["panels"][0]["notes"]
    assert "widened the true posterior" in notes[0]
    assert "narrowed the true posterior" in notes[40]


def test_what_the_issue_asks_to_be_told_is_told(visit):
    told = visit("theory.py").remarks
    for words in (
        "does **not** follow",
        "minus the **sum**",
        "experts over the **latents**, inside the inference network",
        "experts over the **data**",
        "closed form",
        "intractable",
        "unsupervised and generative",
        "handle missing modalities",
        "set to zero in a fixed share of the examples",
        "each observed modality adds its evidence to $p(h|x)$",
        "summed over",
        "in effect sub-sampling",
        "sampled from their conditionals",
        "layer-wise pre-training",
        "end to end",
        "https://arxiv.org/abs/1911.03393",
        "https://arxiv.org/abs/2105.02470",
        "Training products of experts",
    ):
        assert words in " ".join(told.split()), words


@pytest.mark.parametrize(
    ("method", "reconstructed", "bound"),
    [
        ("sub-sampled", "S", r"the ELBO of its own modalities: $B(X_S) \le \log p(X_S)$"),
        ("denoising", r"\{1, \dots, N\}", r"$B(X_S) \le \log p(X)$, since"),
    ],
)
def test_the_whole_objective_is_written_out_and_what_its_terms_bound(
    visit, method, reconstructed, bound
):
    page = visit("theory.py", method=method)
    formulas = [x.value for x in page.app.latex]
    loss = next(f for f in formulas if r"\mathcal L" in f)
    for part in ("B(X)", r"\sum_{i=1}^{N} B(x_i)", r"\sum_{j=1}^{k} B(X_{S_j})"):
        assert part in loss
    whole = "".join(formulas)
    for part in ("B(X_S) =", "E_{q(z|X_S)}", r"\lambda_i \log p(x_i|z)", r"\beta\, KL"):
        assert part in whole
    assert "drawn uniformly" in page.remarks
    assert f"$R = {reconstructed}$" in page.remarks
    assert bound in page.remarks
    assert "With another λ, or while β is annealed" in page.remarks
    assert not [f for f in formulas if "ELBO" in f]


def test_a_machines_step_has_no_bound(visit):
    page = visit("theory.py", method="dbm")
    assert not [x for x in page.app.latex if "B(X" in x.value]
    assert "With every λ = 1" not in page.remarks


# The grid


def reached(model, loss) -> dict[str, tuple[str, ...]]:
    """Which encoders and decoders a loss gives a gradient."""
    model.zero_grad()
    loss.backward()
    parts = {"encoders": model.encoders, "decoders": model.decoders}
    return {
        kind: tuple(
            m.name
            for m, part in zip(model.modalities, networks, strict=True)
            if any(w.grad is not None and w.grad.any() for w in part.parameters())
        )
        for kind, networks in parts.items()
    }


def term_loss(step: str, model, batch, subset, monkeypatch):
    """Minus the ELBO of one subset, by the training objective where there is one."""
    mask = batch.mask([subset])
    if step == "sub-sampled":
        with monkeypatch.context() as patch:
            patch.setattr(SubSampled, "subsets", lambda *_: mask)
            return SubSampled()(model, batch)
    q = model.product(model.experts(batch), mask).posterior
    log_p = log_likelihoods(model, q.sample(), batch.present[None], batch, weighted=True)
    return -(log_p - q.kl_to_prior()).mean()


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("step", ["sub-sampled", "denoising"])
def test_gradient_reaches_what_the_grid_says(step, count, toys, toy_model, toy_batch, monkeypatch):
    model, batch = toy_model(*toys[:count]), toy_batch(*toys[:count])
    for row in step_rows(step, batch.names):
        loss = term_loss(step, model, batch, row.encoded, monkeypatch)
        assert reached(model, loss) == dict(row.groups)
        assert dict(row.groups)["decoders"] == row.reconstructed


@pytest.mark.parametrize("step", ["sub-sampled", "denoising"])
@pytest.mark.parametrize("count", [2, 3])
def test_the_terms_are_those_of_the_objective(step, count, toys, toy_batch):
    batch = toy_batch(*toys[:count], n=1)
    masks = SubSampled(k=60).subsets(batch.present, torch.Generator().manual_seed(0))[:, 0]
    terms = [tuple(n for n, on in zip(batch.names, mask, strict=True) if on) for mask in masks]
    wanted = step_rows(step, batch.names)
    always = [row.encoded for row in wanted if row.note == "every step"]
    drawn = {row.encoded for row in wanted if row.note != "every step"}
    assert always == terms[: count + 1]
    assert drawn == set(terms[count + 1 :]) - {()}
    assert drawn == (set(combinations(batch.names, 2)) if count == 3 else set())


def test_a_boltzmann_machine_has_phases_and_no_encoders():
    *before, positive, negative = step_rows("dbm", ["image", "label"])
    assert [row.encoded for row in before] == [("image",), ("label",)]
    assert (positive.encoded, positive.reconstructed) == (("image", "label"), ())
    assert (negative.encoded, negative.reconstructed) == ((), ("image", "label"))
    assert "coders" not in table_of("dbm")
    assert "mean field" in positive.note
    assert "persistent MCMC" in negative.note


def table_of(step: str) -> str:
    return step_table(step, ["image", "label"], ["#0072b2", "#d55e00"])


def test_the_table_can_be_read_aloud():
    for step in METHODS:
        html = table_of(step)
        assert html.count('scope="col"') == 4
        assert html.count('scope="row"') == len(step_rows(step, ["image", "label"]))


def test_the_code_shown_gives_the_numbers_beside_the_curves(visit):
    page = visit("theory.py", pair="square", best="forward", noise="20")
    scope: dict = {}
    exec(page.app.code[0].value, scope)
    noise, kl = 20, scope["kl"]
    rows = page.component("mvae_quadrature")["panels"][1]["rows"]
    row = next(r for r in rows if r["name"].startswith("q₁₂"))
    log_q = scope["on_grid"](scope["solution"].joint)
    values = [column[noise] for column in row["values"]]
    assert f"{kl(log_q, scope['joint'])[noise].item():.3f}" in values
    assert f"{kl(scope['joint'], log_q)[noise].item():.3f}" in values
