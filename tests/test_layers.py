"""Who imports whom: the table in CONTRIBUTING.md, no circle, and files that stay short."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: The longest that a file may be.
LINES = 400
#: An ES module's import of another.
IMPORT = re.compile(r'\b(?:from|import)\s*\(?\s*"(\.\.?/[^"]+)"')
#: Folders in which two modules may share a name: what the second measures or shows is in the first.
PARALLEL = (
    {"mvae/evaluation", "mvae/evaluation/measures"},
    {"mvae/evaluation", "pages/parts"},
    {"mvae/results", "pages/parts"},
    {"mvae/analysis", "pages"},
    {"mvae/kinds", "pages/parts/kinds"},
    {"mvae/kinds", "mvae/models", "pages/parts/kinds"},
)
IMPORT_ALL = """
import importlib, pkgutil, sys
import mvae
for module in pkgutil.walk_packages(mvae.__path__, "mvae."):
    importlib.import_module(module.name)
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def files(*endings: str) -> list[Path]:
    """List the project's files by path from its root."""
    found = [path for folder in ("mvae", "pages") for path in (ROOT / folder).rglob("*")]
    return sorted(p.relative_to(ROOT) for p in (*found, ROOT / "app.py") if p.suffix in endings)


def imported(path: Path) -> set[str]:
    """List what a Python file imports when it runs, wherever it does, as ``package/module``.

    An import for type checkers alone is never run. What comes
    after ``from package import`` may be a module or a name in one.
    """
    found = set()
    for node in running(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports by a relative name"
            own = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if module_of(name) else str(node.module) for name in own}
    return {name.replace(".", "/") for name in found}


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes of a tree but those under ``if TYPE_CHECKING``."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from running(child)


def module_of(name: str) -> Path | None:
    """Return the file of a module of this project by its dotted name."""
    stem = ROOT / name.replace(".", "/")
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.exists():
            return path.relative_to(ROOT)
    return None


def edges() -> dict[Path, set[Path]]:
    """Return which file imports which others, of Python and of JavaScript."""
    graph = {}
    for path in files(".py"):
        targets = (module_of(name.replace("/", ".")) for name in imported(path))
        graph[path] = {target for target in targets if target}
    for path in files(".js"):
        names = IMPORT.findall((ROOT / path).read_text("utf-8"))
        graph[path] = {(ROOT / path.parent / name).resolve().relative_to(ROOT) for name in names}
    return graph


def table() -> dict[str, set[str]]:
    """Read what each package may import, in the order of the rows."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    section = re.split(r"^## ", text.split("\n## Layers\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    allowed: dict[str, set[str]] = {}
    for row in re.findall(r"^\| `(.+)` \| (.*)\|$", section, re.MULTILINE):
        package, may = row
        allowed[package] = set(re.findall(r"`([^`]+)`", may))
        if "what that may import" in may:
            allowed[package] |= set().union(*(allowed[name] for name in allowed[package]))
    return allowed


def package_of(path: Path, packages: dict[str, set[str]]) -> str:
    """Return the row that a file belongs to, the one with the longest path."""
    stem = path.with_suffix("")
    rows = [row for row in packages if stem == Path(row) or Path(row) in stem.parents]
    assert rows, f"{path} has no row in the table of CONTRIBUTING.md"
    return max(rows, key=len)


def test_the_table_is_in_order_and_names_what_is_there():
    allowed = table()
    assert len(allowed) > 15
    rows = list(allowed)
    for i, row in enumerate(rows):
        assert (ROOT / row).is_dir() or (ROOT / f"{row}.py").exists(), f"there is no {row}"
        assert allowed[row] <= {*rows[:i]}, f"{row} may import only what stands above it"


def test_every_import_is_in_the_table():
    allowed = table()
    wrong = []
    for path, targets in edges().items():
        own = package_of(path, allowed)
        wrong += [
            f"{path} imports {target}"
            for target in targets
            if package_of(target, allowed) not in {own, *allowed[own]}
        ]
    assert not wrong, "\n".join(sorted(wrong))


def test_the_library_needs_no_page():
    for path in files(".py"):
        if path.parts[0] == "mvae":
            roots = {name.split("/")[0] for name in imported(path)}
            assert not roots & {"streamlit", "plotly", "pages", "app", "tests"}, path


@pytest.mark.slow
def test_importing_all_of_the_library_loads_no_torchvision():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "mvae" in loaded
    assert not loaded & {"streamlit", "plotly", "torchvision"}


def test_no_module_is_in_a_circle():
    graph = edges()
    assert sum(map(len, graph.values())) > 500
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("folder", ["mvae", "pages", "tests"])
def test_files_are_short(folder):
    paths = [p for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".js")]
    long = [p for p in paths if len(p.read_text("utf-8").splitlines()) > LINES]
    assert paths
    assert not long


def test_a_name_stands_for_one_module():
    by_name = defaultdict(set)
    for path in files(".py"):
        if path.name not in ("__init__.py", "base.py"):
            by_name[path.name].add(path.parent.as_posix())
    alike = {name: folders for name, folders in by_name.items() if len(folders) > 1}
    assert alike
    for name, folders in alike.items():
        assert folders in PARALLEL, f"{name} stands in {', '.join(sorted(folders))}"
