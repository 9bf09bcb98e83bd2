"""Components' files: modules joined into one script, in which no name hides another."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from pages.parts import chips, pad, quadrature, stage
from pages.parts import map as map_
from pages.parts.server import js_bundle

COMPONENTS = {
    name: Path(module.__file__)
    for name, module in {
        "chips": chips,
        "pad": pad,
        "stage": stage,
        "map": map_,
        "quadrature": quadrature,
    }.items()
}


def declared(script: str) -> list[str]:
    """Find the names at the top level, where nothing is indented."""
    found = []
    for line in re.findall(r"^(?:const|let|var) .*?;$", script, re.MULTILINE | re.DOTALL):
        found += re.findall(r"(?:^(?:const|let|var)|,) ([A-Za-z_$][\w$]*) = ", line)
    return found + re.findall(r"^(?:export )?(?:async )?(?:function|class) (\w+)", script, re.M)


@pytest.mark.parametrize("name", COMPONENTS)
def test_script_is_one_module(name):
    init = COMPONENTS[name]
    files = js_bundle.files_of(str(init), name)
    assert files["html"] == (init.parent / f"{name}.html").read_text("utf-8")
    assert files["css"] == (init.parent / f"{name}.css").read_text("utf-8")
    script = files["js"]
    assert len(re.findall(r"^export default function", script, re.MULTILINE)) == 1
    assert not re.search(r"^(import|export (?!default))", script, re.MULTILINE)
    assert "\n" in script  # Streamlit takes a single line for a path


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_module_is_joined_once_behind_what_it_imports(name):
    init = COMPONENTS[name]
    script = js_bundle.files_of(str(init), name)["js"]
    places = {}
    for path in init.parent.glob("*.js"):
        heads = re.findall(
            r"^export (?:default )?(?:async )?(?:function|const) ?\w*",
            path.read_text("utf-8"),
            re.M,
        )
        assert heads
        for head in heads:
            plain = head if "default" in head else head.removeprefix("export ")
            assert len(re.findall(rf"^{re.escape(plain)}(?!\w)", script, re.M)) == 1
            places.setdefault(path.name, script.index(f"\n{plain}"))
    for path in init.parent.glob("*.js"):
        for other in re.findall(r'from "\./(\w+\.js)"', path.read_text("utf-8")):
            assert places[other] < places[path.name]


@pytest.mark.parametrize("name", COMPONENTS)
def test_names_at_the_top_level_differ(name):
    counts = Counter(declared(js_bundle.files_of(str(COMPONENTS[name]), name)["js"]))
    assert len(counts) > 5
    assert [each for each, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("name", COMPONENTS)
def test_nothing_is_fetched_from_elsewhere_or_run_from_text(name):
    folder = COMPONENTS[name].parent
    for path in (*folder.glob("*"), *(folder.parent / "web").glob("*")):
        if path.suffix not in (".js", ".css", ".html"):
            continue
        text = path.read_text("utf-8").replace('"http://www.w3.org/2000/svg"', "")
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)  # sources are named there
        assert not re.search(r"https?://|innerHTML|eval\(", text), path


def test_what_two_modules_import_comes_once_and_first(tmp_path):
    (tmp_path / "one.js").write_text('import { a } from "./two.js";\nexport const b = a;\n')
    (tmp_path / "two.js").write_text("export const a = 1;\n")
    (tmp_path / "main.js").write_text(
        'import { b } from "./one.js";\nimport { a } from "./two.js";\n'
        "export default function () { return [a, b]; }\n"
    )
    assert js_bundle.script(tmp_path / "main.js") == (
        "const a = 1;\nconst b = a;\nexport default function () { return [a, b]; }\n"
    )


def test_no_module_reads_a_text_as_html():
    for path in Path(js_bundle.__file__).parent.rglob("*.js"):
        found = re.search(r"(inner|outer)HTML|insertAdjacentHTML|document\.write", path.read_text())
        assert not found, path
