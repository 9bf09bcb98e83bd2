"""What the stage shows: the library's numbers, one modality lit up everywhere, in both themes."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from mvae.analysis.inference import Inference, infer
from mvae.checkpoint import load_model, load_samples
from mvae.evaluation.exact_posterior import ExactInference
from mvae.images.tiling import assemble
from pages.parts.stage.planes import ASPECT, plane_of

TALL = {"width": 1280, "height": 1200}
#: Finds something inside of a component.
INSIDE = """(name) => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
    .map((host) => host.shadowRoot?.querySelector(name)).find(Boolean)"""


def compare(shown, inference: Inference, modalities) -> None:
    """Everything that is drawn of a posterior agrees with the library's."""
    page = shown.page
    assert shown.amounts(".growth") == pytest.approx(list(inference.sharpness), abs=0.0501)
    names = page.locator(".growth > span:not(.stack):not(.amount)").all_inner_texts()
    assert names == ["prior", *(f"+ {name}" for name in inference.evidence)]

    nats = inference.posterior.information()
    captions = page.locator(".curves figcaption").all_inner_texts()
    assert len(captions) == 6
    for caption, d in zip(captions, inference.most_informative(6), strict=True):
        name, amount, unit = caption.split()
        assert (name, unit) == (f"z{d}", "nats")
        assert float(amount) == pytest.approx(nats[d].item(), abs=0.0501)

    rows = page.locator(".shares .stack").evaluate_all(
        "rows => rows.map(row => row.getAttribute('aria-label'))"
    )
    assert len(rows) == 10
    for row, d in zip(rows, inference.most_informative(10), strict=True):
        wanted = [(name, 100 * share[d].item()) for name, share in inference.shares.items()]
        parts = [part.rsplit(" ", 2)[:2] for part in row.removeprefix(f"z{d}: ").split(", ")]
        assert [name for name, _ in parts] == [name for name, _ in wanted]
        assert [float(p) for _, p in parts] == pytest.approx([p for _, p in wanted], abs=0.0501)

    label = inference.expected["label"]
    assert shown.percentages() == pytest.approx((100 * label).tolist(), abs=0.0501)
    likeliest = modalities[-1].category(int(label.argmax()))
    expect(page.locator(".made .title[data-of=label]")).to_contain_text(f"{likeliest}, ")

    pictures = [assemble(modalities, inference.expected)]
    pictures += list(assemble(modalities, {n: x[:6] for n, x in inference.samples.items()}))
    for i, picture in enumerate(pictures):
        wanted = picture.reshape(28, 28).numpy()
        assert np.abs(shown.picture(i) - wanted).max() <= 2.5 / 255


@pytest.mark.parametrize(
    ("data", "first", "dropped"),
    [
        ("mnist", ["label", "image"], "label"),
        ("quadrants", ["top left", "label", "bottom right"], "label"),
    ],
)
def test_numbers_and_pictures_are_those_of_the_library(guest, stage, data, first, dropped):
    model, _ = load_model(data, "mvae-cover")
    sample = load_samples(data, model.modalities)[slice(12, 13)]
    page = guest(viewport=TALL).open(f"/?data={data}&sample=12&seed=5&supply={','.join(first)}")
    shown = stage(page).at_rest()
    compare(shown, infer(model, sample, first, seed=5), model.modalities)
    shown.expert(dropped).click()
    expect(shown.headline).not_to_contain_text(f"{dropped},")
    rest = [name for name in first if name != dropped]
    expect(page.locator(".growth .stack")).to_have_count(1 + len(rest))
    shown.at_rest()
    compare(shown, infer(model, sample, rest, seed=5), model.modalities)


