"""The stage's modules alone in a blank page, to be called from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from mvae.distributions.gaussian import Gaussian
from pages.parts.server.js_bundle import script

__all__ = ["Call", "evaluator", "plain"]

STAGE = Path(__file__).resolve().parents[2] / "pages/parts/stage"
#: What of the stage is tested here: each module, joined with those that it imports, gives these.
EXPORTS = {
    "algebra": "product, information, sharpness, conflict, disagreement, density, between, "
    "project, beside, lift, slice, ellipse, mostInformative",
    "decoder": "decoders, tensors",
    "series": "series",
}
#: Makes a module of a text, whatever page it is in, and keeps it as `name` of the window.
IMPORT = """async ([name, text]) => {
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    window[name] = await import(address);
}"""
UNPACK = """() => {
window.bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
window.packed = (array) => {
    let text = "";
    for (const byte of new Uint8Array(array.buffer, array.byteOffset, array.byteLength)) {
        text += String.fromCharCode(byte);
    }
    return btoa(text);
};
}"""
Call = Callable[..., Any]


def evaluator(browser: Browser) -> Iterator[Call]:
    """Give a function that evaluates JavaScript in which `algebra` and `decoder` are modules."""
    page = browser.new_page()
    for name, exports in EXPORTS.items():
        text = script(STAGE / f"{name}.js")
        page.evaluate(IMPORT, [name, f"{text}\nexport {{ {exports} }};"])
    page.evaluate(UNPACK)
    yield page.evaluate
    page.close()


def plain(value: Any) -> Any:
    """Turn tensors and arrays, in whatever they lie, into what a browser can be given."""
    if isinstance(value, Gaussian):
        return {"mean": value.mean.tolist(), "logvar": value.logvar.tolist()}
    return value.tolist()
