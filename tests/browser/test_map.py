"""The map in a real browser: pointing, arrows, taps, clicks, and a mark that moves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect

from mvae.analysis.embedding import LatentMap, load_map
from mvae.checkpoint import load_samples
from pages.parts.server.loading import load

APP = "app.py"
CHART = Path(__file__).resolve().parents[2] / "pages/parts/map/chart.js"
MARGIN = 30  # of the dots, in pixels


@pytest.fixture(scope="module")
def chart() -> LatentMap:
    return load_map("mnist", "mvae-cover")


@pytest.fixture
def visit(page: Page, serve: Callable[..., str], settled) -> Callable[..., Page]:
    """Give a function that opens a page and waits for what it shows."""

    def open_(path: str = "/map?sample=3", guest: Page = page) -> Page:
        guest.goto(serve(APP) + path)
        settled(guest)
        expect(canvas(guest)).to_have_attribute("data-mark", re.compile(r"\d"))
        return guest

    return open_


def canvas(page: Page, index: int = 0) -> Locator:
    return page.locator("canvas.chart").nth(index)


def said(page: Page) -> Locator:
    return page.locator(".status")


def headline(page: Page) -> Locator:
    return page.get_by_role("heading", level=3).first


def switch(page: Page, name: str) -> Locator:
    return page.locator(f".st-key-supply-{name} label").first


def spots(page: Page, whole: torch.Tensor, index: int = 0) -> torch.Tensor:
    """Say where all of a layout's points are on its canvas, computed anew."""
    width, height = canvas(page, index).evaluate("c => [c.clientWidth, c.clientHeight]")
    low, high = whole.amin(0), whole.amax(0)
    size = torch.tensor([width, height])
    scale = ((size - 2 * MARGIN) / (high - low)).min()
    return size / 2 + (whole - (low + high) / 2) * scale * torch.tensor([1, -1])


def loneliest(places: torch.Tensor) -> int:
    """Find the example that no other one is near, so that pointing at it is certain."""
    away = torch.cdist(places, places) + torch.eye(len(places)) * 1e9
    return int(away.amin(1).argmax())


def target(page: Page, chart: LatentMap) -> tuple[int, dict[str, float]]:
    """Choose an example and say where it is drawn by UMAP."""
    places = spots(page, chart.umap)[chart.pool.rows[-1]]
    number = loneliest(places)
    x, y = places[number].tolist()
    return number, {"x": x, "y": y}


# The pure functions, in a blank page


@pytest.fixture
def pure(page: Page) -> Callable[..., object]:
    page.add_script_tag(content=CHART.read_text("utf-8").replace("\nexport ", "\n"))
    return lambda name, *values: page.evaluate(f"{name}(...{json.dumps(values)})")


def test_every_point_is_within_the_margin_in_one_scale(pure):
    for width, height in ((500, 400), (300, 700)):
        window = pure("viewport", [[-3, 1], [5, 2]], width, height, 30)
        for point in ([-3, 1], [5, 2], [-3, 2]):
            x, y = pure("onCanvas", window, point)
            assert 30 - 1e-6 <= x <= width - 30 + 1e-6
            assert 30 - 1e-6 <= y <= height - 30 + 1e-6
        (ax, ay), (bx, by) = (pure("onCanvas", window, p) for p in ([0, 0], [1, 1]))
        assert bx - ax == pytest.approx(ay - by)


def test_the_nearest_spot_within_reach(pure):
    points = [[0, 0], [10, 0], [10.5, 0]]
    assert pure("nearest", points, [9, 0], 5) == 1
    assert pure("nearest", points, [5, 5], 5) == -1


def test_the_four_arrows_reach_every_spot_from_every_other(pure):
    points = torch.randn(25, 2, generator=torch.Generator().manual_seed(0)).tolist()
    arrows = [[1, 0], [-1, 0], [0, 1], [0, -1]]
    reached, new = {0}, [0]
    while new:
        steps = {pure("towards", points, start, arrow) for start in new for arrow in arrows}
        new = sorted(steps - reached - {-1})
        reached.update(new)
    assert reached == set(range(25))
    assert pure("towards", [[0, 0], [5, 1], [3, 4]], 0, [1, 0]) == 1
    assert pure("towards", [[0, 0], [5, 1]], 0, [-1, 0]) == -1