def test_what_is_pointed_at_or_focused_lights_up_in_every_panel(guest, stage):
    page = guest(viewport=TALL).open("/?sample=3&dims=12,3")
    shown = stage(page).at_rest()
    ink = "c => c.toDataURL()"
    canvas, root = page.locator(".space"), shown.root
    unlit = canvas.evaluate(ink)
    panels = [".curves path", ".legend button", ".growth .stack", ".growth i", ".shares i"]
    panels += [".made .title", ".made .bars i"]

    def lit(name: str) -> None:
        expect(root).to_have_attribute("data-lit", name)
        for panel in panels:
            if name != "label" and panel == ".made .bars i":
                continue
            mine = page.locator(f"{panel}[data-of={name}]")
            assert mine.count() > 0
            expect(mine.first).to_have_css("opacity", re.compile(r"^(1|0\.45)$"))
            expect(page.locator(f"{panel}[data-of={name}]:not(.lit)")).to_have_count(0)
        other = {"image": "label", "label": "image"}[name]
        for panel in panels:
            if panel == ".growth .stack" or (other != "label" and panel == ".made .bars i"):
                continue  # a whole row is as its parts are
            expect(page.locator(f"{panel}[data-of={other}]").first).to_have_css("opacity", "0.25")
        expect(page.locator(f"[data-of={other}].lit")).to_have_count(0)
        page.wait_for_function(f"before => ({INSIDE})('.space').toDataURL() !== before", arg=unlit)

    def unlit_again() -> None:
        expect(root).not_to_have_attribute("data-lit", re.compile(""))
        expect(page.locator(".stage .lit")).to_have_count(0)
        expect(page.locator(".curves path[data-of=image]").first).to_have_css("opacity", "1")
        page.wait_for_function(f"before => ({INSIDE})('.space').toDataURL() === before", arg=unlit)

    for target, name in (
        (shown.expert("label"), "label"),
        (page.locator(".growth .stack[data-of=image]"), "image"),
        (page.locator(".made .bars i[data-of=label]").nth(3), "label"),
        (page.locator(".made .title[data-of=image]"), "image"),
    ):
        target.hover()
        lit(name)
        page.mouse.move(2, 300)
        unlit_again()
    for target, name in (
        (page.locator(".growth .stack[data-of=label]"), "label"),
        (page.locator(".made .title[data-of=image]"), "image"),
        (shown.expert("label"), "label"),
    ):
        target.focus()
        lit(name)
        target.blur()
        unlit_again()
    # a curve, of which only the line can be hit
    curve = page.locator(".curves path.curve[data-of=image]").first
    place = curve.evaluate(
        """c => {
            const matrix = c.getScreenCTM(), length = c.getTotalLength();
            for (let part = 0; part < 1; part += 0.01) {
                const { x, y } = c.getPointAtLength(part * length).matrixTransform(matrix);
                if (c.getRootNode().elementFromPoint(x, y) === c) return [x, y];
            }
        }"""
    )
    page.mouse.move(*place)
    lit("image")
    page.mouse.move(2, 300)
    unlit_again()


def test_ink_has_the_colour_of_the_text_in_either_theme_and_follows_a_change(guest, stage):
    page = guest(viewport=TALL, color_scheme="light").open("/?sample=3")
    shown = stage(page).at_rest()
    inked = f"""wanted => {{
        const inside = {INSIDE};
        const {{ color }} = getComputedStyle(inside('.stage'));
        const text = color.match(/[0-9]+/g).slice(0, 3).map(Number);
        const same = (a) => a.every((value, i) => Math.abs(value - wanted[i]) <= 2);
        const pixels = (c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        const data = pixels(inside('.mean canvas')), plane = pixels(inside('.space'));
        const inks = [];
        for (let i = 0; i < data.length; i += 4) {{
            if (data[i + 3] > 250) inks.push([...data.slice(i, i + 3)]);
        }}
        let found = 0;  // the product's ellipse and the names of the categories
        for (let i = 0; i < plane.length; i += 4) {{
            found += plane[i + 3] > 250 && same([...plane.slice(i, i + 3)]);
        }}
        return same(text) && inks.length > 20 && inks.every(same) && found > 100;
    }}"""
    light, dark = [0x11, 0x13, 0x18], [0xEC, 0xEE, 0xF2]
    page.wait_for_function(inked, arg=light)
    shown.expert("label").click()
    expect(shown.headline).to_contain_text("Given image, the model predicts")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(inked, arg=dark)
    expect(shown.expert("label")).not_to_be_checked()  # painted anew, it is where it was
    expect(shown.curves).to_have_count(18)
    assert not page.evaluate(inked, light)
    page.reload()
    shown.at_rest()
    page.wait_for_function(inked, arg=dark)


