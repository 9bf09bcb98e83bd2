"""Escaping of text from links, files, folders and errors, so that it is shown literally.

Streamlit renders Markdown in almost every text, with links, pictures, formulas, colours, icons and
emoji; Plotly renders tags. All text that this project did not write is escaped here first.
"""

from __future__ import annotations

import re
from html import escape

__all__ = ["chart_text", "code", "identifier", "plain"]

#: A word joiner, of no width. It interrupts emoji, addresses and arrows, which are recognised after
#: Markdown has been parsed, so that a backslash does not protect them.
JOINER = "\u2060"

#: Characters that change the writing direction, and so could garble the sentence around a text.
DIRECTIONS = "\u200e\u200f\u202a-\u202e\u2066-\u2069"
#: White space that contains a line end, and control characters.
BROKEN = re.compile(rf"\s*[\n\r\t\v\f\x85\u2028\u2029]\s*|[\x00-\x1f\x7f-\x9f{DIRECTIONS}]")
#: Positions at which an emoji, an icon, a colour or an address has to be interrupted.
FOUND = re.compile(r"(?<=:)(?=[\w+/-])|(?<=@)(?=[\w-])|(?<=www)(?=\.)", re.IGNORECASE)
#: Arrows, dashes and comparison signs, which Streamlit would replace by other characters.
ARROWS = re.compile(r"(?<!\S)(<->|->|<-|--|>=|<=|~=)(?!\S)")
#: Markdown's special characters, and those that begin a list, a heading, a rule or a block.
SIGNS = re.compile(r"[\\`*_\[\]<>&$~|]")
START = re.compile(r"^(\s*)(\d*)([-+#=:]|(?<=\d)[.)])")


def plain(text: object) -> str:
    r"""Return Markdown that shows a text literally, on one line.

    Args:
        text: any object, converted by ``str``.

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
    """Return a blank for a line end, and nothing for an invisible character."""
    return " " if run[0].isspace() else ""


def code(text: object) -> str:
    """Return Markdown that shows a command literally, as code to be copied.

    Example:
        >>> code("python -m mvae train mnist"), code("a `b`")
        ('`python -m mvae train mnist`', '`` a `b` ``')
    """
    line = BROKEN.sub(_within_a_line, f"{text}")
    line = line.replace(":material/", f":{JOINER}material/")  # otherwise an icon's name is replaced
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"{fence}{line}{fence}"


def chart_text(text: object) -> str:
    """Return a text that Plotly draws literally, without tags, placeholders or formulas.

    Example:
        >>> chart_text("<b>50 %</b>"), chart_text("%{x}")
        ('&lt;b&gt;50 %&lt;/b&gt;', '&#37;{x}')
    """
    return escape(f"{text}", quote=False).replace("%{", "&#37;{").replace("$", "&#36;")


def identifier(text: str) -> str:
    """Return a key as Streamlit writes it into a CSS class.

    Example:
        >>> identifier("top left</style>")
        'top-left--style-'
    """
    return re.sub(r"[^a-zA-Z0-9_-]", "-", text)
