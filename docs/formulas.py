"""Render formulas, examples and cross-references of docstrings when the site is built.

A formula is a ``math`` block or, in a docstring, a ``.. math::`` directive. It becomes MathML,
which browsers render without a script, so that a page asks no other server for one.
"""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor

#: A directive of reStructuredText with its continuation lines, or a fenced block.
DIRECTIVE = re.compile(r"^( *)\.\. math:: *(.*(?:\n\1 +\S.*)*)$", re.MULTILINE)
FENCE = re.compile(r"^()```math\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r":math:`([^`]+)`")
#: A reference such as :func:`mvae.batch.Batch`; `~` shortens it to its last part.
REFERENCE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")
#: A session of the interpreter, up to the next empty line.
SESSION = re.compile(r"^>>> .*(?:\n.+)*$", re.MULTILINE)


class _Docstrings(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        """Replace formulas by MathML, fence examples, and link references to what they name."""
        text = "\n".join(lines)
        for block in (DIRECTIVE, FENCE):
            text = block.sub(lambda found: f"\n{self._store(found[2], 'block')}\n", text)
        text = INLINE.sub(lambda found: self._store(found[1], "inline"), text)
        text = SESSION.sub(lambda found: f"```pycon\n{found[0]}\n```", text)
        return REFERENCE.sub(_link, text).split("\n")

    def _store(self, formula: str, display: str) -> str:
        mathml = convert(" ".join(dedent(formula).split()), display=display)
        return self.md.htmlStash.store(mathml)


def _link(found: re.Match[str]) -> str:
    short, name = found.groups()
    if "." not in name:  # in the same module, where the reader is
        return f"`{name}`"
    return f"[`{name.rpartition('.')[2] if short else name}`][{name}]"


class _Extension(Extension):
    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802  as the base class has it
        """Let it run after white space is normalised (30), before code is looked for (25)."""
        md.preprocessors.register(_Docstrings(md), "formulas", 28)


def on_config(config: Any) -> Any:
    """Add the extension; mkdocstrings renders docstrings with the same ones."""
    config.markdown_extensions.append(_Extension())
    return config
