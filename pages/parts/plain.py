"""Plain text: what a link, a file, a folder or an error says, shown as it stands.

Streamlit reads Markdown in almost every text, with links, pictures, formulas, colours, icons and
emoji; Plotly reads tags. Whatever this project did not write itself passes through here first.
"""

from __future__ import annotations

import re
from html import escape

__all__ = ["chart_text", "code", "identifier", "plain"]

#: Stands where a backslash is no help: what is found in text after Markdown was read, as emoji,
#: addresses and arrows are. It has no width, and a line is not broken at it.
JOINER = "\u2060"

#: Turns the direction of what follows, so that a foreign text could spoil the sentence around it.
DIRECTIONS = "\u200e\u200f\u202a-\u202e\u2066-\u2069"
#: Runs of blanks with a line end among them, and what else has no place in a line.
BROKEN = re.compile(rf"\s*[\n\r\t\v\f\x85\u2028\u2029]\s*|[\x00-\x1f\x7f-\x9f{DIRECTIONS}]")
#: Where an emoji, an icon, a colour or an address has to be interrupted.
FOUND = re.compile(r"(?<=:)(?=[\w+/-])|(?<=@)(?=[\w-])|(?<=www)(?=\.)", re.IGNORECASE)
#: Arrows, dashes and signs of comparison that stand alone become other characters.
ARROWS = re.compile(r"(?<!\S)(<->|->|<-|--|>=|<=|~=)(?!\S)")
#: Signs of Markdown wherever they stand, and those that begin a list, a heading, a rule or a block.
SIGNS = re.compile(r"[\\`*_\[\]<>&$~|]")
START = re.compile(r"^(\s*)(\d*)([-+#=:]|(?<=\d)[.)])")


def plain(text: object) -> str:
    r"""Return Markdown that shows a text as it stands, on one line.

    Args:
        text: anything; its ``str`` is taken.

    Example:
        >>> plain("![x](http://a.b/p.png)").replace(JOINER, "|")
        '!\\[x\\](http:|//a.b/p.png)'
        >>> plain("T-shirt/top, 20 %: top left"), plain("# 1"), plain("2. 3")
        ('T-shirt/top, 20 %: top left', '\\# 1', '2\\. 3')
    """
    line = FOUND.sub(JOINER, BROKEN.sub(_within_a_line, f"{text}"))
    line = ARROWS.sub(lambda arrow: JOINER.join(arrow[0]), line)
    return START.sub(r"\1\2\\\3", SIGNS.sub(r"\\\g<0>", line))


def _within_a_line(run: re.Match[str]) -> str:
    """Write a blank for a line end, and nothing for a sign that cannot be seen."""
    return " " if run[0].isspace() else ""


def code(text: object) -> str:
    """Return Markdown that shows a command as it stands, to be copied.

    Example:
        >>> code("python -m mvae train mnist"), code("a `b`")
        ('`python -m mvae train mnist`', '`` a `b` ``')
    """
    line = BROKEN.sub(_within_a_line, f"{text}")
    line = line.replace(":material/", f":{JOINER}material/")  # else an icon's name is changed
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"{fence}{line}{fence}"


def chart_text(text: object) -> str:
    """Return what Plotly draws as a text stands: no tags, no places for numbers, no formulas.

    Example:
        >>> chart_text("<b>50 %</b>"), chart_text("%{x}")
        ('&lt;b&gt;50 %&lt;/b&gt;', '&#37;{x}')
    """
    return escape(f"{text}", quote=False).replace("%{", "&#37;{").replace("$", "&#36;")


def identifier(text: str) -> str:
    """Return a text as Streamlit writes a key into a class of the document.

    Example:
        >>> identifier("top left</style>")
        'top-left--style-'
    """
    return re.sub(r"[^a-zA-Z0-9_-]", "-", text)
