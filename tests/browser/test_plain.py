"""Foreign texts in a browser: each is read as it stands, and nothing is asked of anybody."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from pages.parts.plain import JOINER
from tests.hostile_texts import HOSTILE, SIGNS, write_hostile


@pytest.fixture(scope="module")
def texts(browser, serve, settled):
    """Open the texts once; give the page, and the hosts that were asked."""
    hosts = set()
    page = browser.new_context().new_page()
    page.on("request", lambda request: hosts.add(re.sub(r"^\w+://([^/]*).*", r"\1", request.url)))
    page.goto(serve("tests/browser/plain_app.py"))
    settled(page)
    expect(page.locator(f".st-key-code-{len(SIGNS)} code")).to_be_visible()
    yield page, hosts
    page.context.close()


@pytest.mark.parametrize("place", ["text", "sentence", "label", "option", "code"])
def test_a_foreign_text_is_read_as_it_stands(texts, place):
    page, hosts = texts
    read = "a, img, strong, em, h1, li, .katex, blockquote, hr" + ", code" * (place != "code")
    for i, sign in enumerate((*SIGNS, HOSTILE)):
        where = page.locator(f".st-key-{place}-{i}")
        shown = (where.text_content() or "").replace(JOINER, "")
        if place == "sentence":
            assert f"The link asks for “{sign}”, which does not exist." in shown
        elif place == "option":
            assert shown.removeprefix("options") == sign
        else:
            assert shown == sign
        assert where.locator(read).count() == 0
    assert not [host for host in hosts if "evil" in host]


@pytest.fixture(scope="module")
def hostile_app(serve, tmp_path_factory):
    """Serve the app over a checkpoint whose every text is hostile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOYS", str(write_hostile(tmp_path_factory.mktemp("hostile"))))
        # an option of its own, so that it is another server than that of other toys
        return serve("tests/browser/toys_app.py", "--server.maxUploadSize", "10")


def test_a_hostile_checkpoint_is_read_as_it_stands(guest, hostile_app):
    # That nobody else was asked for anything, the guest checks in the end.
    visitor = guest(hostile_app)
    for page in ("", "traverse", "map", "compare", "results?kind=coherence", "missing"):
        shown = visitor.open(f"/{page}")
        expect(shown.get_by_text("evil").first).to_be_attached()
        assert shown.locator(".katex").count() == 0, page
        hosts = shown.locator("[src], [href]").evaluate_all(
            "all => all.map(e => new URL(e.src ?? e.href, location.href).host)"
        )
        assert not [host for host in hosts if "evil" in host], page
