"""The lesson in a browser: handles dragged by mouse, finger and keys, and what follows at once."""

from __future__ import annotations

import math
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

APP = "app.py"


@pytest.fixture
def lesson(page: Page, serve, settled):
    """Open a step; the frames sent to the server are kept in ``lesson.sent``."""
    sent: list[object] = []

    def keep(frame: object) -> None:
        sent.append(frame)

    page.on("websocket", lambda ws: ws.on("framesent", keep))

    def open_step(number: int, **params: str) -> Page:
        query = "&".join(f"{name}={value}" for name, value in params.items())
        page.goto(f"{serve(APP)}/learn?step={number}&{query}")
        settled(page)
        expect(page.locator(".stage").first).not_to_be_empty()
        return page

    open_step.sent = sent
    return open_step


def handle(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name, exact=True)


def middle(locator: Locator) -> tuple[float, float]:
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def value(locator: Locator) -> float:
    return float(locator.get_attribute("aria-valuenow"))


def total(page: Page, row: int = 0) -> float:
    """The precision of the product, as it is printed."""
    return float(page.locator(".arithmetic b").nth(row).inner_text())


def units(page: Page, range_: float) -> float:
    """Pixels of a unit of z."""
    return page.locator(".arena").bounding_box()["width"] / (2 * range_)


def test_dragging_the_width_changes_the_precision_with_no_word_to_the_server(lesson, settled):
    page = lesson(1)
    width = handle(page, "observation: standard deviation")
    assert (value(width), total(page)) == (1.0, 1.0)
    x, y = middle(width)
    page.mouse.move(x, y)
    page.mouse.down()
    before = len(lesson.sent)
    seen = []
    for part in (0.15, 0.3, 0.5):
        page.mouse.move(x - part * units(page, 5), y)
        seen.append(total(page))
    assert seen == sorted(seen)
    assert value(width) == pytest.approx(0.5, abs=0.02)
    assert total(page) == pytest.approx(1 / value(width) ** 2, abs=0.3)
    assert len(lesson.sent) == before
    page.mouse.up()
    page.wait_for_url("**lesson=**")
    settled(page)
    mean, std, on = parse_qs(urlsplit(page.url).query)["lesson"][0].split(",")
    assert (float(mean), on) == (1.0, "1")
    assert float(std) == pytest.approx(value(width), abs=0.01)
    page.reload()
    settled(page)
    expect(handle(page, "observation: standard deviation")).to_have_attribute(
        "aria-valuenow", f"{float(std):.2f}"
    )


def test_the_product_follows_the_dragged_mean(lesson):
    page = lesson(3)
    mean = handle(page, "first observation: mean")
    x, y = middle(mean)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 2 * units(page, 5), y, steps=4)
    expected = (value(mean) * 1 + 1.0 / 0.49) / (1 + 1 + 1 / 0.49)
    expect(page.locator(".readings .amount")).to_have_text(f"at {expected:.2f}".replace("-", "−"))
    page.mouse.up()
    assert value(mean) == pytest.approx(0.0, abs=0.05)


def test_switched_off_observations_are_left_out_and_the_prior_remains(lesson):
    page = lesson(3)
    expect(page.locator(".arithmetic")).to_have_text("1 + 1.0 + 2.0 = 4.0")
    page.get_by_role("switch", name="second observation").click()
    expect(page.locator(".arithmetic")).to_have_text("1 + 1.0 = 2.0")
    expect(page.get_by_role("switch", name="second observation")).not_to_be_checked()
    page.get_by_role("switch", name="first observation").click()
    expect(page.locator(".arithmetic")).to_have_text("1 = 1.0")
    page.wait_for_url(re.compile("lesson=.*0.*0"))


def test_without_prior_and_observations_there_is_no_product(lesson):
    page = lesson(2, lesson="0,1,0;1,1,0")
    expect(page.locator(".readings")).to_have_text(
        "Every factor is switched off, so there is no product."
    )