def test_a_box_beside_a_spot_stays_on_the_canvas(pure):
    for spot in ([0, 0], [400, 0], [400, 300], [0, 300], [200, 150]):
        x, y = pure("beside", spot, [150, 70], [400, 300], 16)
        assert 0 <= x <= 250
        assert 0 <= y <= 230
        assert not x - 5 < spot[0] < x + 155


def test_names_avoid_each_other_and_the_edge(pure):
    spots, sizes = [[50, 50], [50, 75], [50, 195]], [[40, 16]] * 3
    (_, below), (_, next_below), at_edge = pure("arrange", spots, sizes, 10, [200, 200], [])
    assert (below, next_below) == (32, 93)  # below the first is the second
    assert at_edge[1] == 177
    ((x, y),) = pure("arrange", [[50, 50]], sizes, 10, [200, 200], [])
    assert (x, y) == (50, 68)


def test_the_scale_of_entropy_grows_brighter(pure):
    light = []
    for i in range(21):
        red, green, blue = map(int, pure("sequential", i / 20)[4:-1].split(","))
        light.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    assert light == sorted(light)
    assert pure("sequential", -1) == pure("sequential", 0) == "rgb(0, 34, 78)"


# The page


def test_pointing_at_an_example_shows_its_picture_on_the_map(visit, chart):
    page = visit()
    number, spot = target(page, chart)
    canvas(page, 1).evaluate("c => { window.other = c; window.before = c.toDataURL(); }")
    canvas(page).hover(position=spot)
    tip = page.locator(".tip").first
    expect(tip).to_be_visible()
    samples = load_samples("mnist", load("mnist", "mvae-cover")[1].modalities)
    expect(tip).to_contain_text(f"Example {number}label {int(samples.values['label'][number])}")
    entropy = chart.pool.posteriors.entropy()[chart.pool.rows[-1, number]].item()
    expect(tip).to_contain_text(f"entropy {entropy:.1f} nats".replace("-", "−"))
    picture = tip.locator("canvas")
    expect(picture).to_have_js_property("width", 28)
    alpha = picture.evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, 28, 28).data)"
        ".filter((v, i) => i % 4 === 3)"
    )
    wanted = (samples.values["image"][number].flatten() * 255).round().int().tolist()
    assert alpha == wanted
    box, frame = tip.bounding_box(), canvas(page).bounding_box()
    assert frame["x"] <= box["x"]
    assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1
    assert frame["y"] - 1 <= box["y"]
    assert box["y"] + box["height"] <= frame["y"] + frame["height"] + 1
    # The same example is marked on the other layout.
    page.wait_for_function("() => other.toDataURL() !== before")
    headline(page).hover()
    expect(tip).to_be_hidden()


def test_a_click_opens_the_example_on_experts_and_the_map_can_be_visited_again(visit, chart):
    page = visit("/map?sample=3&supply=image")
    number, spot = target(page, chart)
    canvas(page).click(position=spot)
    expect(headline(page)).to_contain_text("Given image, the model predicts")
    page.wait_for_url(f"**sample={number}**")
    expect(page.get_by_label("Test example, 0 to 499")).to_have_value(str(number))
    assert "/map" not in page.url
    page.get_by_role("link", name="Map").click()
    expect(headline(page)).to_have_text("Where the examples lie in latent space")
    expect(canvas(page)).to_be_visible()
    assert f"sample={number}" in page.url