def test_a_plane_by_link_and_a_sentence_for_what_cannot_be_held(guest, stage):
    page = guest(viewport=TALL).open("/?sample=3&plane=3,7&at=1,nan")
    shown = stage(page).at_rest()
    expect(page.get_by_text("The link holds a latent at “1,nan”")).to_be_visible()
    expect(shown.handle).to_have_attribute("aria-valuetext", re.compile(r"^z3 .*, z7 .*: "))
    expect(page.get_by_text("Ellipses are drawn at two standard deviations;")).to_be_visible()
    page.goto(page.url.split("?")[0] + "?sample=3&plane=3,64")
    shown.at_rest()
    expect(page.get_by_text("The link asks for latent dimension “64”")).to_be_visible()
    expect(shown.handle).to_have_attribute("aria-valuetext", re.compile("^1st direction "))
    slices = "Ellipses are slices of the Gaussians through the current latent"
    expect(page.get_by_text(slices)).to_be_visible()


def test_two_latents_are_the_whole_space(guest, stage):
    page = guest(viewport=TALL).open("/?model=mvae-2d&sample=3&at=0.75,-1.5")
    shown = stage(page).held()
    expect(shown.handle).to_have_attribute(
        "aria-valuetext", re.compile(r"^z0 0\.75, z1 −1\.50: label \d, \d+ %$")
    )
    model, _ = load_model("mnist", "mvae-2d")
    with torch.no_grad():
        wanted = model.expected(torch.tensor([0.75, -1.5]))
    assert np.abs(shown.picture() - wanted["image"][0].numpy()).max() <= 2.5 / 255
    assert shown.percentages() == pytest.approx((100 * wanted["label"]).tolist(), abs=0.0501)
    expect(page.get_by_role("button", name="Choose the plane")).to_have_count(0)


def test_chosen_curves_are_the_only_ones(guest, stage):
    page = guest(viewport=TALL).open("/?sample=3&dims=7,3")
    stage(page).at_rest()
    names = page.locator(".curves figcaption span:first-child")
    expect(names).to_have_text(["z7", "z3"])
    expect(page.get_by_text("The dimensions with the largest KL to the prior")).to_have_count(0)


def test_the_exact_posterior_is_shaded_and_its_gap_is_told(guest):
    """The shade at the mode is darker than where the exact posterior has no mass."""
    model, _ = load_model("mnist", "mvae-2d")
    sample = load_samples("mnist", model.modalities)[slice(3, 4)]
    found = ExactInference(model)(sample, ["label"])
    page = guest().open("/?model=mvae-2d&sample=3&supply=label")
    gap = page.locator(".gap")
    expect(gap).to_contain_text(f"differs from it by {found.kl_from(found.q):.2f} nats")
    expect(gap).to_contain_text(f"log p(label) = −{-found.log_evidence:.1f} nats")
    stage_data = plane_of("mnist", "mvae-2d", ())
    (u, v), reach = found.modes[0].tolist(), stage_data.reach

    def darkness(a: float, b: float) -> int:
        """The least alpha in a few pixels around a place, so that no line decides it."""
        return page.evaluate(
            f"""([x, y]) => {{
                const canvas = ({INSIDE})('.space');
                const [w, h] = [canvas.width, canvas.height];
                const data = canvas.getContext('2d').getImageData(x * w - 4, y * h - 4, 9, 9).data;
                return Math.min(...data.filter((_, i) => i % 4 === 3));
            }}""",
            [0.5 + a / (2 * reach * ASPECT), 0.5 - b / (2 * reach)],
        )

    page.wait_for_function(f"() => ({INSIDE})('.gap')")
    assert darkness(u, v) > 100
    assert darkness(reach, -reach * 0.9) == 0
    # With a second modality the shade is another one, and what was told is renewed.
    page.get_by_role("switch", name="image’s expert").click()
    expect(gap).to_contain_text("log p(label, image)")
