"""Fixtures: a Chromium, and Streamlit apps served to it.

A test takes ``page`` and ``serve``::

    def test_title(page, serve, settled):
        page.goto(serve("app.py"))
        settled(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("MVAE Explorer")

Wait for what a page shows (``expect``) and for its script (``settled``), never for seconds.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

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


def _await(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Wait until a server answers; fail with what it wrote if it ends or takes too long."""
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')}")
