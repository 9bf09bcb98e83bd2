"""The stage under a hand: dragged, switched, by mouse, touch and keys, with the server held up."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, Route, expect

from mvae.analysis.embedding import posterior_means, principal_axes
from mvae.analysis.inference import infer
from mvae.checkpoint import load_model, load_samples
from tests.browser.held_connection import HeldConnection

TALL = {"width": 1280, "height": 1200}
MODEL = load_model("mnist", "mvae-cover")[0]
SAMPLES = load_samples("mnist", MODEL.modalities)


def place_in(url: str) -> list[float] | None:
    values = parse_qs(urlsplit(url).query).get("at")
    return [float(x) for x in values[0].split(",")] if values else None


def supply_in(url: str) -> list[str]:
    return parse_qs(urlsplit(url).query)["supply"][0].split(",")


def holding(page: Page) -> None:
    page.wait_for_url(lambda url: place_in(url) is not None)


def free(page: Page) -> None:
    page.wait_for_url(lambda url: place_in(url) is None)


@torch.no_grad()
def decoded_at(at: list[float], evidence: list[str]) -> dict[str, np.ndarray]:
    """Decode the latent that is at a place of the oblique plane through the posterior's mean."""
    mean = infer(MODEL, SAMPLES[slice(3, 4)], evidence).posterior.mean
    axes = principal_axes(posterior_means(MODEL, SAMPLES, SAMPLES.names))
    z = mean + axes.T @ (torch.tensor(at) - axes @ mean)
    return {name: x.numpy() for name, x in MODEL.expected(z).items()}


class Mouse:
    def __init__(self, page: Page) -> None:
        self.page = page

    def down(self, x: float, y: float) -> None:
        self.page.mouse.move(x, y)
        self.page.mouse.down()

    def move(self, x: float, y: float) -> None:
        self.page.mouse.move(x, y)

    def up(self) -> None:
        self.page.mouse.up()


class Finger:
    def __init__(self, page: Page) -> None:
        self.session = page.context.new_cdp_session(page)

    def _send(self, kind: str, *points: dict[str, float]) -> None:
        event = {"type": kind, "touchPoints": list(points)}
        self.session.send("Input.dispatchTouchEvent", event)

    def down(self, x: float, y: float) -> None:
        self._send("touchStart", {"x": x, "y": y})

    def move(self, x: float, y: float) -> None:
        self._send("touchMove", {"x": x, "y": y})

    def up(self) -> None:
        self._send("touchEnd")


@pytest.mark.parametrize("hand", [Mouse, Finger])
def test_the_picture_moves_with_the_hand_and_the_server_hears_at_the_end(guest, stage, hand):
    visitor = guest(viewport=TALL, has_touch=hand is Finger)
    sent: list[object] = []

    def keep(frame: object) -> None:
        sent.append(frame)

    visitor.page.on("websocket", lambda ws: ws.on("framesent", keep))
    # without evidence, where all of the latent is the hand's
    page = visitor.open("/?sample=3&supply=")
    shown = stage(page).at_rest()
    fingers = hand(page)
    pictures, labels, words = [shown.picture()], [shown.percentages()], []
    before = len(sent)
    assert before > 0  # they are seen at all
    for i, (x, y) in enumerate([(0.3, 0.3), (0.5, 0.5), (0.7, 0.3), (0.75, 0.8)]):
        said = shown.handle.get_attribute("aria-valuetext")
        (fingers.move if i else fingers.down)(*shown.point(x, y))
        expect(shown.handle).not_to_have_attribute("aria-valuetext", said)
        expect(page.locator(".plane.dragging")).to_be_attached()  # the pointer is down
        shown.held()
        pictures.append(shown.picture())
        labels.append(shown.percentages())
        words.append(shown.handle.get_attribute("aria-valuetext"))
        box, (left, top) = shown.handle.bounding_box(), shown.point(x, y)
        assert box["x"] + box["width"] / 2 == pytest.approx(left, abs=2)
        assert box["y"] + box["height"] / 2 == pytest.approx(top, abs=2)
    for i in range(5):
        for j in range(i):
            assert np.abs(pictures[i] - pictures[j]).max() > 0.2
            assert labels[i] != labels[j]
    assert len(set(words)) == 4
    assert len(sent) == before
    assert place_in(page.url) is None

    fingers.up()
    holding(page)
    visitor.settled(page)
    assert len(sent) == before + 1
    at = place_in(page.url)
    first, second = re.match(
        r"1st direction (−?[\d.]+), 2nd direction (−?[\d.]+): label", words[-1]
    ).groups()
    assert at == pytest.approx([float(n.replace("−", "-")) for n in (first, second)], abs=0.006)
    assert shown.percentages() == labels[-1]
    box = shown.handle.bounding_box()

    page.reload()
    visitor.settled(page)
    shown = stage(page).held()
    assert place_in(page.url) == at
    again = shown.handle.bounding_box()
    assert [again["x"], again["y"]] == pytest.approx([box["x"], box["y"]], abs=1.5)
    expect(page.locator(".made .title").first).to_contain_text("at the point held")
    wanted = decoded_at(at, [])
    assert np.abs(shown.picture() - wanted["image"][0]).max() < 2.5 / 255
    assert shown.percentages() == pytest.approx((100 * wanted["label"]).tolist(), abs=0.06)


