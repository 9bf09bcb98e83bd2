"""A component's files, its ES modules bundled into the one script that Streamlit allows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypedDict

__all__ = ["files_of"]

IMPORT = re.compile(r'^import [^;]*? from "(\.\.?/[a-z/_]+\.js)";\n', re.MULTILINE)


def script(module: Path, seen: set[Path] | None = None) -> str:
    """Return a module preceded by all modules that it imports, each included once.

    They share one scope, so their top-level names must differ.
    """
    seen = set() if seen is None else seen
    if module in seen:
        return ""
    seen.add(module)
    text = module.read_text("utf-8")
    imported = [(module.parent / path).resolve() for path in IMPORT.findall(text)]
    before = "".join(script(other, seen) for other in imported)
    own = re.sub(r"^export (?!default)", "", IMPORT.sub("", text), flags=re.MULTILINE)
    return before + own


class Files(TypedDict):
    """What a component is made of."""

    html: str
    css: str
    js: str


def files_of(init: str, name: str) -> Files:
    """Return the html, css and js of the component in the folder of an ``__init__.py``.

    Example:
        >>> import pages.parts.pad
        >>> sorted(files_of(pages.parts.pad.__file__, "pad"))
        ['css', 'html', 'js']
    """
    folder = Path(init).parent
    html, css = ((folder / f"{name}.{kind}").read_text("utf-8") for kind in ("html", "css"))
    return {"html": html, "css": css, "js": script((folder / f"{name}.js").resolve())}
