"""Every kind of modality on the stage: what is generated, held, and supplied one by one."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from mvae.analysis.embedding import posterior_means, principal_axes
from mvae.analysis.inference import Inference, infer
from mvae.batch import Batch
from mvae.checkpoint import load_model, load_samples
from mvae.distributions.autoregressive import text_mask
from mvae.distributions.gaussian import Gaussian
from mvae.kinds.tokens import decode
from mvae.modality import Modality
from mvae.models.base import ExpertModel
from tests.toys import TOYS

TALL = {"width": 1280, "height": 1200}
#: Draws that say a text.
TEXTS = 16


@pytest.fixture
def open_(guest, toy_app, stage):
    """Give a function that opens Experts about a toy; gives the stage."""

    def go(data: str, more: str = "", **settings):
        visitor = guest(toy_app, **{"viewport": TALL, **settings})
        return stage(visitor.open(f"/?data={data}&sample=3{more}"))

    return go


def load(root: Path, data: str) -> tuple[ExpertModel, Batch]:
    model, _ = load_model(data, "mvae", root)
    return model, load_samples(data, model.modalities, root)


def library(data: str, root: Path) -> tuple[Inference, ExpertModel]:
    """Ask the library for the posterior, given everything."""
    model, samples = load(root, data)
    return infer(model, samples[slice(3, 4)], samples.names), model


def pixels(page: Page, name: str) -> np.ndarray:
    """Read a canvas, ``(H, W, 4)`` from 0 to 1."""
    found = page.get_by_label(f"mean generated {name}", exact=True).evaluate(
        "c => [c.height, c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    return np.array(found[2:]).reshape(*found[:2], 4) / 255


def bars(page: Page, below: str) -> list[tuple[str, float]]:
    """Read names and percentages of the bars below a heading."""
    heading = page.locator(".made .title", has_text=re.compile(rf"^{re.escape(below)}"))
    labels = heading.locator("xpath=following-sibling::*[1]").locator(".stack")
    texts = labels.evaluate_all("all => all.map(e => e.getAttribute('aria-label'))")
    parts = [text.rsplit(": ", 1) for text in texts]
    return [(name, float(value.removesuffix(" %"))) for name, value in parts]


def compare_image(page: Page, m: Modality, mean: torch.Tensor, inked: bool) -> None:
    got, wanted = pixels(page, m.name), mean.numpy()
    if inked:
        assert np.abs(got[..., 3] - wanted[0]).max() <= 2.5 / 255
    else:
        wanted = np.broadcast_to(wanted, (3, *wanted.shape[1:])).transpose(1, 2, 0)
        assert np.abs(got[..., :3] - wanted).max() <= 2.5 / 255
        assert (got[..., 3] == 1).all()


def compare_probabilities(got: list[tuple[str, float]], names: list[str], p: list[float]) -> None:
    assert [name for name, _ in got] == names
    assert [value for _, value in got] == pytest.approx([100 * x for x in p], abs=0.0501)


def compare_vector(page: Page, m: Modality, mean: torch.Tensor, std: torch.Tensor) -> None:
    """Bars and bands have one scale."""
    svg = page.locator(f".vector[data-of={m.name}]")
    numbers, band = (svg.locator(f".{kind}").get_attribute("d") for kind in ("numbers", "band"))
    pairs = [re.findall(r"M[\d.]+ ([-\d.]+)V([-\d.]+)", path) for path in (numbers, band)]
    (zero, top), (low, high) = (torch.tensor(np.array(p, float).T) for p in pairs)
    # y = a − b value; by the mean's bars, then the same for the band
    b = ((zero - top) * mean).sum() / (mean * mean).sum()
    assert b > 0
    assert (zero - top - b * mean).abs().max() < 0.11
    assert (zero - low - b * (mean - std)).abs().max() < 0.11
    assert (zero - high - b * (mean + std)).abs().max() < 0.11


@pytest.mark.parametrize("data", TOYS)
def test_what_is_generated_is_what_the_library_generates(open_, toy_root, data):
    page = open_(data).at_rest().page
    inference, model = library(data, toy_root)
    colours = any(m.kind == "image" and m.shape[0] == 3 for m in TOYS[data])
    decided = [m for m in TOYS[data] if m.kind == "label" and m.shape[0] == 2]
    for m in TOYS[data]:
        mean = inference.expected[m.name]
        if m.grid:
            # The mean over draws, in standard deviations: 2.5 above it is as dark as can be.
            compare_image(page, m, (0.5 + mean / 5).clamp(0, 1).view(1, *m.grid), inked=True)
        elif m.kind == "image":
            inked = m.shape[0] == 1 and (m.likelihood == "bernoulli" or not colours)
            compare_image(page, m, mean, inked)
        elif m.kind == "label" and m not in decided:
            compare_probabilities(bars(page, m.name), list(m.categories), mean.tolist())
        elif m.kind == "tags":
            order = range(len(mean)) if len(mean) <= 20 else mean.argsort(descending=True)[:12]
            names = [m.categories[int(i)] for i in order]
            compare_probabilities(bars(page, m.name), names, [mean[int(i)].item() for i in order])
        elif m.kind == "text":
            draws = inference.samples[m.name][:TEXTS].argmax(-1)
            texts = Counter(decode(tokens, m) or "(empty)" for tokens in draws)
            shown = page.locator(f".texts[data-of={m.name}] li").all_inner_texts()
            counts = [re.fullmatch(r"(.*?)\s*(\d+) of 16", x, re.DOTALL).groups() for x in shown]
            assert len(counts) == min(5, len(texts))
            assert {text: int(n) for text, n in counts}.items() <= texts.items()
            assert [int(n) for _, n in counts] == sorted(texts.values(), reverse=True)[:5]
        elif m.kind == "vector":
            with torch.no_grad():
                std = model.decode(inference.draws, m.name).stddev
            samples = inference.samples[m.name]
            spread = (std.square() + samples.square()).mean(0) - mean.square()
            compare_vector(page, m, mean, spread.sqrt())
    if decided:
        means = [inference.expected[m.name][1].item() for m in decided]
        compare_probabilities(bars(page, "p(yes)"), [m.name for m in decided], means)
    # Headings say by their line what was supplied.
    assert page.locator(".made .title[data-of]:not(.given)").count() == 0


def test_a_held_latent_says_one_text_and_how_sure_of_each_token(open_, toy_root):
    at = [0.6, -0.4]
    shown = open_("sentences", f"&supply=&at={at[0]},{at[1]}").held()
    model, samples = load(toy_root, "sentences")
    axes = principal_axes(posterior_means(model, samples, samples.names))
    with torch.no_grad():
        (p,) = model.expected((axes.T @ torch.tensor(at)).unsqueeze(0))["english"]
    m = model.modality("english")
    wanted = p.argmax(-1)[text_mask(p.argmax(-1)) & (p.argmax(-1) != 0)]
    texts = shown.page.locator(".texts[data-of=english]")
    expect(texts.locator("li")).to_have_count(1)
    tokens = texts.locator(".token")
    assert len(wanted) > 1
    assert tokens.all_text_contents() == [
        word.lstrip() if i == 0 else word
        for i, word in enumerate(m.categories[t].replace("▁", " ") for t in wanted)
    ]
    for token, category, sure in zip(tokens.all(), wanted, p.amax(-1), strict=False):
        word = m.categories[category].replace("▁", "")
        title = re.fullmatch(r"“(.+)” (\d+\.\d) %", token.get_attribute("title"))
        assert title[1] == word
        assert float(title[2]) == pytest.approx(100 * sure.item(), abs=0.11)
    words = re.escape(decode(p.argmax(-1), m))
    expect(shown.handle).to_have_attribute("aria-valuetext", re.compile(f"english: {words}; viet"))
    # It moves with the keys, and gives way to what the draws say.
    before = shown.handle.get_attribute("aria-valuetext")
    shown.handle.press("ArrowRight")
    expect(shown.handle).not_to_have_attribute("aria-valuetext", before)
    shown.handle.press("Escape")
    expect(texts.locator(".amount").first).to_contain_text("of 16")
    assert shown.page.locator(".made .title[data-of=english]:not(.given)").count() == 1


def test_many_experts_are_told_apart_from_their_product(open_):
    shown = open_("traits").at_rest()
    page = shown.page
    expect(shown.root).to_have_class(re.compile("many"))
    product, other = (
        page.locator(f".curves path.curve{which}").first.evaluate(
            "c => parseFloat(getComputedStyle(c).strokeWidth)"
        )
        for which in (".product", "[data-of='trait 4']")
    )
    assert product > 2 * other
    growth = page.locator(".growth")
    assert growth.locator(".stack").count() == 20
    assert growth.bounding_box()["height"] < 420
    legend = page.locator(".legend")
    assert legend.bounding_box()["height"] < 220
    expect(shown.expert("trait 17")).to_have_text("trait 17")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("() => document.documentElement.scrollWidth <= 390")
    for row in page.locator(".decisions .stack, .growth .stack").all()[:3]:
        assert row.bounding_box()["width"] > 60


# Evidence one by one


def supplied_in(url: str) -> list[str]:
    return [x for x in parse_qs(urlsplit(url).query).get("supply", [""])[0].split(",") if x]


def greedy(inference: Inference) -> tuple[list[str], list[float]]:
    """Order experts by information gained, by adding precisions; gives the sharpness after each."""
    precision = {name: (-q.logvar.double()).exp() for name, q in inference.experts.items()}
    total, order, sharp = torch.ones_like(next(iter(precision.values()))), [], []
    while len(order) < len(precision):
        left = [name for name in precision if name not in order]
        order.append(max(left, key=lambda n: (total + precision[n]).log().sum().item()))
        total = total + precision[order[-1]]
        sharp.append(0.5 * total.log().sum().item())
    return order, sharp


def waits(page: Page, count: int) -> None:
    """Wait until so many modalities are in the address."""
    page.wait_for_url(lambda url: len(supplied_in(url)) == count)


def test_evidence_is_added_one_by_one_the_most_informative_first(open_, toy_root):
    shown = open_("traits").at_rest()
    page = shown.page
    order, sharp = greedy(library("traits", toy_root)[0])
    page.get_by_role("radio", name="most informative first").check(force=True)
    page.clock.install()
    page.clock.pause_at("2100-01-01")
    page.get_by_role("button", name="Play").click()
    expect(shown.status).to_have_text("Only the prior.")
    pending = page.locator(".growth .stack.pending")
    expect(pending).to_have_count(19)
    names = page.locator(".growth > span:not(.stack):not(.amount)")
    assert names.all_inner_texts() == ["prior", *(f"+ {name}" for name in order)]
    figures = page.locator(".curves figcaption span:first-child")
    first, pictures = figures.all_inner_texts(), []
    for n, (name, nats) in enumerate(zip(order[:4], sharp, strict=False), 1):
        page.clock.run_for(450)
        pictures.append(pixels(page, "image"))
        page.clock.run_for(450)
        expect(shown.status).to_have_text(re.compile(rf"^{n} of 19, {name}: "))
        assert abs(float(shown.status.inner_text().split(": ")[1].split()[0]) - nats) < 0.051
        expect(pending).to_have_count(19 - n)
        expect(page.locator(".legend button[aria-checked=true]")).to_have_count(n)
        assert figures.all_inner_texts() == first  # panels keep their places
    assert np.abs(pictures[0] - pictures[3]).max() > 0.02
    entropy = Gaussian.standard((6,)).entropy().item()
    note = page.locator(".of-growth .note")
    expect(note).to_contain_text(f"{entropy:.1f} nats for the prior alone")
    after = f"{entropy - sharp[3]:.1f}".replace("-", "−")
    expect(note).to_contain_text(f"{after} nats for the posterior")
    # Nobody else has heard of it yet.
    assert len(supplied_in(page.url)) == 19
    expect(shown.headline).to_contain_text("19 modalities")

    page.get_by_role("button", name="Pause").click()
    page.clock.resume()
    waits(page, 4)
    assert supplied_in(page.url) == order[:4]
    expect(shown.headline).not_to_contain_text("19")
    expect(pending).to_have_count(15)
    # It goes on from where it was, one step at a time,
    step = page.get_by_role("button", name="Step")
    step.click()
    waits(page, 5)
    expect(shown.status).to_have_text(re.compile(rf"^5 of 19, {order[4]}: "))
    # and the visitor's own order is still known.
    page.get_by_role("radio", name="in your order").check(force=True)
    step.click()
    expect(shown.status).to_have_text("Only the prior.")
    step.click()
    expect(shown.status).to_have_text(re.compile(r"^1 of 19, image: "))


def test_two_modalities_play_to_the_end_and_the_server_hears_once(open_, toy_root):
    order, _ = greedy(library("sentences", toy_root)[0])
    others = ",".join(reversed(order))
    shown = open_("sentences", f"&supply={others}", reduced_motion="reduce").at_rest()
    page = shown.page
    page.evaluate(
        """() => {
            const send = WebSocket.prototype.send;
            window.sent = 0;
            WebSocket.prototype.send = function (data) {
                window.sent++;
                return send.call(this, data);
            };
        }"""
    )
    page.get_by_role("radio", name="most informative first").check(force=True)
    page.get_by_role("button", name="Play").click()
    expect(shown.status).to_have_text("Only the prior.")
    path = shown.product.get_attribute("d")
    expect(shown.status).to_have_text(re.compile(f"^1 of 2, {order[0]}: "))
    assert shown.product.get_attribute("d") != path  # there at once, where motion is unwanted
    assert page.evaluate("window.sent") == 0
    expect(page.get_by_role("button", name="Pause")).to_be_focused()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(shown.status).to_have_text(re.compile(f"^2 of 2, {order[1]}: "))
    page.wait_for_url(lambda url: supplied_in(url) == order)
    assert page.evaluate("window.sent") == 1
    # Later events count too: a latent that is held while evidence arrives keeps its place.
    page.get_by_role("button", name="Play").click()
    page.mouse.click(*shown.point(0.3, 0.4))
    page.wait_for_url(lambda url: "at=" in url and supplied_in(url) == [])
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    shown.held()


def test_a_switch_ends_the_playing(open_):
    shown = open_("measured").at_rest()
    page = shown.page
    page.get_by_role("button", name="Play").click()
    expect(shown.status).to_have_text("Only the prior.")
    shown.expert("digit").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(shown.status).to_have_text(re.compile("^Given (pixels and )?digit: "))
    page.wait_for_url(lambda url: "digit" in supplied_in(url) and len(supplied_in(url)) < 4)
    expect(page.locator(".growth .pending")).to_have_count(0)


def test_a_long_tag_stays_within_its_card(guest):
    page = guest(viewport=TALL).open(
        "/compare?data=clipart&supply=&models=mvae-cover,dae,dbm,jmvae"
    )
    rows = page.locator(".answer .rows")
    expect(rows.first).to_be_visible()
    assert max(rows.evaluate_all("all => all.map(e => e.scrollWidth - e.clientWidth)")) <= 1