def test_the_latent_is_let_go_by_escape_and_by_the_button(guest, stage):
    page = guest(viewport=TALL).open("/?sample=3&at=1.5,-1")
    shown = stage(page).held()
    title = page.locator(".made .title").first
    expect(shown.handle).to_have_class(re.compile("held"))
    expect(shown.handle).to_have_attribute("aria-valuenow", "1.50")
    wanted = decoded_at([1.5, -1], ["image", "label"])
    assert np.abs(shown.picture() - wanted["image"][0]).max() < 2.5 / 255
    shown.handle.focus()
    page.keyboard.press("Escape")
    expect(title).to_contain_text("mean, then samples")
    shown.at_rest()
    expect(shown.back).to_be_hidden()
    expect(shown.handle).not_to_have_class(re.compile("held"))
    expect(shown.handle).to_be_focused()
    free(page)
    before_hold = shown.picture()

    page.mouse.click(*shown.point(0.3, 0.3))
    holding(page)
    expect(title).to_contain_text("at the point held")
    assert np.abs(shown.picture() - before_hold).max() > 0.2
    shown.back.click()
    free(page)
    expect(title).to_contain_text("mean, then samples")
    expect(shown.back).to_be_hidden()
    assert np.abs(shown.at_rest().picture() - before_hold).max() < 0.01


@pytest.mark.parametrize("where", ["card", "card by key", "legend"])
def test_a_switch_shows_its_effect_without_waiting_for_the_server(guest, stage, where):
    visitor = guest(viewport=TALL)
    line = HeldConnection(visitor.page)
    page = visitor.open("/?sample=3")
    shown = stage(page).at_rest()
    expect(shown.curves).to_have_count(6 * (1 + 1 + 2))
    nats, labels, picture = shown.amounts(".growth"), shown.percentages(), shown.picture()
    assert len(nats) == 3
    line.held_up = True
    if where == "card by key":
        page.locator(".st-key-supply-image input").focus()
        page.keyboard.press("Space")
    else:
        (shown.card if where == "card" else shown.expert)("image").click()
    expect(shown.expert("image")).not_to_be_checked()
    expect(shown.curves).to_have_count(6 * (1 + 1 + 1))
    expect(shown.status).to_contain_text("Given label: ")
    shown.at_rest()
    alone = shown.amounts(".growth")
    assert len(alone) == 2
    assert 0 < alone[-1] < nats[-1]
    assert shown.percentages() != labels
    assert np.abs(shown.picture() - picture).max() > 0.1
    # nobody else knows yet
    expect(shown.headline).to_contain_text("Given image and label")
    assert supply_in(page.url) == ["image", "label"]
    assert line.waiting

    line.go_on()
    page.wait_for_url(lambda url: supply_in(url) == ["label"])
    expect(shown.headline).to_contain_text("Given label, the model predicts")
    visitor.settled(page)
    told = float(re.search(r"posterior is ([\d.]+) nats", shown.headline.inner_text())[1])
    assert told == pytest.approx(alone[-1], abs=0.051)
    expect(page.locator(".st-key-supply-image input")).not_to_be_checked()
    expect(shown.curves).to_have_count(6 * 3)
    assert shown.amounts(".growth") == alone


def focused(page: Page) -> str:
    """Name what has the focus, inside of components too."""
    return page.evaluate(
        """() => {
            let e = document.activeElement;
            while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
            return e?.getAttribute("aria-label") ?? e?.dataset?.of ?? "";
        }"""
    )


def drawn(page: Page) -> None:
    """Wait until what happened so far is drawn: a key's release may say once more where it is."""
    page.evaluate(
        "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
    )


