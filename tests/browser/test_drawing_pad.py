"""The drawing pad in a real browser: what is drawn, by every means, is what the server gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from torch import Tensor

from mvae.images.preprocessing import normalise_ink, pack_bits, unpack_bits
from mvae.images.tiling import Framing

FRAME = (1, 28, 28)
COMPONENT = "[data-testid=stBidiComponentIsolated]"
APP = "tests/browser/pad_app.py"
INK = Path(__file__).resolve().parents[2] / "pages/parts/pad/ink.js"
FIVE = [(0.75, 0.2), (0.4, 0.2), (0.33, 0.47), (0.5, 0.42), (0.66, 0.5), (0.6, 0.76), (0.35, 0.74)]
SEVEN = [(0.2, 0.15), (0.8, 0.15), (0.5, 0.85)]
Strokes = list[list[tuple[float, float]]]


# The pure functions, in a blank page


@pytest.fixture
def ink(page: Page) -> Callable[..., object]:
    """Give a function that calls one of the functions of ink.js."""
    page.add_script_tag(content=INK.read_text("utf-8").replace("\nexport ", "\n"))

    def call(function: str, *values: object) -> object:
        return page.evaluate(f"Array.from({function}(...{json.dumps(values)}) ?? [-1])")

    return call


def raster(strokes: Strokes, pen: float = 0.09, side: int = 700) -> Tensor:
    """Paint strokes on a large picture, independently of the pad."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    painted = np.zeros((side, side), dtype=bool)
    for stroke in strokes:
        for (ax, ay), (bx, by) in zip(stroke, stroke[1:] or stroke, strict=False):
            length = (bx - ax) ** 2 + (by - ay) ** 2 or 1
            along = (((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length).clip(0, 1)
            away = np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))
            painted |= away <= pen / 2
    return torch.from_numpy(painted).float()


@pytest.mark.parametrize("framing", ["centred", "filled", "free"])
@pytest.mark.parametrize(
    "strokes",
    [
        [FIVE],
        [SEVEN],
        [SEVEN, [(0.35, 0.5), (0.65, 0.5)]],
        [[(0.5, 0.1), (0.5, 0.9)]],
        [[(0.05, 0.06), (0.95, 0.95)], [(0.8, 0.1), (0.1, 0.9)]],
    ],
)
def test_strokes_become_the_picture_that_intake_makes(
    ink: Callable[..., list[float]], strokes: Strokes, framing: Framing
) -> None:
    drawing = {"pixels": None, "strokes": strokes}
    got = torch.tensor(ink("grey", drawing, 28, 28, framing)).reshape(FRAME)
    wanted = normalise_ink(raster(strokes), FRAME, framing)
    assert (got - wanted).abs().mean() < 0.01
    bits = torch.tensor(ink("picture", drawing, 28, 28, framing)).reshape(FRAME)
    assert (bits.bool() != (wanted > 0.5)).sum() <= 6


def test_several_digits_stay_where_they_are_drawn_with_a_finer_pen(
    ink: Callable[..., list[float]],
) -> None:
    small = [[(0.05 + 0.4 * x, 0.5 * y) for x, y in digit] for digit in (FIVE, SEVEN)]
    small[1] = [(x + 0.5, y + 0.45) for x, y in small[1]]
    shape = (1, 50, 50)
    got = torch.tensor(ink("grey", {"pixels": None, "strokes": small}, 50, 50, "free"))
    wanted = normalise_ink(raster(small, pen=2.52 / 50), shape, "free")
    assert (got.reshape(shape) - wanted).abs().mean() < 0.01
    columns = torch.nonzero(got.reshape(50, 50) > 0.5)[:, 1]
    assert (columns.min(), columns.max()) == (8, 44)


def test_small_drawings_are_enlarged_but_their_strokes_are_no_blots(
    ink: Callable[..., list[float]],
) -> None:
    small = [(0.1 + 0.25 * x, 0.6 + 0.25 * y) for x, y in FIVE]
    bits = torch.tensor(ink("picture", {"pixels": None, "strokes": [small]}, 28, 28, "centred"))
    rows, columns = torch.nonzero(bits.reshape(28, 28), as_tuple=True)
    assert rows.max() - rows.min() in (18, 19)
    assert 100 < bits.sum() < 210
    centre = torch.stack([rows, columns]).float().mean(1)
    assert (centre - 14).abs().max() < 0.8  # half a pixel before it is made binary
    dot = ink("picture", {"pixels": None, "strokes": [[(0.9, 0.9)]]}, 28, 28, "centred")
    assert 5 <= sum(dot) <= 16


