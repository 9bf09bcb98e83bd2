"""Every page, looked at in both themes and on a phone: axe finds nothing, nothing sticks out."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

PHONE = {"width": 390, "height": 844}
#: How far a page, or what stands on it, reaches to the right.
WIDEST = """() => Math.max(...[document.documentElement, ...document.querySelectorAll(
    '[data-testid=stMain], .block-container, table')].map(e => e.scrollWidth))"""
#: The colours of the page and of each component, which follow a theme one after another.
COLOURS = """[...document.querySelectorAll(
    '[data-testid=stApp], [data-testid=stBidiComponentIsolated]')]
    .map((part) => part.shadowRoot?.querySelector('div') ?? part)
    .map((part) => getComputedStyle(part))
    .map((style) => style.getPropertyValue('--st-text-color') || style.backgroundColor)"""
SETTLED = f"""before => document.getAnimations().every((a) => a.playState !== 'running')
    && {COLOURS}.every((colour, i) => colour !== before[i])"""

PATHS = [
    "/?sample=3",
    "/?sample=3&at=1.5,-1",
    "/?data=quadrants&sample=4&supply=top left",
    "/?model=mvae-2d&sample=3",
    "/traverse?sample=3&down=2",
    "/map?sample=3",
    "/map?data=quadrants&colour=entropy",
    "/compare?sample=3&supply=label",
    "/results?kind=coherence",
    "/missing?data=quadrants&shown=predictive",
    "/theory?pair=square&best=forward&method=dbm",
    "/theory?pair=outliers&noise=2&method=denoising&count=3",
    "/learn?step=1",
    "/learn?step=4",
    "/learn?step=7",
    "/learn?step=8",
]
#: Of checkpoints of every kind of modality.
TOYS = [
    "/?data=traits&sample=3&supply=image,trait 3",
    "/?data=sentences&sample=3&at=0.5,-1",
    *(f"/?data={data}&sample=2" for data in ("spoken", "scenes", "clips", "measured", "signals")),
    "/compare?data=scenes&sample=3&supply=grey",
    "/map?data=clips&sample=3",
]


def prepare(page: Page, path: str) -> None:
    """Bring forth what a visitor does on the page."""
    if "at=" in path:
        expect(page.get_by_role("button", name="Back to the posterior")).to_be_visible()
        expect(page.locator(".made.held")).to_be_visible()
    if "/map" in path:
        page.locator("canvas.chart").first.focus()
        page.keyboard.press("ArrowUp")
    if "/learn" in path:
        expect(page.locator(".stage").first).not_to_be_empty()
        page.get_by_role("radio", name=re.compile("^(It|At|So|A|The)")).first.check(force=True)
        expect(page.get_by_test_id("stAlert")).to_be_visible()


@pytest.mark.parametrize("path", PATHS)
def test_in_both_themes_and_on_a_phone(guest, path):
    look(guest, None, path)


@pytest.mark.parametrize("path", TOYS)
def test_every_kind_in_both_themes_and_on_a_phone(guest, toy_app, path):
    look(guest, toy_app, path)


def look(guest, address: str | None, path: str) -> None:
    page = guest(address, viewport={"width": 1280, "height": 900}, color_scheme="light").open(path)
    prepare(page, path)
    before: list[str] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(SETTLED, arg=before)
        before = page.evaluate(COLOURS)
        found = Axe().run(page)
        assert found.response["passes"]
        # Its own report cannot be written of what lies in a shadow.
        assert found.response["violations"] == []
    page.set_viewport_size(PHONE)
    page.wait_for_function(f"() => ({WIDEST})() <= 390")
    plane = page.locator(".plane")
    if plane.count():
        box = plane.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390
        assert box["width"] > 300
    for part in page.locator("[class*=card-], .chips button, .tokens").all():
        box = part.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390
    for formula in page.locator(".katex-display").all():
        assert formula.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
