"""Fixtures: a Chromium, and Streamlit apps served to it.

A test takes ``visitor``, or ``guest`` to make one that is special; or ``page`` and ``serve``::

    def test_headline(visitor):
        page = visitor.open("/?sample=3")
        expect(page.get_by_role("heading", level=3).first).to_contain_text("Given image")

Wait for what a page shows (``expect``) and for its script (``settled``), never for seconds.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    expect,
    sync_playwright,
)

from mvae import search_path
from tests.browser.javascript import Call, evaluator
from tests.bundled import CHECKPOINTS

#: The bundled checkpoints come before what a user has trained in this checkout.
FOUND = {search_path.VARIABLE: str(CHECKPOINTS)}
ROOT = Path(__file__).resolve().parents[2]
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# apps that tests serve; searching them for doctests would run them without a server
collect_ignore_glob = ["*_app.py"]

# a busy machine of two cores renders a page in seconds
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the system's Chromium; without one, tests are skipped, but never where CI is set."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        reason = "these tests need Chromium: install your system's package `chromium`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Open a visitor's empty profile, at 1280 × 800 with a mouse."""
    visitor = browser.new_context(viewport={"width": 1280, "height": 800})
    yield visitor
    visitor.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Open a page of that visitor; an error of a script in it fails the test."""
    errors: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    assert not errors


@pytest.fixture(scope="session")
def settled() -> Callable[[Page], None]:
    """Give a function that waits until the script of a page has run to its end."""

    def wait(page: Page) -> None:
        expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()

    return wait


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Serve an app, given its path and further options, once a session; gives its address."""
    servers: dict[tuple[str, ...], tuple[subprocess.Popen[bytes], str]] = {}
    logs = tmp_path_factory.mktemp("servers")

    def start(app: str | Path, *options: str) -> str:
        command = (str(ROOT / app), *options)
        if command not in servers:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            log = logs / f"{port}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "streamlit", "run", command[0]),
                        *("--server.headless", "true", "--server.port", str(port)),
                        *("--server.address", "127.0.0.1", "--server.fileWatcherType", "none"),
                        *("--browser.gatherUsageStats", "false", *options),
                    ],
                    cwd=ROOT,  # which is then where mvae and pages are imported from
                    env=os.environ | FOUND if app == "app.py" else None,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            address = f"http://127.0.0.1:{port}"
            servers[command] = (process, address)
            _await(process, address, log)
        return servers[command][1]

    yield start
    for process, _ in servers.values():
        process.terminate()
    for process, _ in servers.values():
        process.wait(20)


@pytest.fixture(scope="session")
def toy_app(serve: Callable[..., str], toy_root: Path) -> str:
    """Serve the app over toy checkpoints of every kind of modality; gives its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOYS", str(toy_root))
        return serve("tests/browser/toys_app.py")


class Visitor:
    """A page of the app, of which every console error and every request is kept."""

    def __init__(
        self, context: BrowserContext, address: str, settled: Callable[[Page], None]
    ) -> None:
        self.page, self.address, self.settled = context.new_page(), address, settled
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.address + path)
        self.settled(self.page)
        expect(self.page.get_by_role("heading", level=3).first).to_be_visible()
        return self.page

    def check(self) -> None:
        """Nothing went wrong, and nobody outside was asked for anything."""
        assert not self.errors
        # Data and blob addresses have no host.
        assert self.hosts - {""} == {urlsplit(self.address).netloc}


@pytest.fixture
def guest(
    browser: Browser, serve: Callable[..., str], settled: Callable[[Page], None]
) -> Iterator[Callable[..., Visitor]]:
    """Give a function that brings a visitor with a browser of these settings."""
    guests: list[Visitor] = []

    def bring(address: str | None = None, **settings: Any) -> Visitor:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings})
        guests.append(Visitor(context, address or serve("app.py"), settled))
        return guests[-1]

    yield bring
    for each in guests:
        each.page.context.close()
    for each in guests:
        each.check()


@pytest.fixture
def visitor(guest: Callable[..., Visitor]) -> Visitor:
    """Bring a visitor with a mouse."""
    return guest()


class Stage:
    """The stage of a page: what is on it, and the numbers and pictures that it shows."""

    def __init__(self, page: Page) -> None:
        self.page, self.root = page, page.locator(".stage")
        self.plane, self.handle = page.locator(".plane"), page.locator(".handle")
        self.status = self.root.get_by_role("status")
        self.curves = page.locator(".curves path.curve")
        self.product = page.locator(".curves path.curve.product").first
        self.back = page.get_by_role("button", name="Back to the posterior")
        self.headline = page.get_by_role("heading", level=3).first

    def at_rest(self) -> Stage:
        """Wait until the posterior has come to rest and is generated from, to its last draw."""
        expect(self.root.locator(".posterior")).to_have_attribute("aria-busy", "false")
        expect(self.page.locator(".made[data-draws='64']:not(.held)")).to_be_attached()
        return self

    def held(self) -> Stage:
        """Wait until what a held latent decodes to is shown."""
        expect(self.page.locator(".made.held")).to_be_attached()
        return self

    def expert(self, name: str) -> Locator:
        """The switch in the legend."""
        return self.page.get_by_role("switch", name=re.compile(f"^{name}’s? expert$"))

    def card(self, name: str) -> Locator:
        """The visible part of the switch of the card beside."""
        return self.page.locator(f".st-key-supply-{name.replace(' ', '-')} label").first

    def picture(self, which: int = 0) -> np.ndarray:
        """The mean picture, or a sample, from 0 to 1: how opaque the ink is."""
        opacity = (
            self.page.locator(".made canvas")
            .nth(which)
            .evaluate(
                "c => [c.height, c.width, ...c.getContext('2d')"
                ".getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 3)]"
            )
        )
        return np.array(opacity[2:]).reshape(opacity[:2]) / 255

    def amounts(self, grid: str) -> list[float]:
        """The numbers at the end of the bars of a chart, in its units."""
        texts = self.page.locator(f"{grid} .amount").all_inner_texts()
        return [float(text.replace("−", "-").split()[-2]) for text in texts]

    def percentages(self) -> list[float]:
        """What the bars of the labels say."""
        return self.amounts(".made .bars")

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where on the page a point of the plane is, given in parts of its sides."""
        self.plane.scroll_into_view_if_needed()
        box = self.plane.bounding_box()
        assert box
        return box["x"] + x * box["width"], box["y"] + y * box["height"]


@pytest.fixture(scope="module")
def call(browser: Browser) -> Iterator[Call]:
    """Give a function that evaluates JavaScript with the modules of the stage."""
    yield from evaluator(browser)


@pytest.fixture(scope="session")
def stage() -> type[Stage]:
    """Give what takes a page and tells of its stage."""
    return Stage


def _await(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Wait until a server answers; fail with what it wrote if it ends or takes too long."""
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')}")