def test_text_is_that_of_intake(ink: Callable[..., list[int]], page: Page) -> None:
    source = torch.Generator().manual_seed(0)
    for shape in (FRAME, (1, 13, 7), (1, 1, 1)):
        bits = torch.randint(2, shape, generator=source)
        bits[0, 0, 0] = 1
        text = pack_bits(bits)
        assert page.evaluate(f"pack({bits.flatten().tolist()})") == text
        assert ink("unpack", text, bits.numel()) == bits.flatten().tolist()
    for damaged in ("", "A" * 130, "A" * 130 + "+", "é" * 131, None, 7, "A" * 131):
        assert ink("unpack", damaged, 784) == [-1]


def test_a_restored_picture_stays_and_can_be_drawn_on(ink: Callable[..., list[int]]) -> None:
    bits = ink("picture", {"pixels": None, "strokes": [SEVEN]}, 28, 28, "centred")
    pixels = {"bits": bits, "height": 28, "width": 28}
    assert ink("picture", {"pixels": pixels, "strokes": []}, 28, 28, "centred") == bits
    bar = [(0.35, 0.5), (0.7, 0.5)]
    both = ink("picture", {"pixels": pixels, "strokes": [bar]}, 28, 28, "centred")
    assert sum(bits) + 5 < sum(both) < sum(bits) + 50


# The pad in an app


@pytest.fixture
def pad(page: Page, serve: Callable[..., str]) -> Locator:
    page.goto(serve(APP))
    expect(text_of(page)).to_have_text("nothing")
    return drawn(page)


def drawn(page: Page) -> Locator:
    """Wait until the pad's script has painted it."""
    expect(page.locator(".undo[aria-disabled]")).to_be_visible()
    return page.locator("canvas.drawing")


def text_of(page: Page) -> Locator:
    return page.get_by_test_id("stCode").locator("code")


def ink_of(page: Page) -> Tensor:
    expect(text_of(page)).not_to_have_text("nothing")
    return unpack_bits(text_of(page).inner_text().strip(), FRAME)


def drag(page: Page, canvas: Locator, points: list[tuple[float, float]]) -> None:
    box = canvas.bounding_box()
    assert box
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def painted(canvas: Locator) -> int:
    """Count the pixels of the canvas that differ from its corner."""
    return canvas.evaluate(
        """c => {
            const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
            let n = 0;
            for (let i = 0; i < d.length; i += 4) n += Math.abs(d[i] - d[0]) > 100;
            return n;
        }"""
    )


def run_of(page: Page, number: int) -> None:
    expect(page.get_by_text(f"Run {number}", exact=True)).to_be_visible()


def test_mouse_then_undo_then_clear(
    page: Page, pad: Locator, settled: Callable[[Page], None]
) -> None:
    undo, clear = (page.get_by_role("button", name=name) for name in ("Undo", "Clear"))
    expect(undo).to_have_attribute("aria-disabled", "true")
    drag(page, pad, FIVE)
    run_of(page, 2)  # one message for the whole stroke
    wanted = normalise_ink(raster([FIVE]), FRAME) > 0.5
    assert ((ink_of(page) > 0.5) != wanted).sum() <= 12
    first, once = text_of(page).inner_text(), painted(pad)

    page.get_by_role("button", name="Run again").click()
    run_of(page, 3)
    settled(page)
    assert painted(pad) == once  # the strokes survive

    drag(page, pad, [(0.1, 0.9), (0.9, 0.9)])
    run_of(page, 4)
    expect(text_of(page)).not_to_have_text(first)
    assert painted(pad) > once
    undo.click()
    expect(text_of(page)).to_have_text(first)
    assert painted(pad) == once
    expect(undo).to_have_attribute("aria-disabled", "false")
    clear.click()
    expect(text_of(page)).to_have_text("nothing")
    assert painted(pad) == 0
    expect(clear).to_have_attribute("aria-disabled", "true")
    expect(clear).to_be_focused()


def test_strokes_drawn_while_the_page_runs_are_kept(page: Page, pad: Locator) -> None:
    for x in (0.2, 0.4, 0.6, 0.8):
        drag(page, pad, [(x, 0.2), (x, 0.8)])
    seen = page.locator("canvas.seen").get_attribute("aria-label")
    assert seen
    # the page may leave out what was overtaken, but not the last message
    expect(page.get_by_text(f"Ink {seen.split()[4]}", exact=True)).to_be_visible()
    assert int((ink_of(page)[0, 14].diff() == 1).sum()) == 4


def test_leaving_the_page_with_the_pen_down(page: Page, pad: Locator) -> None:
    box = pad.bounding_box()
    assert box
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 900, box["y"] + 300, steps=5)  # captured beyond the edge
    page.mouse.up()
    assert ink_of(page).sum() > 20


