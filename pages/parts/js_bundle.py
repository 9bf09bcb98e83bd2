"""A component's files: ES modules joined into the one script that a component may have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypedDict

__all__ = ["files_of"]

IMPORT = re.compile(r'^import [^;]*? from "(\.\.?/[a-z/_]+\.js)";\n', re.MULTILINE)


def script(module: Path, seen: set[Path] | None = None) -> str:
    """Put a module behind those that it imports, each of them once.

    They then share one scope, so names at their top level must differ.
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
    """Read the html, css and js of the component whose ``__init__.py`` asks for them.

    Example:
        >>> import pages.parts.pad
        >>> sorted(files_of(pages.parts.pad.__file__, "pad"))
        ['css', 'html', 'js']
    """
    folder = Path(init).parent
    html, css = ((folder / f"{name}.{kind}").read_text("utf-8") for kind in ("html", "css"))
    return {"html": html, "css": css, "js": script((folder / f"{name}.js").resolve())}