def test_arrows_go_from_example_to_example_and_enter_opens_one(visit):
    page = visit("/map?sample=3")
    canvas(page).focus()
    page.keyboard.press("ArrowRight")
    expect(said(page)).to_contain_text("Example 3: label 3, entropy")
    seen = {said(page).inner_text()}
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
        seen.add(said(page).inner_text())
    assert len(seen) >= 4
    number = said(page).inner_text().split(":")[0].split()[1]
    button = page.get_by_role("button", name=f"Open example {number} on Experts")
    expect(button).to_be_visible()
    page.keyboard.press("Escape")
    expect(button).to_be_hidden()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    number = said(page).inner_text().split(":")[0].split()[1]
    page.keyboard.press("Enter")
    page.wait_for_url(f"**sample={number}**")
    expect(headline(page)).to_contain_text("sharper than the prior")


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_switch_moves_the_mark_to_where_the_new_posterior_is(visit, chart, page, motion):
    page.emulate_media(reduced_motion=motion)
    visit()
    canvas(page).evaluate(
        """c => {
            window.path = [c.dataset.mark];
            new MutationObserver(() => {
                if (path.at(-1) !== c.dataset.mark) path.push(c.dataset.mark);
            }).observe(c, { attributes: true });
        }"""
    )
    switch(page, "image").click()
    expect(page.get_by_text("the posterior, given label")).to_be_visible()
    row = chart.pool.rows[chart.pool.subsets.index(("label",)), 3]
    x, y = spots(page, chart.umap)[row].tolist()
    page.wait_for_function(
        "([x, y]) => { const [a, b] = path.at(-1).split(' ').map(Number);"
        "return Math.hypot(a - x, b - y) < 0.5; }",
        arg=[x, y],
    )
    assert path_length(page) == 2 if motion == "reduce" else path_length(page) > 2


def path_length(page: Page) -> int:
    return int(page.evaluate("path.length"))


def test_labels_alone_can_be_chosen_and_are_told_of(visit):
    page = visit("/map?sample=3&given=label")
    canvas(page).focus()
    page.keyboard.press("ArrowUp")
    expect(said(page)).to_contain_text("50 examples at this point")
    expect(canvas(page)).to_have_attribute(
        "aria-label", "UMAP of 500 examples given label; the posterior is given image and label"
    )


def test_a_map_is_drawn_sharply_and_in_a_moment(browser: Browser, serve, settled):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, device_scale_factor=2)
    page = context.new_page()
    page.add_init_script(
        """window.times = [];
        const frame = requestAnimationFrame;
        window.requestAnimationFrame = (draw) => frame((now) => {
            const began = performance.now();
            draw(now);
            times.push(performance.now() - began);
        });"""
    )
    try:
        page.goto(serve(APP) + "/map")
        settled(page)
        box = canvas(page).bounding_box()
        assert canvas(page).evaluate("c => c.width === Math.round(2 * c.clientWidth)")
        page.evaluate("times.length = 0")
        for i in range(1, 30):
            page.mouse.move(box["x"] + i * box["width"] / 30, box["y"] + box["height"] / 2)
        times = page.evaluate("times")
        assert len(times) > 5
        assert median(times) < 8
    finally:
        context.close()


def test_on_a_phone_a_tap_shows_and_a_second_one_opens(browser: Browser, visit, chart):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    try:
        page = visit("/map?sample=3", context.new_page())
        boxes = [canvas(page, i).bounding_box() for i in (0, 1)]
        assert boxes[1]["y"] > boxes[0]["y"] + boxes[0]["height"]
        widest = page.evaluate(
            "Math.max(...[document.documentElement, ...document.querySelectorAll("
            "'[data-testid=stMain], .block-container')].map(e => e.scrollWidth))"
        )
        assert widest <= 390
        number, spot = target(page, chart)
        canvas(page).tap(position=spot)
        expect(said(page)).to_contain_text(f"Example {number}:")
        expect(page.locator(".tip").first).to_be_visible()
        button = page.get_by_role("button", name=f"Open example {number} on Experts")
        assert button.bounding_box()["height"] >= 40
        canvas(page).tap(position=spot)
        page.wait_for_url(f"**sample={number}**")
        expect(headline(page)).to_contain_text("sharper than the prior")
    finally:
        context.close()
