"""The whole story in a browser: supply, drop, supply again, draw, upload, follow links."""

from __future__ import annotations

from PIL import Image
from playwright.sync_api import Page, expect


def headline(page: Page):
    return page.get_by_role("heading", level=3).first


def switch(page: Page, name: str):
    """The visible part of a toggle."""
    return page.locator(f".st-key-supply-{name.replace(' ', '-')} label").first


def test_dropping_the_label_widens_the_posterior_and_supplying_it_sharpens_it(visitor):
    page = visitor.open("/?sample=3")
    expect(headline(page)).to_contain_text("Given image and label")
    expert = page.get_by_role("switch", name="label’s expert")
    curves = page.locator(".curves path[data-of=label]")
    expect(expert).to_be_checked()
    expect(curves).to_have_count(6)
    switch(page, "label").click()
    expect(page.get_by_text("Dropping the label widened the posterior")).to_be_visible()
    expect(headline(page)).to_contain_text("Given image, the model predicts")
    expect(expert).not_to_be_checked()
    expect(curves).to_have_count(0)
    assert "supply=image" in page.url.replace("%2C", ",").split("&")
    switch(page, "label").click()
    expect(page.get_by_text("Supplying the label sharpened the posterior")).to_be_visible()
    expect(expert).to_be_checked()
    expect(curves).to_have_count(6)


def test_a_deep_link_on_a_fresh_server(guest, serve):
    """The first request that a server ever gets is for a page of its own, not for the root."""
    fresh = guest(address=serve("app.py", "--server.maxMessageSize", "199"))
    page = fresh.open("/traverse?data=quadrants&sample=9&supply=label")
    expect(page.get_by_text("The posterior is given label, as on the Experts page")).to_be_visible()
    expect(page.locator(".js-plotly-plot, [data-testid=stPlotlyChart]").first).to_be_visible()
    page.get_by_role("link", name="Experts").click()
    expect(headline(page)).to_contain_text("Given label")


def test_a_digit_drawn_by_hand_is_named(visitor):
    page = visitor.open("/")
    page.get_by_role("radio", name="Draw").or_(page.get_by_text("Draw", exact=True)).first.click()
    pad = page.locator("canvas[tabindex]").first
    expect(pad).to_be_visible()
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + 0.15 * box["height"])
    page.mouse.down()
    for step in range(1, 11):
        page.mouse.move(middle, box["y"] + (0.15 + 0.07 * step) * box["height"])
    page.mouse.up()
    expect(headline(page)).to_contain_text("Given image")
    expect(page.locator(".generated .title", has_text="label")).to_contain_text("1, ")
    page.wait_for_url("**drawing=**")


def supply_file(page: Page, path) -> None:
    """Choose a file as a person does, by the uploader's button."""
    with page.expect_file_chooser() as chooser:
        page.get_by_test_id("stFileUploader").get_by_role("button").last.click()
    chooser.value.set_files(path)


def test_an_uploaded_picture_is_evidence_and_a_text_file_is_explained(visitor, tmp_path):
    page = visitor.open("/")
    page.get_by_text("Upload", exact=True).first.click()
    page.wait_for_url("**source=upload**")
    expect(headline(page)).to_contain_text("Given nothing")
    one = Image.new("L", (200, 300), 255)
    one.paste(0, (90, 40, 115, 260))
    one.save(tmp_path / "one.png")
    supply_file(page, tmp_path / "one.png")
    expect(headline(page)).to_contain_text("Given image")
    expect(page.locator(".generated .title", has_text="label")).to_contain_text("1, ")
    (tmp_path / "text.png").write_text("This is a letter, not a picture.")
    supply_file(page, tmp_path / "text.png")
    expect(page.get_by_test_id("stAlert")).to_be_visible()
    expect(headline(page)).to_contain_text("Given image")


def test_a_row_of_pictures_stays_readable_on_a_phone(guest):
    page = guest(viewport={"width": 390, "height": 844}, has_touch=True).open("/traverse?sample=3")
    strip = page.get_by_test_id("stPlotlyChart").first
    expect(strip).to_be_visible()
    assert strip.bounding_box()["width"] / 9 > 60