def test_everything_is_reached_by_tab_and_the_arrows_move_the_latent(guest, stage):
    visitor = guest(viewport=TALL)
    page = visitor.open("/?sample=3")
    shown = stage(page).at_rest()
    page.locator(".st-key-supply-label input").focus()
    names: list[str] = []
    while "latent; arrow keys" not in "".join(names[-1:]) and len(names) < 40:
        page.keyboard.press("Tab")
        names.append(focused(page))
    assert names[-1] == "latent; arrow keys move it"
    assert names[-3:-1] == ["image’s expert", "label’s expert"]

    handle, pictures = shown.handle, [shown.picture()]
    expect(handle).to_have_role("slider")
    places = [(float(handle.get_attribute("aria-valuenow")), 0.0)]
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown", "Shift+ArrowDown"):
        drawn(page)
        said = handle.get_attribute("aria-valuetext")
        page.keyboard.press(key)
        drawn(page)
        expect(handle).not_to_have_attribute("aria-valuetext", said)
        text = handle.get_attribute("aria-valuetext")
        found = re.fullmatch(
            r"1st direction (−?\d+\.\d\d), 2nd direction (−?\d+\.\d\d): label \d, \d+ %", text
        )
        places.append(tuple(float(n.replace("−", "-")) for n in found.groups()))
        pictures.append(shown.picture())
    moves = np.diff(np.array(places), axis=0)[1:]
    step = moves[0][0]
    assert step > 0.05
    along = [(1, 0), (0, 1), (-1, 0), (0, -1), (0, -0.2)]
    assert np.abs(moves - step * np.array(along)).max() < 0.021  # two digits are told
    assert np.abs(pictures[-1] - pictures[0]).max() > 0.02
    # Asked again and again: on a slow machine several answers change the address meanwhile.
    page.wait_for_function(
        """([u, v]) => {
            const at = new URLSearchParams(location.search).get("at")?.split(",").map(Number);
            return at && Math.abs(at[0] - u) < 0.006 && Math.abs(at[1] - v) < 0.006;
        }""",
        arg=list(places[-1]),
    )
    visitor.settled(page)
    expect(handle).to_be_focused()
    assert float(handle.get_attribute("aria-valuenow")) == pytest.approx(places[-1][0], abs=0.011)


def test_a_key_that_is_down_outlasts_the_answer_to_the_one_before(guest, stage):
    visitor = guest(viewport=TALL)
    page = visitor.open("/?sample=3")
    handle = stage(page).at_rest().handle
    handle.press("ArrowRight")
    page.keyboard.down("ArrowUp")
    said = handle.get_attribute("aria-valuetext")
    page.wait_for_url("**at=**")
    visitor.settled(page)
    drawn(page)
    expect(handle).to_have_attribute("aria-valuetext", said)
    before = page.url
    page.keyboard.up("ArrowUp")
    page.wait_for_url(lambda url: url != before)
    visitor.settled(page)
    expect(handle).to_have_attribute("aria-valuetext", said)


def test_space_throws_a_switch_and_the_focus_stays(guest, stage):
    visitor = guest(viewport=TALL)
    page = visitor.open("/?sample=3")
    shown = stage(page).at_rest()
    expert = shown.expert("label")
    expert.focus()
    for on, given in ((False, "image"), (True, "image and label")):
        page.keyboard.press("Space")
        expect(expert).to_be_checked(checked=on)
        expect(expert).to_be_focused()
        expect(shown.status).to_have_text(
            re.compile(rf"^Given {given}: [\d.]+ nats sharper than the prior\.$")
        )
        expect(shown.headline).to_contain_text(f"Given {given}")
        visitor.settled(page)
        expect(expert).to_be_focused()
        expect(shown.root).to_have_attribute("data-lit", "label")
        # what has the focus is lit up in the panels that were drawn anew, too
        lit = page.locator(".curves path[data-of=label]")
        expect(lit).to_have_count(6 if on else 0)
        expect(page.locator(".stage[data-lit=label] [data-of=label]:not(.lit)")).to_have_count(0)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_product_moves_from_old_to_new_unless_motion_is_unwanted(guest, stage, motion):
    visitor = guest(viewport=TALL, reduced_motion=motion)
    line = HeldConnection(visitor.page)
    page = visitor.open("/?sample=3&dims=12,3")
    shown = stage(page).at_rest()
    old = shown.product.get_attribute("d")
    line.held_up = True  # the server's answer, whenever it came, would begin a movement anew
    page.clock.install()
    page.clock.pause_at("2100-01-01")
    shown.expert("image").evaluate("button => button.click()")
    paths = [shown.product.get_attribute("d")]
    for milliseconds in (100, 100, 400, 1000):
        page.clock.run_for(milliseconds)
        paths.append(shown.product.get_attribute("d"))
    if motion == "reduce":
        assert set(paths) == {paths[0]} != {old}
    else:
        assert len(set(paths[:4])) == 4  # it sets out, passes two places, and is there
        assert paths[3] == paths[4]
        assert paths[4] != old
    page.clock.resume()


def test_without_decoders_there_is_a_sentence_and_the_posterior(page, serve, settled, stage):
    def refuse(route: Route) -> None:
        route.abort()

    page.set_viewport_size(TALL)
    page.route("**/assets/**", refuse)
    page.goto(serve("app.py") + "/?sample=3")
    settled(page)
    shown = stage(page)
    expect(page.get_by_text("The decoders could not be loaded. Reload the page.")).to_be_visible()
    expect(shown.curves).to_have_count(24)
    assert len(shown.amounts(".growth")) == 3
    shown.expert("label").click()
    expect(shown.curves).to_have_count(18)
    page.wait_for_url(lambda url: supply_in(url) == ["image"])
    page.mouse.click(*shown.point(0.3, 0.3))
    holding(page)
    page.unroute("**/assets/**")
    page.reload()
    settled(page)
    stage(page).held()  # and no script failed, which the fixture sees to