def test_touch(browser: Browser, serve: Callable[..., str]) -> None:
    phone = browser.new_context(viewport={"width": 390, "height": 700}, has_touch=True)
    page = phone.new_page()
    page.goto(serve(APP))
    expect(text_of(page)).to_have_text("nothing")
    canvas = drawn(page)
    box = canvas.bounding_box()
    assert box
    assert 200 < box["width"] <= 240
    fingers = phone.new_cdp_session(page)
    for i, (x, y) in enumerate([*SEVEN, SEVEN[-1]]):
        kind = "touchStart" if i == 0 else "touchEnd" if i == len(SEVEN) else "touchMove"
        place = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        points = [] if kind == "touchEnd" else [place]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    run_of(page, 2)
    wanted = normalise_ink(raster([SEVEN]), FRAME) > 0.5
    assert ((ink_of(page) > 0.5) != wanted).sum() <= 12
    for button in ("Undo", "Clear"):
        target = page.get_by_role("button", name=button).bounding_box()
        assert target
        assert min(target["width"], target["height"]) >= 40
    phone.close()


def test_keyboard(page: Page, pad: Locator) -> None:
    said = page.locator(".said")
    page.get_by_role("checkbox", name="Show").focus()
    page.keyboard.press("Tab")
    expect(pad).to_be_focused()
    page.keyboard.press("Space")
    expect(said).to_have_text("Pen down.")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    expect(text_of(page)).to_have_text("nothing")  # only a lifted pen sends
    page.keyboard.press("Space")
    expect(said).to_have_text("Pen up.")
    bar = ink_of(page)[0]
    assert bar.any(1).sum() == 20
    assert 2 <= bar.any(0).sum() <= 5
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(text_of(page)).to_have_text("nothing")
    expect(said).to_have_text("The pad is empty.")
    # the pad can be left while the pen is down, which lifts it
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    assert ink_of(page).sum() > 3


def test_link_restores_a_drawing(page: Page, serve: Callable[..., str]) -> None:
    wanted = (normalise_ink(raster([FIVE]), FRAME) > 0.5).float()
    page.goto(f"{serve(APP)}/?drawing={pack_bits(wanted)}")
    expect(text_of(page)).to_have_text(pack_bits(wanted))
    canvas = drawn(page)
    side = canvas.evaluate("c => c.width")
    assert painted(canvas) == pytest.approx(wanted.sum().item() * (side / 28) ** 2, rel=0.02)
    page.get_by_role("button", name="Undo").click()
    expect(text_of(page)).to_have_text("nothing")  # and not the link's drawing again


def test_damaged_link_shows_an_empty_pad(page: Page, serve: Callable[..., str]) -> None:
    page.goto(f"{serve(APP)}/?drawing=AAAA")
    expect(page.get_by_text("not complete")).to_be_visible()
    assert painted(drawn(page)) == 0


def test_pad_shown_again_shows_what_the_page_kept(page: Page, pad: Locator) -> None:
    drag(page, pad, FIVE)
    run_of(page, 2)
    text = text_of(page).inner_text()
    page.get_by_test_id("stCheckbox").locator("label").click()
    expect(pad).not_to_be_attached()
    page.get_by_test_id("stCheckbox").locator("label").click()
    expect(text_of(page)).to_have_text(text)
    assert painted(drawn(page)) > 500


def test_updates_leave_no_observers_behind(page: Page, serve: Callable[..., str]) -> None:
    page.add_init_script(
        """window.watching = 0;
        const { observe, disconnect } = ResizeObserver.prototype;
        ResizeObserver.prototype.observe = function (e, o) {
            if (e.className === "drawing") { this.mine = true; watching++; }
            return observe.call(this, e, o);
        };
        ResizeObserver.prototype.disconnect = function () {
            if (this.mine) watching--;
            return disconnect.call(this);
        };"""
    )
    page.goto(serve(APP))
    for number in range(2, 5):
        run_of(page, number - 1)
        page.get_by_role("button", name="Run again").click()
    run_of(page, 4)
    assert page.evaluate("watching") == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_themes_and_accessibility(page: Page, serve: Callable[..., str], theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    page.goto(serve(APP))
    expect(text_of(page)).to_have_text("nothing")
    canvas = drawn(page)
    rules = Axe()
    for _ in range(2):
        results = rules.run(page, context=COMPONENT)
        assert results.response["passes"]  # it looked into the component
        assert results.violations_count == 0, results.generate_report()
        drag(page, canvas, FIVE)
        ink_of(page)
    colours = canvas.evaluate(
        """c => {
            const at = (x, y) => c.getContext("2d").getImageData(x * c.width, y * c.width, 1, 1);
            return [at(0.02, 0.5), at(0.6, 0.2)].map(({ data }) => data[0]);
        }"""
    )
    assert (
        colours[0] > 200 > 100 > colours[1] if theme == "light" else colours[0] < 100 < colours[1]
    )
