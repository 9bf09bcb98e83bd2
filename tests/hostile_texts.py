"""Texts that would do something if Markdown, HTML, LaTeX or Plotly took them for their own."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from mvae.files import sha256, write_json
from tests.toys import image, label, tags, words, write_toys

__all__ = ["EVIL", "EVIL_HTML", "FOLDER", "HOSTILE", "SIGNS", "write_hostile"]

#: Each does one thing, wherever it is read as anything but text.
SIGNS = (
    "![x](http://evil.test/p.png)",
    "[Log in again](http://evil.test)",
    "[x]: http://evil.test",
    "<img src=http://evil.test/q.png>",
    '<a href="javascript:alert(1)">a</a>',
    "<http://evil.test>",
    "http://evil.test/bare",
    "www.evil.test",
    "who@evil.test",
    "$a^2$ and $$b$$",
    ":smile: :+1: :streamlit:",
    ":material/delete:",
    ":red[b] :blue-background[c] :small[d]",
    ":red",
    "::name",
    ":::name",
    "`c` **d** *e* _f_ __g__ ~~h~~",
    "a -> b <- c -- d >= e",
    "# one",
    "- two",
    "+ three",
    "1. four",
    "2) five",
    "> six",
    "---",
    "===",
    "|a|b|",
    "~~~",
    "\\* \\\\ &lt;b&gt; &amp;",
    "T-shirt/top, 20 % of it: a_b at 12:30",
)
#: The worst of them in one.
HOSTILE = (
    "![x](http://evil.test/p.png) [l](http://evil.test) <img src=http://evil.test> $a$ :smile: "
    ":red[b] :material/delete: `c` **d** www.evil.test"
)
#: What is left of it in Markdown where it was not made plain, and in HTML.
EVIL = re.compile(
    r"(?<!\\)\[[xlb](?<!\\)\]|(?<!\\)<img src=http|://evil|www\.evil|:smile|:red|:material/delete"
    r"|(?<!\\)\$a(?<!\\)\$|(?<!\\)`c(?<!\\)`"
)
EVIL_HTML = re.compile("<img src=http|<a href=.?javascript|<script")

#: The name of a folder, which holds no slash and comes after the others.
FOLDER = "z " + HOSTILE.replace("/", "∕").replace("http:∕∕", "www.")


def hostile(what: str) -> str:
    """Name something so that nobody would want to read it as anything but text."""
    return f"{what} {HOSTILE}"


def write_hostile(root: Path) -> Path:
    """Write a checkpoint every text of which is hostile, and another with a hostile name."""
    kinds = (
        image("picture", 1, 8, 8, likelihood="bernoulli", convolutions=False),
        label("label", *(hostile(f"category {i}") for i in range(3))),
        label("sure", "no", "yes"),
        label("likely", hostile("a"), hostile("b")),
        tags("tags", 3).model_copy(update={"categories": tuple(map(hostile, "abc"))}),
        words("text", *(hostile(f"▁w{i}") for i in range(5)), length=4),
    )
    write_toys(root, {"toys": kinds})
    folder = root / "toys" / "mvae"
    config = json.loads((folder / "config.json").read_text())
    config |= {"summary": hostile("summary"), "limitations": [hostile("limit")]}
    write_json(folder / "config.json", config)
    figure = {"mean": 0.5, "se": 0.1, "n": 10}
    names = [m.name for m in kinds]
    metrics = {
        "protocol": {
            "weights_sha256": sha256(folder / "weights.safetensors"),
            **dict.fromkeys(("coherence", "accuracy", "date", "command", "K"), HOSTILE),
        },
        "test": {
            "accuracy": {f"picture->{name}": figure for name in names[1:]},
            "coherence": {"label->picture": figure, f"{HOSTILE}->picture": figure},
        },
    }
    write_json(folder / "metrics.json", metrics)
    (folder / "history.csv").write_text("epoch,validation_score,loss\n1,-3,3\n2,-2,2\n")
    shutil.copytree(folder, folder.parent / FOLDER)
    return root