def test_keys_reach_and_move_every_handle(lesson, settled):
    page = lesson(4)
    names = [
        f"{who} expert: {what}"
        for who in ("first", "second")
        for what in ("mean", "standard deviation", "upward standard deviation")
    ]
    handle(page, names[0]).focus()
    for name in names[1:]:
        page.keyboard.press("Tab")
        expect(handle(page, name)).to_be_focused()
    width = handle(page, "second expert: standard deviation")
    width.focus()
    before = value(width)
    page.keyboard.press("ArrowLeft")
    assert value(width) == pytest.approx(before - 0.1)
    assert "The product is at" in width.get_attribute("aria-valuetext")
    mean = handle(page, "first expert: mean")
    mean.focus()
    page.keyboard.press("ArrowUp")
    assert mean.get_attribute("aria-valuetext").startswith("0.80, 0.10")
    page.wait_for_url("**lesson=0.8%2C0.1%2C**")
    settled(page)
    expect(mean).to_be_focused()


def test_a_key_that_is_down_outlasts_the_answer_to_the_one_before(lesson, settled):
    page = lesson(4)
    mean = handle(page, "first expert: mean")
    handle(page, "second expert: standard deviation").press("ArrowLeft")
    mean.focus()
    page.keyboard.down("ArrowUp")
    page.wait_for_url("**lesson=0.8%2C0%2C**")
    settled(page)
    expect(mean).to_have_attribute("aria-valuetext", re.compile("^0.80, 0.10"))
    page.keyboard.up("ArrowUp")
    page.wait_for_url("**lesson=0.8%2C0.1%2C**")


def test_a_finger_drags_a_handle(browser, serve, settled):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    try:
        page = context.new_page()
        page.goto(f"{serve(APP)}/learn?step=1")
        settled(page)
        mean = handle(page, "observation: mean")
        mean.tap(trial=True)  # in view, at rest, and nothing over it
        x, y = middle(mean)
        client = context.new_cdp_session(page)

        def touch(kind: str, *points: tuple[float, float]) -> None:
            client.send(
                "Input.dispatchTouchEvent",
                {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]},
            )

        touch("touchStart", (x, y))
        for step in range(1, 11):
            touch("touchMove", (x - step * units(page, 5) / 10, y))
        # what a finger did reaches a page with its next frame
        expect(mean).to_have_attribute("aria-valuenow", re.compile(r"^-?0\.0\d$"))
        touch("touchEnd")
        page.wait_for_url("**lesson=**")
    finally:
        context.close()


def test_the_product_stays_as_sharp_while_the_conflict_rises(lesson):
    page = lesson(6)
    facts = page.locator(".facts")
    sharp, gauge, prior = re.findall(r"[\d.]+", facts.inner_text())
    handle(page, "first expert: mean").focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    sharper, higher, _ = re.findall(r"[\d.]+", facts.inner_text())
    assert sharper == sharp
    assert float(higher) > float(gauge) + 5
    assert float(prior) == 0  # at first both stand as far from 0, on either side
    expect(page.locator(".mixture").first).to_be_visible()


def test_quarters_switched_on_sharpen_the_posterior(lesson):
    page = lesson(5)
    rows = page.locator(".growth .amount")
    expect(rows).to_have_count(2)
    page.get_by_role("switch", name="top right’s expert").click()
    expect(rows).to_have_count(3)
    first, second = (float(rows.nth(i).inner_text().split()[0]) for i in (1, 2))
    assert second > first > 0
    page.wait_for_url("**lesson=top+left%2Ctop+right**")


def test_pointing_at_an_observation_lights_it_up_everywhere(lesson):
    page = lesson(3)
    page.get_by_role("switch", name="first observation").hover()
    lit = page.locator("[data-of='first observation']")
    assert lit.count() >= 5  # curve, two handles, switch, arithmetic, share
    assert all("lit" in (lit.nth(i).get_attribute("class") or "") for i in range(lit.count()))
    expect(page.locator(".stage")).to_have_attribute("data-lit", "first observation")


def test_the_printed_arithmetic_is_that_of_the_algebra(lesson):
    page = lesson(4, lesson="0.5,-1,0.4,1.5,1;-0.7,0.3,2,0.25,1")
    for row, (first, second) in enumerate([(0.4, 2.0), (1.5, 0.25)]):
        assert total(page, row) == pytest.approx(1 + first**-2 + second**-2, abs=0.051)
    sharp = 0.5 * sum(math.log(1 + a**-2 + b**-2) for a, b in [(0.4, 2.0), (1.5, 0.25)])
    expect(page.locator(".facts")).to_contain_text(f"{sharp:.2f} nats sharper")
