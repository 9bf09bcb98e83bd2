"""The Theory page in a browser: the noise is dragged, and nothing is asked of the server."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

APP = "app.py"


def opened(page: Page, address: str, settled, query: str = "") -> Page:
    page.goto(f"{address}/theory{query}")
    expect(page.locator("table.step")).to_be_visible()
    expect(page.locator(".quadrature tbody tr").first).to_be_visible()
    settled(page)
    return page


@pytest.fixture
def frames(page: Page) -> list[str | bytes]:
    """Collect what the browser sends to the server."""
    sent: list[str | bytes] = []

    def keep(frame: str | bytes) -> None:  # playwright takes no built-in function
        sent.append(frame)

    page.on("websocket", lambda socket: socket.on("framesent", keep))
    return sent


@pytest.fixture
def theory(page: Page, frames, serve, settled) -> Iterator[Page]:
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    yield opened(page, serve(APP), settled, "?pair=square")
    assert not errors


def handle(page: Page) -> Locator:
    return page.get_by_role("slider", name="Noise")


def number(page: Page, row: str, column: int = 1) -> Locator:
    return page.get_by_role("row").filter(has_text=row).get_by_role("cell").nth(column - 1)


def test_numbers_and_curves_follow_the_mouse_before_the_server_hears(theory, frames, settled):
    divergence = number(theory, "q₁₂, best for", 2)
    curve = theory.locator("svg[role=img] path").nth(3)
    expect(divergence).to_have_text("0.016")
    box = handle(theory).bounding_box()
    y = box["y"] + box["height"] / 2
    frames.clear()
    theory.mouse.move(box["x"] + 0.25 * box["width"], y)
    theory.mouse.down()
    seen, drawn = set(), set()
    for share in (0.3, 0.5, 0.7, 0.9):
        theory.mouse.move(box["x"] + share * box["width"], y, steps=4)
        expect(theory.locator("output")).to_have_text(re.compile(r"\d\.\d\d"))
        seen.add(divergence.inner_text())
        drawn.add(curve.get_attribute("d"))
    assert len(seen) == len(drawn) == 4
    assert not frames
    assert "noise=" not in theory.url
    theory.mouse.up()
    theory.wait_for_url("**noise=3*")
    settled(theory)
    assert len(frames) == 1
    level = handle(theory).input_value()
    assert f"noise={level}" in theory.url
    theory.reload()
    expect(handle(theory)).to_have_value(level)


def test_arrow_keys_move_it_and_the_server_hears_when_the_key_is_let_go(theory, frames, settled):
    handle(theory).focus()
    frames.clear()
    for _ in range(5):  # a key that is held down repeats
        theory.keyboard.down("ArrowRight")
    expect(handle(theory)).to_have_value("15")
    expect(handle(theory)).to_have_attribute(
        "aria-valuetext", re.compile(r"noise 0\.47; the product is .* nats from the joint")
    )
    assert not frames
    theory.keyboard.up("ArrowRight")
    theory.wait_for_url("**noise=15**")
    settled(theory)
    assert len(frames) == 1
    expect(handle(theory)).to_be_focused()


def test_tied_optima_are_two_rows_until_they_merge(theory):
    left = theory.get_by_role("button", name="product q₁q₂/p, left optimum")
    right = theory.get_by_role("button", name="product q₁q₂/p, right optimum")
    expect(left).to_be_visible()
    expect(right).to_be_visible()
    handle(theory).focus()
    theory.keyboard.press("End")
    expect(right).to_have_count(0)
    expect(theory.get_by_role("button", name="product q₁q₂/p")).to_be_visible()
    theory.keyboard.press("Home")
    expect(right).to_be_visible()


def test_a_row_that_is_looked_at_stands_out(theory):
    row = theory.get_by_role("button", name="q₂, best for p(z|x₂)")
    row.focus()
    expect(theory.locator("svg.looking path.on")).to_have_count(1)
    handle(theory).focus()
    expect(theory.locator("svg.looking")).to_have_count(0)
    row.hover()
    expect(theory.locator("svg.looking path.on")).to_have_count(1)


def test_another_pair_redraws_and_keeps_the_noise(theory, settled):
    handle(theory).focus()
    theory.keyboard.press("ArrowLeft")
    theory.wait_for_url("**noise=9**")
    theory.get_by_text("Linear", exact=True).click()
    expect(number(theory, "product q₁q₂/p", 2)).to_have_text("0.000")
    expect(number(theory, "product q₁q₂/p", 3)).to_have_text("0.000")
    expect(handle(theory)).to_have_value("9")
