"""Inputs in a browser: chips and texts, by mouse and by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.held_connection import HeldConnection


@pytest.fixture
def visitor(guest, toy_app):
    return guest(address=toy_app)


def chip(page: Page, name: str) -> Locator:
    return page.locator(f".chips button[data-name='{name}']")


def headline(page: Page) -> Locator:
    return page.get_by_role("heading", level=3).first


def test_a_chip_answers_at_once_and_the_server_follows(visitor):
    page = visitor.open("/?data=traits&sample=0")
    trait = page.get_by_role("button", name="trait 3: no", exact=True)
    expect(trait).to_have_text("✗trait 3")
    trait.click()
    assert chip(page, "trait 3").get_attribute("aria-label") == "trait 3: yes"
    expect(chip(page, "trait 3")).to_have_text("✓trait 3")
    page.wait_for_url("**set-trait+3=1**")
    expect(page.get_by_text("may differ from the example’s own: trait 3")).to_be_visible()
    chip(page, "trait 3").click()
    expect(chip(page, "trait 3")).to_have_attribute("aria-label", "trait 3: not supplied")
    expect(page.get_by_text("Dropping the trait 3 widened the posterior")).to_be_visible()
    expect(headline(page)).to_contain_text("Given 18 modalities")
    chip(page, "trait 3").click()
    expect(page.get_by_text("Supplying the trait 3 sharpened the posterior")).to_be_visible()
    expect(chip(page, "trait 3")).to_have_attribute("aria-label", "trait 3: no")


def test_quick_clicks_are_all_heard(visitor):
    page = visitor.open("/?data=traits&sample=1")
    # without waiting for the server in between
    page.locator(".chips").evaluate(
        "bar => [0, 5, 9, 9, 17].forEach((i) => bar.children[i].click())"
    )
    page.wait_for_url("**set-trait+17=0**")
    visitor.settled(page)
    assert "set-trait+0=0" in page.url
    assert "set-trait+5=0" in page.url
    assert "set-trait+9" not in page.url  # clicked twice, it is dropped
    expect(page.get_by_text("attributes · 17 of 18")).to_be_visible()
    states = page.locator(".chips button").evaluate_all("all => all.map((b) => b.dataset.state)")
    assert states == ["off" if i == 9 else "no" if i in (0, 5, 17) else "yes" for i in range(18)]


def test_chips_by_keyboard(visitor):
    page = visitor.open("/?data=traits&sample=0")
    chip(page, "trait 0").focus()
    page.keyboard.press("End")
    expect(chip(page, "trait 17")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(chip(page, "trait 1")).to_be_focused()
    page.keyboard.press("Space")
    page.wait_for_url("**set-trait+1=1**")
    visitor.settled(page)
    expect(chip(page, "trait 1")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("attributes · 17 of 18")).to_be_visible()
    expect(chip(page, "trait 1")).to_be_focused()
    page.keyboard.press("Tab")
    assert not page.locator(".chips button:focus").count()  # one stop for all of them


def test_a_chip_follows_what_is_done_elsewhere(visitor):
    page = visitor.open("/?data=traits&sample=0")
    page.get_by_role("switch", name="trait 2").click()
    expect(chip(page, "trait 2")).to_have_attribute("aria-label", "trait 2: not supplied")
    page.get_by_role("button", name="None").click()
    expect(page.locator(".chips button[data-state=off]")).to_have_count(18)
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="All").click()
    expect(page.locator(".chips button[data-state=yes]")).to_have_count(18)


@pytest.mark.parametrize("data", ["spoken", "clips", "measured"])
def test_what_a_browser_does_not_know_yet_is_not_set_back(visitor, data):
    """Next, and Next again before it has come back: with it comes what the first one replaced."""
    line = HeldConnection(visitor.page)
    page = visitor.open(f"/?data={data}&sample=4")
    number = page.get_by_label("Test example, 0 to")
    line.held_up = True
    for _ in range(2):
        page.get_by_role("button", name="Next").click()
    line.wait_for(2)
    line.send()
    expect(number).to_have_value("5")
    visitor.settled(page)
    line.go_on()
    expect(number).to_have_value("6")
    visitor.settled(page)
    page.wait_for_url("**sample=6**")
    assert "set-" not in page.url
    expect(page.get_by_text("may differ from the example’s own")).to_have_count(0)


def test_what_is_done_and_undone_at_once_is_undone(visitor):
    """Off, Next, and on before anything has come back: on is what the page had shown at first."""
    line = HeldConnection(visitor.page)
    page = visitor.open("/?data=spoken&sample=4&supply=image,text")
    line.held_up = True
    page.locator(".st-key-supply-text label").first.click()
    page.get_by_role("button", name="Next").click()
    page.locator(".st-key-supply-text label").first.click()
    line.wait_for(3)
    for _ in range(2):
        line.send()
        visitor.settled(page)
    expect(headline(page)).to_contain_text("Given image, the model predicts")
    line.go_on()
    expect(headline(page)).to_contain_text("Given image and text, the model predicts")
    expect(page.get_by_label("Test example, 0 to")).to_have_value("5")
    expect(page.get_by_role("switch", name="text", exact=True)).to_be_checked()


def test_tags_that_are_dropped_are_dashed_until_one_is_clicked(visitor):
    page = visitor.open("/?data=clips&sample=2&supply=clip")
    expect(page.locator(".chips.dropped")).to_have_count(1)
    chip(page, "tag 1").click()
    expect(page.locator(".chips.dropped")).to_have_count(0)
    expect(headline(page)).to_contain_text("Given clip and mood")
    visitor.settled(page)
    page.locator(".st-key-supply-mood label").first.click()
    expect(page.locator(".chips.dropped")).to_have_count(1)


def test_a_text_is_typed(visitor):
    page = visitor.open("/?data=spoken&sample=2&supply=image")
    box = page.get_by_role("textbox", name="text")
    box.fill("40 7")
    box.press("Enter")
    page.wait_for_url("**set-text=40+7**")
    expect(page.locator(".tokens span")).to_have_text(["4", "0", "7"])
    expect(headline(page)).to_contain_text("Given image and text")
    box.fill("4x")
    box.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_contain_text("use 0–9. The previous text is kept.")
    expect(box).to_have_value("4x")
    expect(page.locator(".tokens span")).to_have_text(["4", "0", "7"])
    box.fill("41")
    box.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    expect(page.locator(".tokens span")).to_have_text(["4", "1"])
    page.reload()
    visitor.settled(page)
    expect(page.get_by_role("textbox", name="text")).to_have_value("41")


def test_tags_that_are_many_are_found_by_typing(visitor):
    page = visitor.open("/?data=clips&set-tags=tag+3")
    page.set_viewport_size({"width": 1280, "height": 1200})  # room for the list below its box
    page.get_by_role("combobox", name=re.compile("tags")).fill("tag 20")
    page.get_by_role("option", name="tag 20").click()
    page.wait_for_url("**set-tags=tag+3%2Ctag+20**")
